"""Relaxation and molecular dynamics with ASE's own optimizers and integrators, watched and resumable.

Data flow: atoms with a calculator -> `relax` or `run_md` -> result with units, frames and records on disk. `terminal`
puts either on a terminal, with a progress bar and a table.
"""

from mlpot.simulation.dynamics import MDResult, run_md
from mlpot.simulation.relaxation import RelaxResult, relax
from mlpot.simulation.settings import MDSettings

__all__ = ["MDResult", "MDSettings", "RelaxResult", "relax", "run_md"]
