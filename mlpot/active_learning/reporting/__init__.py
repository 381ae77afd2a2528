"""Course of a loop, read from its store: `overview`, a row for each iteration, and `report`, a figure."""
