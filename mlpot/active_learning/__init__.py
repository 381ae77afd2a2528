"""Active learning: from a material and a DFT code to a potential, with as few DFT calculations as possible.

Data flow: structures (`generate`, or anything else) -> `select` (uncertain, different, physical; `cutout` makes large
ones small) -> `Store` (every structure, selection, job, label and event; one SQLite file) -> `label` (any ASE
calculator, in processes that may hang, crash or be killed) through an executor (`executors`: this machine, or a
cluster) -> `Store` -> `export`, training. The store is the only state: whatever is killed, and when, what is in it
is right, and what was finished is in it or is taken in at the next start.
"""

from mlpot.active_learning.labelling.driver import LabellingReport, label_waiting
from mlpot.active_learning.selection.cutout import Cutout, cut_out
from mlpot.active_learning.selection.select import Candidate, Selection, select_batch
from mlpot.active_learning.settings import ExecutorSettings, LabelSettings
from mlpot.active_learning.store.export import export_labels
from mlpot.active_learning.store.store import Store

__all__ = [
    "Candidate",
    "Cutout",
    "ExecutorSettings",
    "LabelSettings",
    "LabellingReport",
    "Selection",
    "Store",
    "cut_out",
    "export_labels",
    "label_waiting",
    "select_batch",
]
