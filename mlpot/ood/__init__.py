"""Does a model know that it does not know? Training without one kind of data, then error bars on that kind.

Data flow: `division` of a data set -> training of a committee -> `findings` on the held-out kind and on structures of
the known kinds -> tables, plots, JSON (`run`). A second call continues the first.
"""

from mlpot.extras import needs

with needs("train"):
    from mlpot.ood.run import Settings, run_ood

__all__ = ["Settings", "run_ood"]
