"""The calculator inside the tools that people drive it with, copied, pickled, and without side effects."""

import copy
import multiprocessing
import os
import pickle
import random

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.filters import FrechetCellFilter, UnitCellFilter
from ase.io import Trajectory, read, write
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

import mlpot
from mlpot.errors import ModelFileError


def silicon(seed=1, size=1):
    atoms = bulk("Si", cubic=True) * (size, 1, 1)
    atoms.rattle(0.05, seed=seed)
    return atoms


@pytest.fixture
def calc(model_file):
    return mlpot.MLPotCalculator(model_file)


@pytest.mark.parametrize("cell_filter", [FrechetCellFilter, UnitCellFilter])
def test_cell_filters_see_the_gradient_of_the_energy(calc, cell_filter):
    atoms = silicon()
    atoms.calc = calc
    driven = cell_filter(atoms)
    before, start, forces = atoms.get_potential_energy(), driven.get_positions(), driven.get_forces()
    for index in [(0, 1), (8, 0), (9, 2), (10, 1)]:  # one atom, three components of the cell
        energies = []
        for sign in (1, -1):
            moved = start.copy()
            moved[index] += sign * 1e-4
            driven.set_positions(moved)
            energies.append(atoms.get_potential_energy())
        assert (energies[1] - energies[0]) / 2e-4 == pytest.approx(forces[index], abs=1e-6)
    driven.set_positions(start)
    BFGS(driven, logfile=None).run(fmax=0.05, steps=15)
    assert atoms.get_potential_energy() < before - 0.01


def test_dynamics_builds_few_lists_and_equals_fresh_calculators(calc, model_file):
    atoms, reference = silicon(), silicon()
    atoms.calc = calc
    reference.calc = mlpot.MLPotCalculator(model_file, skin=0.0)
    for system in (atoms, reference):
        system.set_momenta(np.random.default_rng(0).normal(scale=3.0, size=(8, 3)))
        VelocityVerlet(system, 1.0 * units.fs).run(30)
    np.testing.assert_allclose(atoms.positions, reference.positions, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shared", [True, False])
def test_nudged_elastic_band(calc, shared):
    images = [silicon(1) for _ in range(4)]
    images[-1].positions[0] += [0.6, 0.2, 0.0]
    band = NEB(images, allow_shared_calculator=shared, method="improvedtangent")
    band.interpolate()
    for image in images:
        image.calc = calc if shared else copy.deepcopy(calc)
    FIRE(band, logfile=None).run(fmax=0.1, steps=5)
    for image in images[1:-1]:
        fresh = mlpot.MLPotCalculator(calc.parameters["path"])
        np.testing.assert_allclose(image.get_forces(), fresh.get_forces(image), rtol=0, atol=1e-12)


def test_phonopy(calc):
    """At Gamma the acoustic modes vanish and the optical ones are degenerate."""
    primitive = bulk("Si")
    cell = PhonopyAtoms(symbols=["Si", "Si"], cell=primitive.cell.array, positions=primitive.positions)
    phonon = Phonopy(cell, np.diag([2, 2, 2]))
    phonon.generate_displacements(distance=0.01)
    forces = []
    for supercell in phonon.supercells_with_displacements:
        atoms = Atoms(supercell.symbols, supercell.positions, cell=supercell.cell, pbc=True)
        forces.append(calc.get_forces(atoms))
    phonon.forces = forces
    phonon.produce_force_constants()
    phonon.dynamical_matrix.run([0, 0, 0])
    squares = np.linalg.eigvalsh(phonon.dynamical_matrix.dynamical_matrix)
    frequencies = 15.633302 * np.sqrt(np.sort(np.abs(squares)))  # THz for eV, A and amu
    np.testing.assert_allclose(frequencies[:3], 0, atol=1e-2)
    assert frequencies[3] > 0.1
    assert np.ptp(frequencies[3:]) < 1e-3  # cubic symmetry


def test_two_models_do_not_disturb_each_other(model_file, deep_model_file):
    atoms = silicon()
    one, two = mlpot.MLPotCalculator(model_file), mlpot.MLPotCalculator(deep_model_file, precision="mixed")
    alone = one.get_forces(atoms)
    assert not np.allclose(two.get_forces(atoms), alone)
    atoms.positions[0] += 0.01
    two.get_forces(atoms)
    atoms.positions[0] -= 0.01
    np.testing.assert_allclose(one.get_forces(atoms), alone, rtol=0, atol=1e-13)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda calc: pickle.loads(pickle.dumps(calc))])
def test_duplicates_are_independent(calc, duplicate):
    atoms = silicon()
    forces = calc.get_forces(atoms)
    other = duplicate(calc)
    assert other.check_state(atoms) == []
    np.testing.assert_array_equal(other.get_forces(atoms), forces)
    moved = silicon(seed=2)
    other.get_forces(moved)
    assert calc.check_state(atoms) == []
    assert other.check_state(moved) == []
    np.testing.assert_allclose(calc.get_forces(moved), other.get_forces(moved), rtol=0, atol=1e-13)


def test_duplicates_in_memory_share_the_model(calc):
    assert copy.deepcopy(calc).engine._engine is calc.engine._engine


def test_atoms_with_calculator_are_copied_whole(calc):
    atoms = silicon()
    atoms.calc = calc
    other = copy.deepcopy(atoms)
    assert other.calc is not calc
    assert other.get_potential_energy() == atoms.get_potential_energy()


def energy_of(atoms):
    return atoms.get_potential_energy()


def test_other_processes(calc):
    """Spawned processes load the model from its file."""
    systems = [silicon(seed) for seed in range(2)]
    for atoms in systems:
        atoms.calc = calc
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        energies = pool.map(energy_of, systems)
    np.testing.assert_allclose(energies, [atoms.get_potential_energy() for atoms in systems], rtol=0, atol=1e-11)


def test_a_pickle_notices_that_the_file_changed(model_file, deep_model_file, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(model_file.read_bytes())
    frozen = pickle.dumps(mlpot.MLPotCalculator(path))
    path.write_bytes(deep_model_file.read_bytes())
    with pytest.raises(ModelFileError, match=r"has changed since this calculator was pickled"):
        pickle.loads(frozen)
    path.unlink()
    with pytest.raises(ModelFileError, match=r"cannot be read"):
        pickle.loads(frozen)


@pytest.mark.parametrize("name", ["frames.xyz", "frames.traj"])
def test_results_travel_through_files(calc, tmp_path, name):
    atoms = silicon()
    atoms.calc = calc
    atoms.get_stresses()
    write(tmp_path / name, atoms)
    again = read(tmp_path / name)
    assert again.get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(again.get_forces(), atoms.get_forces(), atol=1e-6)


def test_trajectory_of_a_molecule_without_stress(calc, tmp_path):
    atoms = Atoms("OH", positions=[[0, 0, 0], [0, 0, 1.0]], calculator=calc)
    with Trajectory(tmp_path / "run.traj", "w", atoms) as trajectory:
        FIRE(atoms, logfile=None, trajectory=trajectory).run(fmax=0.05, steps=3)
    assert "stress" not in read(tmp_path / "run.traj").calc.results


@pytest.mark.parametrize("engine", ["native", "torch"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_grad_mode_of_the_caller_plays_no_role(model_file, mode, engine):
    atoms = silicon()
    expected = mlpot.MLPotCalculator(model_file, engine=engine).get_forces(atoms)
    with mode():
        inside = mlpot.MLPotCalculator(model_file, engine=engine).get_forces(atoms)
    np.testing.assert_array_equal(inside, expected)


def global_state():
    return {
        "dtype": torch.get_default_dtype(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "jit": torch._C._get_graph_executor_optimize(),
        "rng": (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()),  # noqa: NPY002
        "environment": dict(os.environ),
        "errors": np.geterr(),
    }


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_nothing_global_is_touched(model_file, engine):
    before = global_state()
    calc = mlpot.load(model_file, precision="mixed", engine=engine)
    calc.get_stresses(silicon())
    pickle.loads(pickle.dumps(calc)).get_forces(silicon(2))
    after = global_state()
    for name, value in before.items():
        assert after[name] == value, name


@pytest.mark.parametrize("name", ["Si", "Si/fast"])
def test_ase_exports_the_properties_that_it_has_registered(name):
    """As i-PI's driver does; those of the committee stay among the results."""
    atoms = bulk("Si")
    atoms.calc = mlpot.load(name)
    properties = atoms.get_properties(["energy", "free_energy", "forces", "stress"])
    np.testing.assert_array_equal(properties["forces"], atoms.get_forces())
    assert "energy_members" in atoms.calc.results
    assert "energy" in atoms.calc.export_properties()
    assert "energy_members" not in atoms.calc.export_properties()


def test_descriptors_are_a_property():
    atoms = bulk("Si")
    calc = mlpot.load("Si/fast", precision="double")
    descriptors = calc.get_property("descriptors", atoms)
    assert len(descriptors) == 2
    torchs = mlpot.load("Si/fast", precision="double", engine="torch").get_property("descriptors", atoms)
    np.testing.assert_allclose(descriptors, torchs, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("name", "n_warnings"), [("Si/fast", 0), ("Si/accurate", 1)])
def test_per_atom_stresses_of_deeper_models_warn_of_the_heat_flux_once(name, n_warnings, caplog):
    calc = mlpot.load(name)
    with caplog.at_level("WARNING", logger="mlpot"):
        for seed in (1, 2):
            calc.get_property("stresses", silicon(seed=seed))
    assert len(caplog.records) == n_warnings
    assert all("not that of the heat flux" in record.getMessage() for record in caplog.records)
