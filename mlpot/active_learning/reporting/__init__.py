"""The course of a loop for people: tables and one picture."""
