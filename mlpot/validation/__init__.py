"""Checks of a model before its release: `mlpot check`.

Data flow: model file and structures -> `system_under_test` (relaxed structures) -> one function per check ->
`CheckResult` (passed, failed or skipped, a sentence, numbers, plots) -> `CheckReport`. `run` holds the order.

- `short_range`: dimers, trimers, compression
- `holes`: rattled structures, random structure search
- `derivatives`: forces and stress against finite differences; symmetries
- `engines`: native against torch, LAMMPS against ASE
- `conservation`, `high_temperature`: molecular dynamics
- `stability`: phonons and elastic constants of a stable crystal
"""

from mlpot.extras import needs

with needs("properties"):
    from mlpot.validation.report import CheckReport
    from mlpot.validation.result import CheckResult
    from mlpot.validation.run import CheckSettings, run_check

__all__ = ["CheckReport", "CheckResult", "CheckSettings", "run_check"]
