"""Findings from pairs of similar structures: wrong units and signs, stresses with an offset, jumps of the energy."""

from collections.abc import Sequence

import numpy as np

from mlpot.data.checks.consistency import WorkPair
from mlpot.data.findings import Finding
from mlpot.data.structure import FloatArray

ENERGY_UNITS = {"eV": 1.0, "Hartree": 27.211386, "Rydberg": 13.605693, "kcal/mol": 0.0433641, "kJ/mol": 0.0103643}
FORCE_UNITS = {
    "eV/A": 1.0,
    "Hartree/Bohr": 51.422067,
    "Rydberg/Bohr": 25.711034,
    "eV/Bohr": 1.8897261,
    "kcal/mol/A": 0.0433641,
    "kJ/mol/A": 0.0103643,
    "kJ/mol/nm": 0.00103643,
}
# The likely ones first: (unit of the energies, unit of the forces).
UNIT_MIXTURES = (
    ("Hartree", "Hartree/Bohr"),
    ("Hartree", "eV/A"),
    ("eV", "Hartree/Bohr"),
    ("eV", "kcal/mol/A"),
    ("kcal/mol", "eV/A"),
    ("Rydberg", "Rydberg/Bohr"),
    ("Rydberg", "eV/A"),
    ("eV", "Rydberg/Bohr"),
    ("eV", "eV/Bohr"),
    ("kJ/mol", "kJ/mol/nm"),
    ("kJ/mol", "eV/A"),
    ("eV", "kJ/mol/A"),
    ("eV", "kJ/mol/nm"),
    ("Hartree", "kcal/mol/A"),
    ("kcal/mol", "Hartree/Bohr"),
)
STRESS_UNITS = {
    "GPa": 0.00624151,
    "kbar": 0.000624151,
    "bar": 6.24151e-7,
    "Hartree/Bohr^3": 183.631,
    "Rydberg/Bohr^3": 91.8157,
}
CLOSE = 0.4  # A; up to here the trapezoidal rule gives the work
VERY_CLOSE = 0.25  # A; closer than what separates two minima
SMALL_STRAIN = 0.12
FEWEST = 5  # pairs
SHARPNESS = 0.35  # relative half-width of the slopes' middle half, up to which their median means something
TOLERANCE = 0.4  # of the slope around 1
OFFSET = 2e-3  # eV/A^3
OUTLIER = 100.0  # times the median


def check_agreement(pairs: Sequence[WorkPair]) -> list[Finding]:
    """Compare energies with forces and stresses; no finding where the comparison is not reliable."""
    near = [pair for pair in pairs if 0 < pair.distance < CLOSE or pair.strain > 0]
    near = [pair for pair in near if pair.distance < CLOSE and pair.strain < SMALL_STRAIN]
    findings = [*_force_agreement(near), *_stiffness(near)]
    # Stress and jumps can be compared only where energies and forces belong together.
    if any(finding.kind == "energy-force-unit" for finding in findings):
        return findings
    stress = _stress_agreement(near)
    return [*findings, *stress] if any(f.severity == "error" for f in stress) else [*findings, *stress, *_jumps(near)]


def _column(pairs: Sequence[WorkPair], name: str) -> FloatArray:
    return np.array([getattr(pair, name) for pair in pairs], dtype=np.float64)


def median_slope(x: FloatArray, y: FloatArray) -> float | None:
    """Median of y / x over the pairs with a large x; None if there are too few or the slopes scatter too much."""
    size = np.abs(x)
    usable = np.isfinite(x) & np.isfinite(y) & (size > 0)
    if not usable.any():
        return None
    typical = size[usable & (size < OUTLIER * np.median(size[usable]))]  # one absurd label must not set the scale
    large = usable & (size > 0.3 * np.sqrt(np.mean(typical**2)))
    if np.count_nonzero(large) < FEWEST:
        return None
    low, middle, high = np.quantile(y[large] / x[large], [0.25, 0.5, 0.75])
    return float(middle) if (high - low) < 2 * SHARPNESS * abs(middle) else None


def _force_agreement(near: Sequence[WorkPair]) -> list[Finding]:
    moved = sorted((pair for pair in near if pair.strain == 0), key=lambda pair: pair.distance)
    moved = moved[: max(2 * FEWEST, len(moved) // 2)]
    slope = median_slope(_column(moved, "force_work"), _column(moved, "energy_change"))
    if slope is None or abs(slope - 1) < TOLERANCE:
        return []
    sizes = _column(moved, "n_atoms")
    message = f"energies change by {slope:.3g} times the work of the forces in {len(moved)} pairs of similar structures"
    reasons = _unit_reasons(slope)
    if np.ptp(sizes) == 0 and abs(slope * sizes[0] - 1) < 0.1:
        reasons.insert(0, "energies per atom")
    guess = f": {' or '.join(reasons)}?" if reasons else ""
    return [Finding("error", "energy-force-unit", message + guess, "convert to eV and eV/A, force = -gradient")]


def _unit_reasons(slope: float) -> list[str]:
    """Mixtures of units that give the slope, the likeliest first."""
    if slope < 0:
        sign = ["gradients instead of forces"]
        return sign if abs(slope + 1) < TOLERANCE else [f"{reason}, and {sign[0]}" for reason in _unit_reasons(-slope)]
    reasons = ["positions in Bohr"] if abs(slope / 0.529177 - 1) < 0.1 else []
    for energy, force in UNIT_MIXTURES:
        if abs(slope * ENERGY_UNITS[energy] / FORCE_UNITS[force] - 1) < 0.1:
            reasons.append(f"energies in {energy} with forces in {force}")
    return reasons[:2]


def _stiffness(near: Sequence[WorkPair]) -> list[Finding]:
    """Look at how fast forces change with positions, which is alike in all matter."""
    stiffness = _column([pair for pair in near if pair.distance > 1e-3], "stiffness")
    stiffness = stiffness[np.isfinite(stiffness)]
    if len(stiffness) < FEWEST:
        return []
    value = float(np.median(stiffness))
    if np.quantile(stiffness, 0.8) < 0:
        message = f"forces drive atoms away from where they are stable ({value:.3g} eV/A^2)"
        return [Finding("warning", "force-sign", message + ": gradients?", "force = -gradient")]
    if 0.2 < value < 35 or value < 0:
        return []
    guess = "kcal/mol or kJ/mol" if value > 1 else "Hartree/Bohr"
    message = f"forces change by {value:.3g} eV/A^2 with the positions (median); usual are 0.5 to 15: in {guess}?"
    return [Finding("warning", "force-unit", message, "convert to eV and eV/A")]


def _stress_agreement(near: Sequence[WorkPair]) -> list[Finding]:
    strained = [p for p in near if p.strain > 0 and np.isfinite(p.stress_work) and abs(p.stress_work) > 0]
    rest = _column(strained, "energy_change") - _column(strained, "force_work")
    # Where the forces do much of the work, their error would be blamed on the stress.
    clear = np.abs(rest) > np.abs(_column(strained, "force_work"))
    x, y = _column(strained, "stress_work")[clear], rest[clear]
    slope = median_slope(x, y)
    wrong = slope is not None and abs(slope - 1) > TOLERANCE
    reasons = _stress_reasons(slope, float(np.median(_column(strained, "volume")[clear]))) if wrong and slope else []
    sign_or_offset = [] if reasons else _stress_sign(strained) or _offset(x, y, _column(strained, "volume_work")[clear])
    if sign_or_offset or not wrong:
        return sign_or_offset
    message = f"energies change by {slope:.3g} times the work of the stress in {len(x)} pairs of similar structures"
    guess = f": {' or '.join(reasons)}?" if reasons else ""
    return [
        Finding("error", "stress-unit", message + guess, "convert to eV/A^3, tension positive; name virials virial")
    ]


def _stress_sign(strained: Sequence[WorkPair]) -> list[Finding]:
    """Look at how stresses change with strain: tension rises where matter is stretched, however rough the energies."""
    stiffness = _column(strained, "stress_stiffness")
    stiffness = stiffness[np.isfinite(stiffness)]
    if len(stiffness) < FEWEST or np.quantile(stiffness, 0.75) >= 0:
        return []
    message = (
        f"stresses change by {np.median(stiffness):.3g} eV/A^3 times the strain in {len(stiffness)} pairs of similar "
        "structures (median), which is positive for stable matter: do they have the opposite sign (compression "
        "positive, as VASP prints it)?"
    )
    return [Finding("error", "stress-sign", message, "change the sign: tension positive; name virials virial")]


def _stress_reasons(slope: float, volume: float) -> list[str]:
    size = abs(slope)
    sign = " with the opposite sign (compression positive, as VASP prints it)" if slope < 0 else ""
    reasons = [f"{unit}{sign}" for unit, value in STRESS_UNITS.items() if abs(size / value - 1) < 0.15]
    reasons += [f"energies in {unit}{sign}" for unit, value in ENERGY_UNITS.items() if abs(size * value - 1) < 0.15]
    if abs(size * volume - 1) < 0.15:
        reasons.append("a virial under the name of a stress" if slope < 0 else "stress times volume")
    return [reason.replace("energies in eV with", "eV/A^3 with") for reason in reasons]


def _offset(x: FloatArray, y: FloatArray, volume_work: FloatArray) -> list[Finding]:
    """Pressure that the stresses lack (Pulay stress): it shows as energy proportional to the change of volume."""
    offset = median_slope(volume_work, y - x)
    if offset is None or abs(offset) < OFFSET:
        return []
    message = (
        f"the stress is off by {offset:+.2g} eV/A^3 ({160.2177 * offset:+.2g} GPa) from the slope of the energy "
        f"in {len(x)} pairs of similar structures: Pulay stress of a small basis?"
    )
    return [Finding("warning", "stress-offset", message, "raise the plane-wave cutoff, or do not train on the stress")]


def _jumps(near: Sequence[WorkPair], floor: float = 0.02) -> list[Finding]:
    """Energy changes that no force or stress explains."""
    known = [pair for pair in near if np.isfinite(pair.stress_work) and pair.distance < VERY_CLOSE]
    work = np.abs(_column(known, "force_work")) + np.abs(_column(known, "stress_work"))
    misfit = np.abs(_column(known, "energy_change") - _column(known, "force_work") - _column(known, "stress_work"))
    sizes = _column(known, "n_atoms")
    # What the forces' change along the way amounts to bounds the error of the trapezoidal rule generously.
    bending = np.nan_to_num(np.abs(_column(known, "stiffness"))) * sizes * _column(known, "distance") ** 2
    jumps = np.flatnonzero((misfit > 5 * work) & (misfit > bending) & (misfit > floor * sizes))
    if len(jumps) == 0:
        return []
    worst = known[int(jumps[np.argmax((misfit / sizes)[jumps])])]
    message = (
        f"energies of similar structures differ by more than forces explain: {worst.energy_change / worst.n_atoms:.3g} "
        f"eV/atom between frames {worst.frames[0]} and {worst.frames[1]}, {worst.distance:.2g} A apart"
    )
    frames = tuple(sorted({frame for k in jumps for frame in known[int(k)].frames}))
    return [
        Finding("warning", "energy-jump", message, "check for mixed DFT settings or another electronic state", frames)
    ]
