"""Active learning: from a material and a DFT code to a potential, with as few DFT calculations as possible.

Data flow, one iteration of `loop.run_loop` (a folder or module each):

    initial        structures that are labelled first, and initial states of trajectories
    exploration    molecular dynamics with the current potential, checked by its own uncertainty
    selection      frames that are uncertain, different and physical; large ones are cut
    labelling      jobs -> `executors` (this machine, Slurm) -> `calculation` (DFT in separate processes) -> labels
    train          labels -> potential with calibrated error bars
    stop           target reached, nothing uncertain found, or budget spent

`store`, one SQLite file, holds the whole state: structures, jobs, labels, selections, steps, events. A loop that is
killed at any moment continues from it, and no finished calculation is lost. `config` has the configuration, `progress`
the values passed to the caller of a running loop, `reporting` the course of a loop.
"""

from mlpot.active_learning.config import ExecutorSettings, LabelSettings
from mlpot.active_learning.labelling.driver import LabellingReport, label_waiting
from mlpot.active_learning.labelling.export import export_labels
from mlpot.active_learning.selection.cutout import Cutout, cut_out
from mlpot.active_learning.selection.greedy import Candidate, Selection, select_batch
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
