"""Readouts attached to a trained model: the prediction stays, the spread follows the errors."""

import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list
from emt_structures import emt_structures, small_config
from rich.console import Console

import mlpot
from mlpot.cli.calibration_of_files import attach_to_file, calibrate_file
from mlpot.data import Subset, dataset_hash, read_structures
from mlpot.errors import ConfigError, TrainingError
from mlpot.model import ShallowCommittee, evaluate, evaluate_members
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.torchscript import load_model, potential_from_file
from mlpot.training import train
from mlpot.training.committee.assemble import join
from mlpot.training.committee.readouts import _fit, _free_atoms, _Labels, _linear_labels
from mlpot.training.native import choose_derivatives
from mlpot.training.samples import SampleSet


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short training on copper-gold, and its data."""
    folder = tmp_path_factory.mktemp("readouts")
    ase.io.write(folder / "alloy.extxyz", emt_structures(40), format="extxyz")
    config = small_config(folder / "alloy.extxyz", folder / "run", training={"epochs": 10})
    return train(config).model, folder / "alloy.extxyz"


@pytest.fixture(scope="module")
def committee_file(run, tmp_path_factory):
    model, data = run
    target = tmp_path_factory.mktemp("committee") / "model.pt"
    attach_to_file(model, [data], target, 4, held_out=None, console=Console(quiet=True))
    return target


@pytest.fixture(scope="module")
def alloy(run):
    return read_structures(run[1])


def test_the_validation_part_is_found_again(committee_file, alloy):
    manifest = read_manifest(committee_file)
    assert manifest.calibration.n_structures == round(0.2 * len(alloy))
    assert manifest.feature_distance.n_structures == len(alloy) - manifest.calibration.n_structures
    assert manifest.calibration.data_hash == manifest.training["data_hash"]["validation"]


def test_predictions_stay_what_they_were(run, committee_file, alloy):
    before, after = (load_model(path) for path in (run[0], committee_file))
    graph = SampleSet(Subset(alloy, [0, 1, 2]), before.manifest.atomic_numbers, 3.5).batch([0, 1, 2]).graph
    assert torch.equal(before.evaluate(graph).forces, after.evaluate(graph).forces)


@pytest.mark.parametrize("rest", [0.0, 1e-7], ids=["one atom in its cell", "perfect crystal"])
def test_atoms_that_symmetry_holds_in_place_do_not_spoil_the_members(rest):
    """No last weight moves them but for rounding: the members are those of the other atoms alone."""
    generator = torch.Generator().manual_seed(0)
    jacobian, errors = torch.randn(200, 3, 4, generator=generator), torch.randn(200, 3, generator=generator).double()
    nothing = torch.zeros(0, 4, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    held = torch.rand(200, generator=generator) < 0.3
    jacobian[held] *= rest
    all_atoms = _fit(_Labels(jacobian, errors, *nothing), 4, seed=0)
    others = _fit(_Labels(jacobian[~held], errors[~held], *nothing), 4, seed=0)
    sizes = [deviations.square().mean().sqrt().item() for deviations in (all_atoms, others)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)


def test_labels_without_any_free_atom_are_refused():
    with pytest.raises(TrainingError, match="symmetry makes all forces zero"):
        _free_atoms(torch.zeros(2, 3, 5), torch.zeros(2, 3))


def test_forces_are_linear_in_the_last_weights(run, committee_file, alloy):
    """What the deviations are fitted with is what the members then do."""
    potential, committee = potential_from_file(run[0]), potential_from_file(committee_file)
    assert isinstance(committee, ShallowCommittee)
    samples = SampleSet(Subset(alloy, [0, 1]), potential.atomic_numbers, potential.cutoff)
    labels = _linear_labels(potential, choose_derivatives(potential, "auto")[0], samples, [0, 1])
    graph = samples.batch([0, 1]).graph
    members, mean = evaluate_members(committee, graph), evaluate(committee, graph)
    jacobian, deviations = labels.jacobian.double(), committee.deviations.detach()
    expected = torch.einsum("nap,mp->mna", jacobian, deviations)
    # each element of the Jacobian is rounded to float32, and they cancel
    rounding = torch.finfo(torch.float32).eps * torch.einsum("nap,mp->mna", jacobian.abs(), deviations.abs())
    assert ((members.forces - mean.forces - expected).abs() <= rounding + 1e-12).all()
    energies = labels.energy_jacobian @ committee.deviations.detach().T
    per_atom = (members.energy - mean.energy) / samples.batch([0, 1]).n_atoms
    torch.testing.assert_close(per_atom.T, energies, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_ase_gets_error_bars(committee_file, alloy, engine):
    atoms = alloy[1].atoms.copy()
    atoms.calc = mlpot.load(committee_file, engine=engine)
    results = {}
    for name in ("energy_std", "forces_std", "stress_std", "feature_distance", "forces_members", "forces_ensemble_std"):
        results[name] = atoms.calc.get_property(name, atoms)
    assert results["forces_std"].shape == results["feature_distance"].shape == (len(atoms),)
    assert results["stress_std"].shape == (6,)
    np.testing.assert_allclose(results["forces_members"].mean(axis=0), atoms.get_forces(), atol=1e-9)
    spread = np.sqrt(results["forces_members"].var(axis=0, ddof=1).mean(axis=1))
    np.testing.assert_allclose(results["forces_ensemble_std"], spread, rtol=1e-12)
    scaling = atoms.calc.manifest.calibration.forces
    species = (atoms.numbers == 79).astype(int)
    away = _around(atoms, results["feature_distance"])
    size = np.sqrt(spread) * away * np.maximum(1.0, away / scaling.distance_limit)
    np.testing.assert_allclose(results["forces_std"], np.array(scaling.scale)[species] * size, rtol=1e-12)


def _around(atoms, distances):
    """Root mean square over each atom and its neighbors, by ASE's neighbor list."""
    cutoff = atoms.calc.manifest.cutoff
    i, j, r = neighbor_list("ijd", atoms, cutoff)
    own = np.arange(len(atoms))
    i, j, weights = np.append(i, own), np.append(j, own), np.append(1.0 - (r / cutoff) ** 2, np.ones(len(atoms)))
    return np.sqrt(np.bincount(i, weights * distances[j] ** 2) / np.bincount(i, weights))


def test_engines_agree_on_error_bars(committee_file, alloy):
    atoms = alloy[1].atoms.copy()
    answers = []
    for engine in ("native", "torch"):
        atoms.calc = mlpot.load(committee_file, engine=engine)
        names = ("energy_std", "forces_std", "stress_std", "feature_distance")
        answers.append([atoms.calc.get_property(name, atoms) for name in names])
    for native, torchs in zip(*answers, strict=True):
        np.testing.assert_allclose(native, torchs, rtol=1e-8)


def test_what_is_not_asked_for_is_not_computed(committee_file, alloy):
    atoms = alloy[0].atoms.copy()
    atoms.calc = mlpot.load(committee_file)
    atoms.get_forces()
    found = {name for name in atoms.calc.results if name.endswith(("std", "spread", "members"))}
    assert found == {"energy_std", "energy_ensemble_std", "energy_members"}  # which cost nothing


def test_a_deep_committee_in_the_native_engine_is_the_mean_of_its_members(run, alloy, tmp_path):
    model, data = run
    other = train(small_config(data, tmp_path / "other", training={"epochs": 2, "seed": 0, "lr": 0.02})).model
    join([ModelBundle.read(model), ModelBundle.read(other)], alloy, None).save(tmp_path / "deep.pt")
    atoms = alloy[0].atoms.copy()
    forces = {}
    for name in (model, other, tmp_path / "deep.pt"):
        for engine in ("native", "torch"):
            atoms.calc = mlpot.load(name, engine=engine)
            forces[name, engine] = atoms.get_forces()
    for engine in ("native", "torch"):
        mean = 0.5 * (forces[model, engine] + forces[other, engine])
        np.testing.assert_allclose(forces[tmp_path / "deep.pt", engine], mean, atol=1e-12)
    with pytest.raises(ConfigError, match="is a committee itself"):
        join([ModelBundle.read(model), ModelBundle.read(tmp_path / "deep.pt")])


def test_labels_are_those_that_the_model_was_trained_on(tmp_path):
    """The file has two methods; results of the calculator would be taken by default."""
    frames = emt_structures(20)
    for atoms in frames:
        atoms.info["dft_energy"] = atoms.get_potential_energy()
        if "forces" in atoms.calc.results:
            atoms.arrays["dft_forces"] = atoms.get_forces()
        shifted = {"energy": atoms.info["dft_energy"] + 5.0, "forces": np.full((len(atoms), 3), 3.0)}
        atoms.calc = SinglePointCalculator(atoms, **shifted)
    frames = [atoms for atoms in frames if "dft_forces" in atoms.arrays]
    ase.io.write(tmp_path / "data.extxyz", frames, format="extxyz")
    keys = {"energy_key": "dft_energy", "forces_key": "dft_forces"}
    model = train(small_config(tmp_path / "data.extxyz", tmp_path / "run", data=keys)).model
    data, quiet = tmp_path / "data.extxyz", Console(quiet=True)
    attached = attach_to_file(model, [data], tmp_path / "c.pt", 4, held_out=None, console=quiet)
    assert attached.calibration.data_hash == attached.training["data_hash"]["validation"]
    again = calibrate_file(
        tmp_path / "c.pt", data, tmp_path / "again.pt", training_data=[], device="cpu", console=quiet
    )
    structures = read_structures(tmp_path / "data.extxyz", **keys)
    assert again.calibration.data_hash == dataset_hash(structures)
