"""The memory of active learning: one SQLite file."""
