"""Which key of a frame is which label: named keys, the calculator, or the usual names; and a report of it.

`LabelFinder` turns ASE atoms into a `LabelledStructure` and records in a `LabelReport` the labels found, missing
and not used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from ase import Atoms

from mlpot.data.findings import Finding, Severity, frame_list
from mlpot.data.label_report import LabelReport
from mlpot.data.structure import FloatArray, LabelledStructure, full_tensor
from mlpot.errors import DataError
from mlpot.neighbors.matscipy import check_atomic_numbers

Label = Literal["energy", "forces", "stress", "virial"]
LABELS: tuple[Label, ...] = ("energy", "forces", "stress", "virial")

# In the order of preference, compared in lower case. Free energies first: forces are their derivatives.
USUAL_KEYS: dict[Label, tuple[str, ...]] = {
    "energy": (
        "free_energy", "energy", "ref_free_energy", "dft_free_energy", "ref_energy", "dft_energy", "energy_ref",
        "energy_dft", "total_energy", "potential_energy",
    ),
    "forces": ("forces", "ref_forces", "dft_forces", "ref_force", "dft_force", "forces_ref", "forces_dft", "force"),
    "stress": ("stress", "ref_stress", "dft_stress", "stress_ref", "stress_dft"),
    "virial": ("virial", "ref_virial", "dft_virial", "virials", "ref_virials", "virial_ref", "virial_dft"),
}  # fmt: skip
WEIGHT_KEYS = ("weight", "config_weight")


@dataclass
class LabelFinder:
    """Take the labels out of frames, in order, and keep account.

    Parameters
    ----------
    keys : mapping of label to key
        Named keys; a label that is not named is looked for under its usual names.
    required : sequence of str
        Labels that every frame must have. A named key is required as well.
    group_key : str
        Entry of `info` that becomes the config_type.
    """

    keys: Mapping[Label, str] = field(default_factory=dict)
    required: Sequence[str] = ()
    group_key: str = "config_type"
    report: LabelReport = field(default_factory=LabelReport)
    _keys_present: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.required) - {"energy", "forces", "stress"})
        if unknown:
            raise DataError(f"`required` may hold energy, forces and stress, got {', '.join(unknown)}")

    def labelled(self, atoms: Atoms) -> LabelledStructure:
        """Structure with the labels of one frame; what is malformed is left out and reported as an error."""
        frame = self.report.n_frames
        self.report.n_frames += 1
        try:
            check_atomic_numbers(atoms)
        except DataError as error:
            raise DataError(f"frame {frame}: {error}: correct the element, or delete the atom") from None
        entries = self._entries(atoms, frame)
        info = {key: value for key, value in atoms.info.items() if key not in self._label_names(entries)}
        bare = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=info)
        result = LabelledStructure(bare, config_type=str(atoms.info.get(self.group_key, "default")))
        result = self._with(result, frame, "energy", self._choose("energy", entries))
        result = self._with(result, frame, "forces", self._choose("forces", entries))
        result = self._with(result, frame, "stress", self._stress(result, entries, frame))
        weight = next((atoms.info[key] for key in WEIGHT_KEYS if key in atoms.info), None)
        result = self._with(result, frame, "weight", weight)
        self._note_missing(result, entries, frame)
        return result

    def _entries(self, atoms: Atoms, frame: int) -> dict[str, Any]:
        """Everything in the frame that could be a label; the calculator's results win over `info` and `arrays`."""
        entries: dict[str, Any] = {**atoms.arrays, **atoms.info}
        if atoms.calc is None:
            return entries
        results = {key: value for key, value in atoms.calc.results.items() if value is not None}
        changed = _changed(atoms) if results else set()
        if changed:
            self._note(
                "error",
                "stale-labels",
                frame,
                f"the calculator's results belong to other {', '.join(sorted(changed))}",
                "compute the labels again, or attach them to the structure that they were computed for",
            )
            return entries
        return {**entries, **results}

    def _choose(self, label: Label, entries: Mapping[str, Any]) -> object:
        """Value of a label, and the account of it."""
        candidates = _candidates(label, entries)
        key = self.keys.get(label, next(iter(candidates), None))
        self.report.ignored[label].update(other for other in candidates if other != key)
        if key is None or entries.get(key) is None:
            return None
        self.report.used[label][key] += 1
        return entries[key]

    def _label_names(self, entries: Mapping[str, Any]) -> set[str]:
        names = {key for label in LABELS for key in _candidates(label, entries)}
        return names | set(self.keys.values()) | set(WEIGHT_KEYS)

    def _stress(self, structure: LabelledStructure, entries: Mapping[str, Any], frame: int) -> object:
        """Take the stress as given, or minus the virial over the volume; naming one of the keys rules the other out."""
        named = {"stress", "virial"} & set(self.keys)
        if named == {"virial"}:
            self.report.ignored["stress"].update(_candidates("stress", entries))
            return self._converted(structure, self._choose("virial", entries), frame)
        stress = self._choose("stress", entries)
        if stress is None and named != {"stress"}:
            return self._converted(structure, self._choose("virial", entries), frame)
        virials = _candidates("virial", entries)
        self.report.ignored["virial"].update(virials)
        if virials and named != {"stress"}:
            converted = self._converted(structure, entries[self.keys.get("virial", virials[0])], frame)
            self._compare(converted, stress, frame)
        return stress

    def _converted(self, structure: LabelledStructure, virial: object, frame: int) -> FloatArray | None:
        if virial is None:
            return None
        if structure.volume < 1e-9:
            message = "there is a virial but the cell has no volume, so no stress follows from it"
            self._note("warning", "virial-without-volume", frame, message, "give the cell, or delete the virial")
            return None
        try:
            tensor: FloatArray = -full_tensor("virial", virial) / structure.volume
        except DataError as error:
            self._note("error", "malformed-label", frame, str(error), "correct or delete the virial")
            return None
        return tensor

    def _compare(self, converted: FloatArray | None, stress: object, frame: int) -> None:
        try:
            given = full_tensor("stress", stress)
        except DataError:
            return  # reported when the structure is made
        if converted is None:
            return
        scale = max(float(np.abs(given).max()), float(np.abs(converted).max()))
        difference = float(np.abs(given - converted).max())
        if difference > 1e-2 * scale + 1e-5:
            opposite = float(np.abs(given + converted).max()) < 1e-2 * scale + 1e-5
            cause = "they have opposite signs" if opposite else f"up to {difference:.3g} eV/A^3"
            self._note(
                "error",
                "stress-virial-mismatch",
                frame,
                f"stress and -virial/volume disagree: {cause}",
                "name the right one with stress_key or virial_key and delete the other",
            )

    def _with(self, structure: LabelledStructure, frame: int, name: str, value: object) -> LabelledStructure:
        if value is None:
            return structure
        fields = {key: getattr(structure, key) for key in structure.__dataclass_fields__}
        try:
            return LabelledStructure(**{**fields, name: value})
        except (DataError, TypeError) as error:
            self._note(
                "error", "malformed-label", frame, str(error), f"correct the {name} of these frames or leave them out"
            )
            return structure

    def _note_missing(self, structure: LabelledStructure, entries: Mapping[str, Any], frame: int) -> None:
        for label in ("energy", "forces", "stress"):
            if getattr(structure, label) is None and not _needs_no(label, structure):
                self.report.missing[label].append(frame)
                self._keys_present.setdefault(label, sorted(set(entries) - {"numbers", "positions"}))

    def _note(self, severity: Severity, kind: str, frame: int, message: str, remedy: str) -> None:
        self.report.add(Finding(severity, kind, message, remedy, (frame,)))

    def finish(self, *, strict: bool) -> LabelReport:
        """Close the account.

        Parameters
        ----------
        strict : bool
            Raise on malformed labels; otherwise they stay findings of the report.

        Raises
        ------
        DataError
            A required label is missing, or, with `strict`, a label is malformed.
        """
        self._require_labels()
        self.report.close()
        errors = [finding for finding in self.report.findings if finding.severity == "error"]
        if strict and errors:
            first = errors[0]
            more = f" (and {len(errors) - 1} more findings)" if len(errors) > 1 else ""
            raise DataError(f"frames {frame_list(first.frames)}: {first.message}; {first.remedy}{more}")
        return self.report

    def _require_labels(self) -> None:
        named = {"stress" if label == "virial" else label: key for label, key in self.keys.items()}
        for label in dict.fromkeys([*named, *self.required]):
            frames = self.report.missing[label]
            if frames:
                sought = f"key `{named[label]}`" if label in named else "a key of any usual name"
                present = ", ".join(self._keys_present[label]) or "none"
                raise DataError(
                    f"label {label} is requested, but {len(frames)} of {self.report.n_frames} frames have no {sought} "
                    f"(frames {frame_list(frames)}; keys in the first of them: {present}): name the right key with "
                    f"{label}_key, or leave these frames out"
                )


def label_keys(
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    virial_key: str | None = None,
) -> dict[Label, str]:
    """Named keys by label, without those that are None."""
    named: dict[Label, str | None] = {
        "energy": energy_key,
        "forces": forces_key,
        "stress": stress_key,
        "virial": virial_key,
    }
    return {label: key for label, key in named.items() if key is not None}


def _changed(atoms: Atoms) -> set[str]:
    """Return what has changed since the calculator ran; NaN differs from itself, and is a finding of its own."""
    changed = {"positions", "numbers", "cell", "pbc"} & set(atoms.calc.check_state(atoms))
    if not np.isfinite(atoms.positions).all():
        changed.discard("positions")
    if not np.isfinite(atoms.cell.array).all():
        changed.discard("cell")
    return changed


def _candidates(label: Label, entries: Mapping[str, Any]) -> list[str]:
    """Keys of a frame that match the label, the preferred one first."""
    order = USUAL_KEYS[label]
    found = [key for key, value in entries.items() if key.lower() in order and value is not None]
    return sorted(found, key=lambda key: (order.index(key.lower()), key))


def _needs_no(label: str, structure: LabelledStructure) -> bool:
    """Excuse missing forces of a lone atom, and a missing stress without volume or periodic direction."""
    if label == "forces":
        return len(structure.atoms) == 1
    return label == "stress" and (structure.volume < 1e-9 or not structure.atoms.pbc.any())
