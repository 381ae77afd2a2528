"""Figures that describe a data set, for the manifest of a model and for the screen."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from rich.table import Table

from mlpot.data.structure import LabelledStructure


@dataclass(frozen=True)
class DataSummary:
    """Content of a data set; ranges are (lowest, highest), None where a label does not occur.

    Attributes
    ----------
    n_structures, n_atoms : int
    atoms_per_structure : tuple of int
    elements : dict of symbol to number of atoms
    config_types : dict of config_type to number of structures
    labels : dict of label to number of structures that have it
    energy_per_atom : tuple of float or None, eV/atom
        Of structures with more than one atom.
    force_rms, force_max : float or None, eV/A
        Root mean square of the components; longest force on an atom.
    pressure : tuple of float or None, eV/A^3
        Minus a third of the trace of the stress.
    """

    n_structures: int
    n_atoms: int
    atoms_per_structure: tuple[int, int]
    elements: dict[str, int]
    config_types: dict[str, int]
    labels: dict[str, int]
    energy_per_atom: tuple[float, float] | None
    force_rms: float | None
    force_max: float | None
    pressure: tuple[float, float] | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def __rich__(self) -> Table:
        table = Table("", "", title="data set", show_header=False, title_justify="left")
        for name, value in asdict(self).items():
            table.add_row(name.replace("_", " "), _text(value))
        return table


def summarize(structures: Iterable[LabelledStructure]) -> DataSummary:
    """Describe a data set in one pass.

    Returns
    -------
    DataSummary
    """
    elements, config_types, labels = Counter[str](), Counter[str](), Counter[str]()
    sizes, energies, pressures = [], [], []
    squares, components, longest = 0.0, 0, 0.0
    for structure in structures:
        n_atoms = len(structure.atoms)
        sizes.append(n_atoms)
        elements.update(chemical_symbols[z] for z in structure.atoms.numbers)
        config_types[structure.config_type] += 1
        labels.update(label for label in ("energy", "forces", "stress") if getattr(structure, label) is not None)
        if structure.energy is not None and n_atoms > 1:
            energies.append(structure.energy / n_atoms)
        if structure.stress is not None:
            pressures.append(-float(np.trace(structure.stress)) / 3)
        if structure.forces is not None and n_atoms:
            squares += float(np.sum(structure.forces**2))
            components += structure.forces.size
            longest = max(longest, float(np.linalg.norm(structure.forces, axis=1).max()))
    return DataSummary(
        len(sizes),
        sum(sizes),
        (min(sizes, default=0), max(sizes, default=0)),
        dict(sorted(elements.items())),
        dict(sorted(config_types.items())),
        dict(labels),
        (min(energies), max(energies)) if energies else None,
        float(np.sqrt(squares / components)) if components else None,
        longest if components else None,
        (min(pressures), max(pressures)) if pressures else None,
    )


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {count}" for key, count in value.items())
    if isinstance(value, tuple):
        return " to ".join(_text(part) for part in value)
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
