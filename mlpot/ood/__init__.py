"""Out-of-distribution benchmark: training without one kind of structure, then error bars on that kind.

Data flow: `division` of a data set -> training of a committee -> `findings` on the held-out kind and on structures of
the known kinds -> plots and JSON (`run`). A second call continues where the first one ended.
"""

from mlpot.extras import needs

with needs("train"):
    from mlpot.ood.run import Settings, run_ood

__all__ = ["Settings", "run_ood"]
