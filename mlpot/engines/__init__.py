"""Engines: what evaluates a model file for ASE, native (C++) or torch, behind one interface."""
