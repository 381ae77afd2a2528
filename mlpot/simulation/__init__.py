"""Relaxation and molecular dynamics with ASE's optimizers and integrators, monitored and restartable.

Data flow: atoms with a calculator -> `relax` or `run_md` -> result with units, frames and records on disk.
"""

from mlpot.simulation.dynamics import MDResult, run_md
from mlpot.simulation.frames import read_structure
from mlpot.simulation.relaxation import RelaxResult, relax
from mlpot.simulation.settings import MDSettings

__all__ = ["MDResult", "MDSettings", "RelaxResult", "read_structure", "relax", "run_md"]
