"""`model.pt`: one file that holds a potential for every engine; written and read here."""
