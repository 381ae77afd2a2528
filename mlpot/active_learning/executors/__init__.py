"""Executors: run calculations in processes of this machine, or in jobs of a cluster, behind one interface.

An executor performs task folders. A finished task has a result file. One whose worker died is reported as lost, and the
driver of `labelling` submits it again.
"""

from mlpot.active_learning.executors.choice import make_executor
from mlpot.active_learning.executors.interface import Ended, Executor

__all__ = ["Ended", "Executor", "make_executor"]
