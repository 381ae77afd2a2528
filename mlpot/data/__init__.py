"""Reference data: reading, labels, checks, reference energies, splits, stores on disk.

Data flow: `read_structures` makes a ``Sequence[LabelledStructure]`` of files or objects (in memory, or on disk for ASE
databases); `check` finds errors in it, `split` divides it, `reference_energies` takes the elements'
energies off; `training` sees nothing but such sequences.
"""

from mlpot.data.checks import check
from mlpot.data.findings import Finding, findings_table
from mlpot.data.hashing import dataset_hash
from mlpot.data.label_report import LabelReport
from mlpot.data.reading import StructureList, read_structures
from mlpot.data.reference import ReferenceEnergies, elements_of, reference_energies
from mlpot.data.splitting import split, split_by_key
from mlpot.data.store import StructureStore, write_store
from mlpot.data.structure import LabelledStructure, Subset
from mlpot.data.summary import DataSummary, summarize

__all__ = [
    "DataSummary",
    "Finding",
    "LabelReport",
    "LabelledStructure",
    "ReferenceEnergies",
    "StructureList",
    "StructureStore",
    "Subset",
    "check",
    "dataset_hash",
    "elements_of",
    "findings_table",
    "read_structures",
    "reference_energies",
    "split",
    "split_by_key",
    "summarize",
    "write_store",
]
