"""The whole path in about a minute: train on the shipped DFT data, export, use the file in ASE and in LAMMPS, report.

`steps` holds one function a step, each with a plain result; `report` shows the results as a table and an HTML page.
"""

from mlpot.cli.quickstart.run import run_quickstart

__all__ = ["run_quickstart"]
