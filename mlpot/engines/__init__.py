"""Engines: evaluation of a model for ASE atoms, native (C++) or torch, behind one interface.

Data flow: model file or `ModelBundle` -> `opening.open_engine` -> `Engine.compute(atoms)` -> `Results`.
"""
