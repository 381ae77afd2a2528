"""Exploration: molecular dynamics with the potential, watched by its own uncertainty."""
