"""One file: the same numbers eager, scripted and reloaded; a damaged or foreign file never loads."""

import os

import numpy as np
import pytest
import torch
from committees import random_shallow
from damaged_files import with_manifest
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import structures

from mlpot.errors import ModelFileError
from mlpot.model import evaluate
from mlpot.model_file.manifest import FORMAT_VERSION
from mlpot.model_file.self_test import self_test_deviation
from mlpot.model_file.torchscript import load_model, potential_from_file, save_model
from mlpot.neighbors.matscipy import graph_from_atoms
from potentials import ARCHITECTURES, random_potential


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Each architecture, eager and as a file."""
    folder = tmp_path_factory.mktemp("models")
    result = {}
    for name, fields in ARCHITECTURES.items():
        potential = random_potential(**fields)
        save_model(folder / f"{name}.pt", potential)
        result[name] = (potential, load_model(folder / f"{name}.pt", precision="double"))
    return result


@pytest.fixture(scope="module")
def content(models):
    """Bytes of a good file."""
    return models["vector messages"][1].path.read_bytes()


@settings(max_examples=30)
@given(name=st.sampled_from(list(ARCHITECTURES)), atoms=structures())
def test_eager_equals_reloaded(models, name, atoms):
    potential, loaded = models[name]
    graph = graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff)
    expected, got = evaluate(potential, graph), loaded.evaluate(graph)
    scale = 1.0 + expected.forces.abs().max().item() + expected.virial.abs().max().item()
    for wanted, value in zip(expected[:4], got[:4], strict=True):
        torch.testing.assert_close(value, wanted, atol=1e-13 * scale, rtol=1e-13)


def test_stage_is_exported(models):
    _, loaded = models["vector messages"]
    species, edge_index = torch.zeros(2, dtype=torch.int64), torch.tensor([[0, 1], [1, 0]])
    vectors = torch.tensor([[1.5, 0, 0], [-1.5, 0, 0]], dtype=torch.float64)
    empty = torch.zeros(2, 0, dtype=torch.float64)
    _, features, messages = loaded.module.forward_layer(0, 2, species, edge_index, vectors, empty, empty)
    assert features.shape == (2, loaded.manifest.feature_width)
    assert messages.shape == (2, loaded.manifest.message_width)


def test_weights_travel_exactly(models):
    potential, loaded = models["three layers"]
    again = potential_from_file(loaded.path)
    for (name, weight), other in zip(potential.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(weight, other), name


def test_weights_of_other_constants_are_not_trained_further(tmp_path, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("mlpot.model.contraction.POWER_DECAY", 1.0)
        save_model(tmp_path / "old.pt", random_potential())
    load_model(tmp_path / "old.pt", precision="double")  # its results are still right
    with pytest.raises(ModelFileError, match="can be evaluated, but not trained further"):
        potential_from_file(tmp_path / "old.pt")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["tensor messages", "lmax 1, shared"])
def test_the_module_alone_runs_in_both_precisions(name, tmp_path):
    """Without mlpot: as loaded in that of the training, after one conversion in double."""
    potential = random_potential(**ARCHITECTURES[name]).float()
    manifest = save_model(tmp_path / "single.pt", potential)
    graph = graph_from_atoms(manifest.self_test.atoms(), manifest.atomic_numbers, manifest.cutoff)
    plain, double = torch.jit.load(tmp_path / "single.pt"), torch.jit.load(tmp_path / "single.pt").double()
    assert manifest.precision == "mixed"
    torch.testing.assert_close(plain(*graph[:3]), potential(*graph[:3]).detach(), rtol=1e-6, atol=1e-6)
    # constants are not rounded to float32
    assert double(*graph[:3]).sum().item() == pytest.approx(manifest.self_test.energy, rel=1e-14)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_members_of_a_module_alone(tmp_path):
    committee = random_shallow(3, n_layers=2).float()
    manifest = save_model(tmp_path / "single.pt", committee)
    graph = graph_from_atoms(manifest.self_test.atoms(), manifest.atomic_numbers, manifest.cutoff)
    energies = torch.jit.load(tmp_path / "single.pt").member_energies(*graph[:3]).sum(1)
    expected = torch.tensor([member.energy for member in manifest.self_test.members])
    torch.testing.assert_close(energies, expected.double(), rtol=1e-5, atol=1e-5)


def test_precisions(models):
    _, loaded = models["one layer"]
    mixed = load_model(loaded.path, precision="mixed")
    assert next(mixed.module.parameters()).dtype == torch.float32
    graph = graph_from_atoms(loaded.manifest.self_test.atoms(), loaded.manifest.atomic_numbers, loaded.manifest.cutoff)
    deviation = self_test_deviation(mixed.evaluate(graph), loaded.manifest.self_test)
    assert 1e-10 < deviation < 2e-5
    with pytest.raises(ModelFileError, match="`precision` must be one of mixed, double, got 'half'"):
        load_model(loaded.path, precision="half")


def test_saving_and_loading_leave_global_state_alone(tmp_path):
    potential = random_potential()
    before = global_state()
    save_model(tmp_path / "model.pt", potential)
    load_model(tmp_path / "model.pt")
    potential_from_file(tmp_path / "model.pt")
    assert global_state() == before


def test_a_thousand_changed_bytes_are_all_refused(content, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "changed.pt"
    for position in rng.integers(len(content), size=1000):
        changed = bytearray(content)
        changed[position] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        with pytest.raises(ModelFileError):
            load_model(path)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, -1])
def test_a_cut_file_is_refused(content, tmp_path, kept):
    length = int(kept * len(content)) if isinstance(kept, float) else kept
    (tmp_path / "cut.pt").write_bytes(content[:length])
    with pytest.raises(ModelFileError, match=r"cut off|not an mlpot model"):
        load_model(tmp_path / "cut.pt")


def test_foreign_files_are_refused(tmp_path):
    torch.save({"weights": torch.ones(3)}, tmp_path / "pickle.pt")
    with pytest.raises(ModelFileError, match="was not written by mlpot"):
        load_model(tmp_path / "pickle.pt")
    (tmp_path / "text.pt").write_text("not a model")
    with pytest.raises(ModelFileError, match="is not an mlpot model file"):
        load_model(tmp_path / "text.pt")
    with pytest.raises(ModelFileError, match="cannot be read: No such file"):
        load_model(tmp_path / "missing.pt")


@pytest.mark.parametrize(("version", "remedy"), [(FORMAT_VERSION + 1, "upgrade mlpot"), (2, "train it again")])
def test_another_format_is_refused(content, tmp_path, version, remedy):
    path = tmp_path / "other.pt"
    path.write_bytes(with_manifest(content, lambda fields: fields | {"format_version": version}))
    with pytest.raises(ModelFileError, match=remedy):
        load_model(path)


def test_a_model_that_disagrees_with_its_self_test_is_refused(content, tmp_path):
    def change(fields):
        fields["self_test"]["energy"] += 0.1
        return fields

    path = tmp_path / "disagrees.pt"
    path.write_bytes(with_manifest(content, change))
    with pytest.raises(ModelFileError, match="disagrees with its own self-test structure"):
        load_model(path)


def test_training_summary_must_be_plain_json(tmp_path):
    with pytest.raises(ModelFileError, match="plain JSON"):
        save_model(tmp_path / "model.pt", random_potential(), {"error": float("nan")})
    assert not (tmp_path / "model.pt").exists()


def global_state():
    return torch.random.get_rng_state().tolist(), torch.get_default_dtype(), torch.get_num_threads(), dict(os.environ)
