"""Pseudo-labels of trained models, and runs that are trained on them."""

import ase.io
import numpy as np
import pytest
from ase.stress import full_3x3_to_voigt_6_stress
from emt_structures import emt_structures, small_config
from training_messages import Messages

import mlpot
from mlpot.errors import ConfigError, TrainingError
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import read_manifest
from mlpot.running.stopping import StopRequest
from mlpot.training import train
from mlpot.training.committee.assemble import join, parts_of_training
from mlpot.training.distillation import make_pseudo_labels, pseudo_labels
from mlpot.training.init_from import single_potential
from mlpot.training.setup import prepare
from mlpot.training.training_data import read_training_data

FRAMES = 3


@pytest.fixture(scope="module")
def teachers(data_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("teachers")
    members = [{"kind": "deep", "members": 2, "member": number} for number in range(2)]
    configs = [small_config(data_file, folder / f"{k}", training={"committee": m}) for k, m in enumerate(members)]
    return [train(config).model for config in configs]


def student(data, folder, teachers, strain=0.0, **training):
    distill = {"teachers": [str(file) for file in teachers], "frames": FRAMES, "temperature": 500, "interval": 4}
    distill["strain"] = strain
    return small_config(data, folder / "student", training={"distill": distill, **training})


@pytest.fixture
def labelled(data_file, tmp_path, teachers):
    """Configuration, training part, and pseudo-labels of two teachers."""
    config = student(data_file, tmp_path, teachers)
    config.run.output.mkdir()
    part = read_training_data(config).train
    make_pseudo_labels(config, part, StopRequest())
    return config, part, pseudo_labels(config, part)


def test_labels_are_the_mean_of_the_teachers(labelled, teachers):
    _, part, structures = labelled
    assert len(structures) == FRAMES * len(part)
    calculators = [mlpot.load(file) for file in teachers]
    for number, structure in enumerate(structures):
        start = part[number // FRAMES]
        assert (structure.forces is None, structure.stress is None) == (start.forces is None, start.stress is None)
        for name in ("energy", "forces"):
            label = getattr(structure, name)
            if label is not None:
                own = [calculator.get_property(name, structure.atoms) for calculator in calculators]
                np.testing.assert_allclose(label, np.mean(own, axis=0), atol=1e-6)
        if structure.stress is not None:
            own = [calculator.get_stress(structure.atoms) for calculator in calculators]
            label = full_3x3_to_voigt_6_stress(structure.stress)
            np.testing.assert_allclose(label, np.mean(own, axis=0), atol=1e-6)


def test_md_trajectories_start_at_the_training_part(labelled):
    """0.1 A is several times the displacement of copper at 500 K in 12 fs, and less than to other structures."""
    _, part, structures = labelled
    moved = []
    for number, structure in enumerate(structures):
        start = part[number // FRAMES].atoms
        np.testing.assert_array_equal(structure.atoms.numbers, start.numbers)
        np.testing.assert_allclose(structure.atoms.cell.array, start.cell.array, atol=1e-6)
        moved.append(np.abs(structure.atoms.positions - start.positions).max())
    assert max(moved) < 0.1
    assert min(moved) > 1e-3


def test_cells_are_strained_along_axes_of_any_direction(data_file, tmp_path, teachers):
    largest = 0.05
    config = student(data_file, tmp_path, teachers, strain=largest)
    config.run.output.mkdir()
    part = read_training_data(config).train
    make_pseudo_labels(config, part, StopRequest())
    calculators = [mlpot.load(file) for file in teachers]
    strains = []
    for number, structure in enumerate(pseudo_labels(config, part)):
        atoms, start = structure.atoms, part[number // FRAMES].atoms
        strain = np.linalg.solve(start.cell.array, atoms.cell.array) - np.eye(3)
        np.testing.assert_allclose(strain, strain.T, atol=1e-7)
        strains.append(strain)
        moved = (atoms.get_scaled_positions(wrap=False) - start.get_scaled_positions(wrap=False)) @ start.cell.array
        assert np.abs(moved).max() < 0.1
        expected = np.mean([teacher.get_potential_energy(atoms) for teacher in calculators])
        assert structure.energy == pytest.approx(expected, abs=1e-6)
    sizes = np.abs(np.linalg.eigvalsh(strains)).max(1)
    assert 0.6 * largest < np.median(sizes) < sizes.max() <= largest * (1 + 1e-6)
    assert np.abs(np.array(strains)[:, 0, 1]).max() > 0.1 * largest


def test_a_run_trains_on_data_and_pseudo_labels_from_the_weights_of_a_teacher(data_file, tmp_path, teachers):
    result = train(student(data_file, tmp_path, teachers, epochs=1, lr=1e-9))
    manifest, first = read_manifest(result.model), read_manifest(teachers[0])
    n_labelled = first.training["n_structures"]["train"]
    assert manifest.training["n_structures"] == {"train": (1 + FRAMES) * n_labelled, "validation": 6}
    assert manifest.training["config"]["training"]["distill"]["teachers"] == ["model.pt", "model.pt"]
    assert manifest.reference_energies == first.reference_energies
    atoms = emt_structures(1, seed=11)[0]
    atoms.calc = None
    forces = [mlpot.load(file).get_property("forces", atoms) for file in (result.model, teachers[0])]
    np.testing.assert_allclose(*forces, atol=1e-5)


def test_a_committee_labels_like_its_members(data_file, tmp_path, teachers):
    join([ModelBundle.read(path) for path in teachers]).save(tmp_path / "committee.pt")
    config = student(data_file, tmp_path, [tmp_path / "committee.pt"])
    config.run.output.mkdir()
    part = read_training_data(config).train
    make_pseudo_labels(config, part, StopRequest())
    setup = prepare(config, read_training_data(config))
    first = single_potential(teachers[0]).layers[0].readout
    assert setup.pretrained is not None
    np.testing.assert_array_equal(setup.pretrained.layers[0].readout.detach(), first.detach())
    one, calculators = pseudo_labels(config, part)[0], [mlpot.load(file) for file in teachers]
    expected = np.mean([calculator.get_potential_energy(one.atoms) for calculator in calculators])
    assert one.energy == pytest.approx(expected, abs=1e-6)


def test_another_architecture_starts_from_random_weights(data_file, tmp_path, teachers):
    config = student(data_file, tmp_path, teachers)
    wider = config.model_copy(update={"model": config.model.model_copy(update={"n_channels": 12})})
    wider.run.output.mkdir()
    assert prepare(wider, read_training_data(wider)).pretrained is None


def test_an_interrupted_run_continues_with_its_pseudo_labels(data_file, tmp_path, teachers):
    config = student(data_file, tmp_path, teachers, epochs=2)
    whole = train(config.model_copy(update={"run": config.run.model_copy(update={"output": tmp_path / "whole"})}))
    config.run.output.mkdir()
    make_pseudo_labels(config, read_training_data(config).train, StopRequest())
    assert train(config, max_time=1e-6).steps == 1
    made = {file: file.stat().st_mtime_ns for file in config.run.output.glob("pseudo-labels-*.extxyz")}
    resumed = train(config, resume=True)
    assert {file: file.stat().st_mtime_ns for file in config.run.output.glob("pseudo-labels-*.extxyz")} == made
    assert len(made) == 1
    assert resumed.validation == whole.validation


def test_other_teachers_are_refused_on_resume(data_file, tmp_path, teachers):
    train(student(data_file, tmp_path, teachers, epochs=1))
    with pytest.raises(TrainingError, match="content of the pseudo_labels data"):
        train(student(data_file, tmp_path, teachers[::-1], epochs=1), resume=True)


def test_error_bars_find_the_parts_of_the_data_again(data_file, tmp_path, teachers):
    manifest = read_manifest(train(student(data_file, tmp_path, teachers, epochs=1)).model)
    structures = mlpot.data.read_structures(data_file)
    training, validation = parts_of_training(manifest, structures)
    assert (len(training), len(validation)) == (24, 6)


def test_members_of_a_committee_have_different_pseudo_labels(data_file, tmp_path, teachers):
    found = []
    for member in range(2):
        committee = {"kind": "deep", "members": 2, "member": member}
        config = student(data_file, tmp_path, teachers, committee=committee)
        config.run.output.mkdir(exist_ok=True)
        part = read_training_data(config).train
        make_pseudo_labels(config, part, StopRequest())
        found.append(pseudo_labels(config, part)[0].atoms.positions)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_runs_with_teachers_are_shorter_by_default(data_file, tmp_path):
    distill = {"teachers": "model.pt"}

    def training(**settings):
        return small_config(data_file, tmp_path, training={"epochs": None, "distill": distill, **settings}).training

    assert (training().epochs, training().lr) == (12, 0.006)
    assert (training(steps=7).epochs, training(steps=7, lr=0.01).lr) == (None, 0.01)
    assert training(epochs=5).epochs == 5


def test_a_stop_leaves_no_partial_file(data_file, tmp_path, teachers):
    config = student(data_file, tmp_path, teachers)
    with pytest.raises(TrainingError, match=r"around 0 of 24.*the same command starts again"):
        train(config, max_time=1e-9)
    assert not list(config.run.output.glob("*.extxyz"))


def test_teachers_of_another_training_part_are_named(data_file, tmp_path, teachers):
    messages = {}
    for seed in (0, 1):
        observer = Messages()
        train(student(data_file, tmp_path / str(seed), teachers, seed=seed, epochs=1), observer=observer)
        messages[seed] = observer.text().count("was trained on other structures")
    assert messages == {0: 0, 1: len(teachers)}


def test_unusable_teachers_are_named(data_file, tmp_path, teachers, model_file):
    with pytest.raises(ConfigError, match=r"has no atomic numbers \[29, 79\]"):
        train(student(data_file, tmp_path, [model_file]))
    with pytest.raises(ConfigError, match=r"no such file: .*missing\.pt"):
        train(student(data_file, tmp_path, [tmp_path / "missing.pt"]))


def test_slabs_are_labelled_with_the_stress_of_their_cell_and_not_strained(tmp_path, teachers):
    frames = [atoms for atoms in emt_structures(6) if "stress" in atoms.calc.results]
    for atoms in frames:
        atoms.pbc = (True, True, False)
        atoms.calc.atoms.pbc = atoms.pbc
    ase.io.write(tmp_path / "slabs.extxyz", frames, format="extxyz")
    config = student(tmp_path / "slabs.extxyz", tmp_path, teachers, strain=0.05)
    config.run.output.mkdir()
    part = read_training_data(config).train
    make_pseudo_labels(config, part, StopRequest())
    calculators = [mlpot.load(file) for file in teachers]
    for number, structure in enumerate(pseudo_labels(config, part)):
        cell = part[number // FRAMES].atoms.cell.array
        np.testing.assert_allclose(structure.atoms.cell.array, cell, atol=1e-6)
        virials = [calculator.get_virial(structure.atoms) for calculator in calculators]
        expected = -np.mean(virials, axis=0) / structure.atoms.cell.volume
        np.testing.assert_allclose(structure.stress, expected, atol=1e-6)
