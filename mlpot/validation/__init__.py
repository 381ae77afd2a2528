"""`mlpot check`: tries a model before it is released, and says what is wrong with it.

Data flow: a model file and structures -> `subject` (relaxed structures) -> one function a check -> `Verdict` (passed,
failed or skipped, a sentence, numbers, pictures) -> `report`. `run` holds the order.

- `short_range`: dimers, trimers, compression
- `holes`: rattles, descents from random structures
- `derivatives`: forces and stress against finite differences; symmetries
- `engines`: native against torch, LAMMPS against ASE
- `conservation`, `hot`: molecular dynamics
- `stability`: phonons and elastic constants of a stable crystal
"""

from mlpot.validation.result import Verdict
from mlpot.validation.run import CheckSettings, run_check

__all__ = ["CheckSettings", "Verdict", "run_check"]
