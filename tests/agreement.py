"""Deviations between the results of two engines."""

import numpy as np


def deviations(got, expected):
    """Deviations of energies, atomic energies, forces, virials and per-atom virials.

    Energies are relative to the sum of the sizes of the atomic energies, forces to the largest one, virials to the
    larger of both: one atom in a small cell has no force and a virial of 100 eV, rounded in its last digit.
    """
    size = max(1.0, np.abs(expected.forces).max())
    virial_size = max(size, np.abs(expected.virial).max())
    energies = np.abs(expected.atomic_energies)
    return (
        abs(got.energy - expected.energy) / energies.sum(),
        np.abs(got.atomic_energies - expected.atomic_energies).max() / energies.max(),
        np.abs(got.forces - expected.forces).max() / size,
        np.abs(got.virial - expected.virial).max() / virial_size,
        np.abs(got.atomic_virials - expected.atomic_virials).max() / virial_size,
    )


def assert_exact(got, expected):
    """Two ways to compute the same numbers in float64 differ by rounding only."""
    found = deviations(got, expected)
    assert max(found[:2]) < 1e-12, f"energies deviate by {max(found[:2]):.1e}"
    assert max(found[2:]) < 1e-10, f"forces or virials deviate by {max(found[2:]):.1e}"
