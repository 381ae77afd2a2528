"""The calculator's numbers: derivatives, sums, symmetries, for every kind of structure."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.calculator import PropertyNotImplementedError
from ase.stress import voigt_6_to_full_3x3_stress
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlpot
from mlpot.errors import ConfigError, DataError, EngineError, ModelFileError
from mlpot.neighbors.matscipy import neighbor_list

quick = settings(max_examples=25, suppress_health_check=[HealthCheck.filter_too_much])


@pytest.fixture(scope="module")
def calc(model_file):
    return mlpot.MLPotCalculator(model_file, skin=0.5)


def wire():
    return Atoms("SiOH", positions=[[0, 0, 0.1], [1.2, 0.9, 1.3], [-0.8, 1.1, 2.2]], cell=[0, 0, 3.1], pbc=[0, 0, 1])


def triclinic():
    cell = [[3.1, 0.2, 0], [0.9, 3.3, 0.4], [-0.7, 0.5, 2.9]]
    return Atoms("SiOH", scaled_positions=[[0, 0, 0], [0.5, 0.6, 0.4], [-0.6, 1.3, 0.6]], cell=cell, pbc=True)


STRUCTURES = {
    "bulk": lambda: bulk("Si", cubic=True),
    "primitive": lambda: bulk("Si"),
    "triclinic": triclinic,
    "slab": lambda: fcc111("Si", (1, 1, 3), a=4.2, vacuum=5.0, periodic=False),
    "wire": wire,
    "molecule": lambda: molecule("H2O"),
    "dimer": lambda: Atoms("SiO", positions=[[0, 0, 0], [0.4, 0.3, 0.9]]),
    "atom": lambda: Atoms("O"),
}


def rattled(name):
    atoms = STRUCTURES[name]()
    if len(atoms) > 1:
        atoms.rattle(0.07, seed=5)
    return atoms


@st.composite
def structures(draw):
    """Random species, periodicity and triclinic cell (also smaller than the cutoff), some atoms outside of it."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_atoms = draw(st.integers(1, 6))
    pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    cell = draw(st.sampled_from([3.0, 5.0])) * (np.eye(3) + 0.2 * rng.uniform(-1, 1, (3, 3)))
    numbers = rng.choice([1, 8, 14], n_atoms)
    atoms = Atoms(numbers, rng.uniform(-0.5, 1.5, (n_atoms, 3)) @ cell, cell=cell, pbc=pbc)
    distances = np.linalg.norm(neighbor_list(atoms, 4.0)[2], axis=1)
    # Closer atoms are legal; rounding relative to their huge repulsion would only blur the comparison.
    scale = 0.9 / min(distances.min(initial=0.9), 0.9)
    atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
    return atoms, rng


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("model", ["model_file", "deep_model_file"])
def test_forces_are_the_derivative_of_the_energy(name, model, request):
    atoms = rattled(name)
    atoms.calc = mlpot.MLPotCalculator(request.getfixturevalue(model))
    forces = atoms.get_forces()
    step = 1e-4
    for k in range(min(len(atoms), 3)):
        for axis in range(3):
            energies = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[k, axis] += sign * step
                moved.calc = atoms.calc
                energies.append(moved.get_potential_energy())
            numerical = (energies[1] - energies[0]) / (2 * step)
            assert abs(numerical - forces[k, axis]) < 1e-6 * max(1.0, np.abs(forces).max())


def numerical_virial(atoms, step=1e-5):
    virial = np.zeros((3, 3))
    for a in range(3):
        for b in range(3):
            energies = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * step
                strained = atoms.copy()
                strained.set_cell(atoms.cell.array @ strain)
                strained.positions = atoms.positions @ strain
                strained.calc = atoms.calc
                energies.append(strained.get_potential_energy())
            virial[a, b] = (energies[1] - energies[0]) / (2 * step)
    return virial


@pytest.mark.parametrize("name", STRUCTURES)
def test_virial_and_stress_are_derivatives_of_the_energy(name, calc):
    atoms = rattled(name)
    atoms.calc = calc
    virial = numerical_virial(atoms)
    scale = max(1.0, np.abs(virial).max())
    np.testing.assert_allclose(calc.get_virial(atoms), virial, rtol=0, atol=1e-6 * scale)
    if atoms.pbc.all():
        stress = -virial / atoms.get_volume()
        np.testing.assert_allclose(atoms.get_stress(voigt=False), stress, atol=1e-6 * scale / atoms.get_volume())


@quick
@given(structure=structures())
def test_sums_and_net_force(calc, structure):
    atoms, _ = structure
    atoms.calc = calc
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    assert atoms.get_potential_energy(force_consistent=True) == energy
    assert atoms.get_potential_energies().sum() == pytest.approx(energy, abs=1e-10)
    scale = max(1.0, np.abs(forces).max())
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-11 * scale)
    if atoms.pbc.all():
        np.testing.assert_allclose(atoms.get_stresses().sum(axis=0), atoms.get_stress(), atol=1e-11 * scale)


@quick
@given(structure=structures())
def test_reused_list_equals_a_fresh_calculator(calc, model_file, structure):
    """Random displacements with changes of the cell: same bits with an old, a new, or no Verlet list."""
    atoms, rng = structure
    others = [mlpot.MLPotCalculator(model_file, skin=0.0), mlpot.MLPotCalculator(model_file, skin=1.3)]
    atoms.calc = calc
    for step in range(4):
        results = [atoms.get_potential_energy(), atoms.get_forces(), calc.get_virial(atoms)]
        for other in others:
            expected = [other.get_potential_energy(atoms), other.get_forces(atoms), other.get_virial(atoms)]
            for got, wanted in zip(results, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)
        atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
        if step == 1:
            strain = np.eye(3) + rng.normal(scale=0.01, size=(3, 3))
            atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)


@quick
@given(structure=structures())
def test_same_physics_described_differently(calc, structure):
    """Translated, wrapped, permuted, repeated, rotated and inverted."""
    atoms, rng = structure
    energy, forces, virial = calc.get_potential_energy(atoms), calc.get_forces(atoms), calc.get_virial(atoms)
    close = {"rtol": 1e-10, "atol": 1e-10 * max(1.0, np.abs(forces).max(), np.abs(virial).max())}

    def check(other, factor=1, forces=forces, virial=virial):
        np.testing.assert_allclose(calc.get_potential_energy(other), factor * energy, **close)
        np.testing.assert_allclose(calc.get_forces(other), forces, **close)
        np.testing.assert_allclose(calc.get_virial(other), factor * virial, **close)

    moved = atoms.copy()
    moved.positions += rng.uniform(-20, 20, 3)
    check(moved)
    moved.wrap()
    check(moved)
    order = rng.permutation(len(atoms))
    check(atoms[order], forces=forces[order])
    repeated = atoms.repeat([2 if periodic else 1 for periodic in atoms.pbc])
    copies = len(repeated) // len(atoms)
    check(repeated, copies, np.tile(forces, (copies, 1)))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]  # also improper ones
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ rotation)
    turned.positions = atoms.positions @ rotation
    check(turned, forces=forces @ rotation, virial=rotation.T @ virial @ rotation)


def test_no_atoms_and_one_atom(calc):
    nothing = Atoms(calculator=calc)
    assert nothing.get_potential_energy() == 0.0
    assert nothing.get_forces().shape == (0, 3)
    atom = Atoms("Si", calculator=calc)
    assert atom.get_potential_energy() == pytest.approx(-10.0, abs=1e-12)
    np.testing.assert_array_equal(atom.get_forces(), np.zeros((1, 3)))


def test_repulsion_keeps_atoms_apart(calc):
    for distance in (0.3, 1e-3):
        dimer = Atoms("Si2", positions=[[0, 0, 0], [distance, 0, 0]], calculator=calc)
        assert dimer.get_forces()[0, 0] < -100
    dimer.positions[1, 0] = 0
    with pytest.raises(DataError, match="same place"):
        dimer.get_forces()


def test_mixed_precision_is_close_to_double(model_file):
    atoms = rattled("bulk")
    double, mixed = (mlpot.MLPotCalculator(model_file, precision=name) for name in ("double", "mixed"))
    assert mlpot.MLPotCalculator(model_file).get_potential_energy(atoms) == double.get_potential_energy(atoms)
    np.testing.assert_allclose(mixed.get_forces(atoms), double.get_forces(atoms), atol=1e-4)
    assert not np.array_equal(mixed.get_forces(atoms), double.get_forces(atoms))
    assert mixed.get_forces(atoms).dtype == np.float64


@pytest.mark.parametrize("device", ["cuda:99", "teapot"])
def test_devices_that_do_not_exist_are_refused(model_file, device):
    with pytest.raises(EngineError, match=f"device '{device}' cannot be used"):
        mlpot.MLPotCalculator(model_file, device=device)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_the_gpu_gives_the_same(model_file, precision):
    cpu, gpu = (mlpot.MLPotCalculator(model_file, device, precision) for device in ("cpu", "cuda"))
    atoms = rattled("bulk")
    tolerance = 1e-10 if precision == "double" else 1e-4
    np.testing.assert_allclose(gpu.get_forces(atoms), cpu.get_forces(atoms), rtol=0, atol=tolerance)
    np.testing.assert_allclose(gpu.get_stresses(atoms), cpu.get_stresses(atoms), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["slab", "wire", "molecule"])
def test_stress_without_a_volume_is_refused(name, calc):
    atoms = rattled(name)
    atoms.calc = calc
    for ask in (atoms.get_stress, atoms.get_stresses):
        with pytest.raises(PropertyNotImplementedError, match=r"three periodic directions.*get_virial"):
            ask()
    assert np.isfinite(atoms.get_potential_energy())


def test_slab_in_a_periodic_box_has_the_stress_of_the_whole_cell(calc):
    atoms = rattled("slab")
    atoms.cell[2] = [0, 0, 30.0]
    virial = calc.get_virial(atoms)
    atoms.pbc = True
    atoms.calc = calc
    np.testing.assert_allclose(atoms.get_stress(voigt=False) * atoms.get_volume(), -virial, atol=1e-10)


def test_bad_structures_are_refused(calc):
    with pytest.raises(DataError, match=r"has the elements H, O, Si; got atoms of Ge, Xe"):
        calc.get_potential_energy(Atoms("XeGeSi", positions=np.eye(3) * 3))
    atoms = bulk("Si")
    atoms.calc = calc
    atoms.get_forces()
    atoms.positions[1, 2] = np.nan
    with pytest.raises(DataError, match="atom 1"):
        atoms.get_forces()
    with pytest.raises(ConfigError, match="no atoms"):
        mlpot.MLPotCalculator(calc.parameters["path"]).get_potential_energy()


def test_results_that_are_not_finite_are_refused_and_not_kept(model_file):
    calc = mlpot.MLPotCalculator(model_file, engine="torch")
    atoms = Atoms("SiOH", positions=np.eye(3) * 2.0, calculator=calc)
    good = atoms.get_potential_energy()
    calc.engine.scripted.module.reference_energies[1] = np.inf
    atoms.positions[0, 0] += 0.1
    with pytest.raises(EngineError, match=r"atom 1 \(O at"):
        atoms.get_forces()
    assert calc.results == {}
    assert np.isfinite(good)


def test_cached_results_are_not_handed_out_by_reference(calc):
    atoms = rattled("bulk")
    atoms.calc = calc
    atoms.get_forces()[:] = 7.0
    assert np.abs(atoms.get_forces()).max() < 7.0
    assert calc.check_state(atoms) == []
    atoms.positions[0, 0] += 1e-15
    assert calc.check_state(atoms) == ["positions"]


def test_parameters_are_fixed(calc):
    with pytest.raises(ConfigError, match="skin"):
        calc.set(skin=1.0)


def test_names_of_shipped_potentials_are_listed(tmp_path):
    with pytest.raises(ModelFileError, match="no shipped potential of that name; expected a path or one of"):
        mlpot.load("Unobtainium-dft")
    with pytest.raises(ModelFileError, match="cannot be read"):
        mlpot.MLPotCalculator(tmp_path / "model.pt")


def test_voigt_order(calc):
    """xx yy zz yz xz xy, by way of ASE's own conversion."""
    atoms = rattled("triclinic")
    atoms.calc = calc
    full = -calc.get_virial(atoms) / atoms.get_volume()
    np.testing.assert_allclose(voigt_6_to_full_3x3_stress(atoms.get_stress()), full, atol=1e-12)
