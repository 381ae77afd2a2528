"""Where calculations run: processes of this machine, or jobs of a cluster, behind one face and with one guarantee.

An executor performs task folders. A task that ends has left a result file; one whose worker vanished is reported as
lost, and it is for the driver to do it again.
"""

from mlpot.active_learning.executors.choice import make_executor
from mlpot.active_learning.executors.interface import Ended, Executor

__all__ = ["Ended", "Executor", "make_executor"]
