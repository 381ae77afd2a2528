"""Checks of labels frame by frame: missing ones, net forces, forces of fixed atoms, extreme forces, stresses."""

from collections.abc import Sequence

import numpy as np

from mlpot.data.checks.records import FrameRecord
from mlpot.data.findings import Finding

NET_FORCE_NOISE = 5e-3  # eV/A per component and atom
EXTREME_FORCE = 50.0  # eV/A
HUGE_STRESS = 0.6  # eV/A^3, about 100 GPa


def check_labels(records: Sequence[FrameRecord]) -> list[Finding]:
    """Find missing and implausible labels."""
    return [*_missing(records), *_net_forces(records), *_magnitudes(records), *_stress_of_open_systems(records)]


def _missing(records: Sequence[FrameRecord]) -> list[Finding]:
    findings = []
    wanted = {
        "energy": [(r.frame, r.energy is not None) for r in records],
        "forces": [(r.frame, r.has_forces) for r in records if r.n_atoms > 1],
        "stress": [(r.frame, r.stress is not None) for r in records if r.n_periodic and r.volume > 1e-9],
    }
    for label, entries in wanted.items():
        lacking = tuple(frame for frame, present in entries if not present)
        if not lacking:
            continue
        if len(lacking) < len(entries):
            message = f"{len(lacking)} of {len(entries)} structures have no {label}"
            remedy = "they will not train it; name the key if it is there under another name"
            findings.append(Finding("warning", f"missing-{label}", message, remedy, lacking))
        else:
            severity = "info" if label == "stress" else "warning" if label == "forces" else "error"
            remedy = f"name its key with --{label}-key if there is one"
            findings.append(Finding(severity, f"missing-{label}", f"no structure has a label {label}", remedy))  # type: ignore[arg-type]
    return findings


def _net_forces(records: Sequence[FrameRecord]) -> list[Finding]:
    """Find forces whose sum is not zero: noise, an external field, or atoms held fixed."""
    noise = {
        r.frame: r.net_force / np.sqrt(3 * r.n_atoms) for r in records if r.net_force is not None and r.n_atoms > 1
    }
    noisy = {frame: value for frame, value in noise.items() if value > NET_FORCE_NOISE}
    if not noisy:
        return []
    fixed = tuple(frame for frame in noisy if records[frame].n_zero_forces)
    findings = []
    if fixed:
        message = f"forces of some atoms are exactly zero and the sum is not ({records[fixed[0]].n_zero_forces} atoms)"
        remedy = "were these atoms held fixed? write the unconstrained forces, or leave these frames out"
        findings.append(Finding("warning", "fixed-atoms", message, remedy, fixed))
    free = tuple(frame for frame in noisy if frame not in fixed)
    if free:
        worst = max(free, key=lambda frame: noisy[frame])
        message = (
            f"forces do not add up to zero: up to {records[worst].net_force:.3g} eV/A (frame {worst}), "
            f"as much as a noise of {1e3 * noisy[worst]:.1f} meV/A on every component"
        )
        remedy = "tighten the DFT settings; no potential can be more exact than this noise"
        findings.append(Finding("warning", "net-force", message, remedy, free))
    return findings


def _magnitudes(records: Sequence[FrameRecord]) -> list[Finding]:
    findings = []
    longest = {r.frame: r.force_max for r in records if r.force_max is not None}
    extreme = tuple(frame for frame, value in longest.items() if value > EXTREME_FORCE)
    if extreme:
        message = f"forces up to {max(longest.values()):.3g} eV/A"
        remedy = "expected below 50 eV/A: wrong unit, or atoms too close"
        findings.append(Finding("warning", "large-forces", message, remedy, extreme))
    stresses = np.array([np.abs(r.stress).max() for r in records if r.stress is not None])
    if len(stresses) and np.median(stresses) > HUGE_STRESS:
        message = (
            f"the largest stress component is {np.median(stresses):.3g} eV/A^3 in the median, "
            f"{160.22 * np.median(stresses):.3g} GPa: is it in GPa or kbar?"
        )
        remedy = "convert to eV/A^3: 1 GPa = 0.00624151 eV/A^3, 1 kbar = 0.000624151 eV/A^3; VASP's sign is opposite"
        findings.append(Finding("warning", "stress-unit", message, remedy))
    return findings


def _stress_of_open_systems(records: Sequence[FrameRecord]) -> list[Finding]:
    frames = tuple(r.frame for r in records if r.stress is not None and (r.n_periodic == 0 or r.volume < 1e-9))
    if not frames:
        return []
    message = "there is a stress although nothing is periodic, or the cell has no volume"
    return [Finding("warning", "stress-without-cell", message, "set `pbc` and cell, or delete the stress", frames)]
