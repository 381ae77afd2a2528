"""Checks of energies against compositions: reference energies, outliers, separate groups, absolute unit."""

from collections.abc import Sequence

import numpy as np

from mlpot.data.checks.records import FrameRecord
from mlpot.data.findings import Finding
from mlpot.data.reference import EnergyTable, reference_energies_of
from mlpot.data.structure import FloatArray
from mlpot.errors import DataError

# Hartree-Fock energies of the atoms H to Kr in Hartree (Clementi and Roetti, At. Data Nucl. Data Tables 14, 177).
ALL_ELECTRON = np.array([
    -0.5, -2.862, -7.433, -14.573, -24.529, -37.689, -54.401, -74.809, -99.409, -128.547, -161.859, -199.615,
    -241.877, -288.854, -340.719, -397.505, -459.482, -526.818, -599.165, -676.758, -759.736, -848.406, -942.884,
    -1043.356, -1149.866, -1262.444, -1381.415, -1506.871, -1638.964, -1777.848, -1923.261, -2075.360, -2234.239,
    -2399.868, -2572.441, -2752.055,
])  # fmt: skip
PER_HARTREE = {"Hartree": 1.0, "Rydberg": 2.0, "kcal/mol": 627.509, "kJ/mol": 2625.50}


def check_energies(records: Sequence[FrameRecord], table: EnergyTable) -> list[Finding]:
    """Compare energies with compositions."""
    if len(table.energies) == 0:
        return []
    return [*_references(table), *_absolute_unit(table), *_outliers(table), *_groups(records, table)]


def _references(table: EnergyTable) -> list[Finding]:
    try:
        reference = reference_energies_of(table)
    except DataError as error:
        return [Finding("error", "reference-energies", str(error), "")]  # `mlpot train` refuses the same data
    if "isolated atom" not in reference.sources or -20 < reference.residual_mean < 0.5:
        return []
    severity = "error" if abs(reference.residual_mean) > 20 else "warning"
    message = (
        f"{reference.residual_mean:.3g} eV/atom remain after subtracting the isolated atoms; "
        "expected a binding energy between -20 and 0.5 eV/atom"
    )
    remedy = "compute the isolated atoms with the settings, unit and pseudopotentials of the other structures"
    return [Finding(severity, "reference-energies", message, remedy)]  # type: ignore[arg-type]


def _absolute_unit(table: EnergyTable) -> list[Finding]:
    """All-electron energies are tabulated within 2 %, from which the unit follows; other energies rarely coincide."""
    if max(table.atomic_numbers) > len(ALL_ELECTRON):
        return []
    expected = table.counts @ ALL_ELECTRON[np.array(table.atomic_numbers) - 1]
    ratio = float(np.median(table.energies / expected))
    for unit, value in PER_HARTREE.items():
        if abs(ratio / value - 1) < 0.02:
            message = f"energies look like all-electron energies in {unit}"
            return [Finding("warning", "energy-unit", message, "convert energies to eV and forces to eV/A")]
    return []


def _outliers(table: EnergyTable, limit: float = 10.0, floor: float = 0.3) -> list[Finding]:
    residuals = table.residuals(_best_values(table))
    deviation = np.abs(residuals - np.median(residuals))
    spread = 1.4826 * float(np.median(deviation))
    bad = np.flatnonzero((deviation > limit * spread) & (deviation > floor))
    if len(bad) == 0:
        return []
    worst = bad[np.argmax(deviation[bad])]
    message = (
        f"energies far from the others of like composition: {residuals[worst]:.3g} eV/atom in frame "
        f"{table.frames[worst]}, median {np.median(residuals):.3g}, robust spread {spread:.2g}"
    )
    remedy = "check these structures: unconverged, exploded, or other settings?"
    return [Finding("warning", "energy-outlier", message, remedy, tuple(table.frames[bad].tolist()))]


def _groups(records: Sequence[FrameRecord], table: EnergyTable, smallest: int = 5) -> list[Finding]:
    """Energies in two bunches whose distance is far greater than their width."""
    residuals = table.residuals(_best_values(table))
    order = np.argsort(residuals)
    ordered = residuals[order]
    if len(ordered) < 2 * smallest:
        return []
    cut = int(np.argmax(np.diff(ordered)[smallest - 1 : len(ordered) - smallest])) + smallest
    gap = float(ordered[cut] - ordered[cut - 1])
    width = max(float(np.ptp(ordered[:cut])), float(np.ptp(ordered[cut:])))
    if gap < 0.1 or gap < 3 * width:
        return []
    upper = tuple(sorted(table.frames[order[cut:]].tolist()))
    types = sorted({records[frame].config_type for frame in upper})
    message = (
        f"the energies fall into two groups {gap:.3g} eV/atom apart, each at most {width:.2g} wide "
        f"({cut} below, {len(upper)} above; config_types above: {', '.join(types)})"
    )
    remedy = "if they come from different DFT settings, do not train on both; the frames of the upper group are given"
    return [Finding("warning", "mixed-settings", message, remedy, upper)]


def _best_values(table: EnergyTable) -> FloatArray:
    """Fit reference energies whatever the rank: residuals do not depend on the undetermined part."""
    return reference_energies_of(table, method="least_squares_min_norm").values
