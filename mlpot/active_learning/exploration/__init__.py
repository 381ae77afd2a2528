"""Exploration: molecular dynamics with the current potential, checked by its own uncertainty.

`trajectory` has the rules and runs ASE; `lammps_trajectory` runs LAMMPS by the same rules; `bias` adds a force towards
a larger uncertainty.
"""
