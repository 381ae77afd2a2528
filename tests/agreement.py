"""How far two engines are from each other."""


def deviations(got, expected):
    """Of energies, atomic energies, forces, virials and their shares.

    Energies relative to the sizes of the atoms', which may cancel; forces relative to the largest. Virials relative to
    the larger of both: one atom in a small cell has no force and a virial of 100 eV, rounded in its last digit.
    """
    size = max(1.0, expected.forces.abs().max().item())
    virial_size = max(size, expected.virial.abs().max().item())
    return (
        (got.energy - expected.energy).abs().max().item() / expected.atomic_energies.abs().sum().item(),
        (got.atomic_energies - expected.atomic_energies).abs().max().item()
        / expected.atomic_energies.abs().max().item(),
        (got.forces - expected.forces).abs().max().item() / size,
        (got.virial - expected.virial).abs().max().item() / virial_size,
        (got.atomic_virials - expected.atomic_virials).abs().max().item() / virial_size,
    )


def assert_exact(got, expected):
    """As close as rounding in float64 lets two ways to the same number be."""
    found = deviations(got, expected)
    assert max(found[:2]) < 1e-12, f"energies deviate by {max(found[:2]):.1e}"
    assert max(found[2:]) < 1e-10, f"forces or virials deviate by {max(found[2:]):.1e}"
