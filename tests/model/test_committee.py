"""A committee is its members: each a potential of its own, the prediction their mean, eager, scripted and in a file."""

import pytest
import torch
from committees import COMMITTEES, random_deep, random_shallow
from damaged_files import with_manifest
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import random_structure, structures

from mlpot.errors import ConfigError, ModelFileError
from mlpot.model import (
    DeepCommittee,
    ShallowCommittee,
    evaluate,
    evaluate_members,
    main_potential,
    members_of,
)
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import FORMAT_VERSION, read_manifest
from mlpot.model_file.torchscript import load_model, potential_from_file, save_model
from mlpot.neighbors.matscipy import graph_from_atoms
from potentials import random_potential

EAGER = {name: make() for name, make in COMMITTEES.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Each committee, and each of its members alone, as files."""
    folder = tmp_path_factory.mktemp("committees")
    result = {}
    for name, committee in EAGER.items():
        save_model(folder / f"{name}.pt", committee)
        singles = []
        for index, one in enumerate(members_of(committee)):
            save_model(folder / f"{name} {index}.pt", one)
            singles.append(load_model(folder / f"{name} {index}.pt", precision="double"))
        result[name] = (load_model(folder / f"{name}.pt", precision="double"), singles)
    return result


def graph_of(committee, atoms):
    potential = main_potential(committee)
    return graph_from_atoms(atoms, potential.atomic_numbers, potential.cutoff)


def scale_of(results):
    return 1.0 + results.forces.abs().max().item() + results.virial.abs().max().item()


@settings(max_examples=15)
@given(name=st.sampled_from(list(EAGER)), atoms=structures())
def test_members_are_the_separately_exported_models(files, name, atoms):
    committee, singles = files[name]
    graph = graph_of(EAGER[name], atoms)
    members = committee.evaluate_members(graph)
    assert len(members.energy) == len(singles)
    for index, single in enumerate(singles):
        expected = single.evaluate(graph)
        for got, wanted in zip(members, expected[:4], strict=True):
            torch.testing.assert_close(got[index], wanted, atol=1e-12 * scale_of(expected), rtol=1e-12)


@settings(max_examples=15)
@given(name=st.sampled_from(list(EAGER)), atoms=structures())
def test_the_prediction_is_the_mean_of_the_members(files, name, atoms):
    committee, _ = files[name]
    graph = graph_of(EAGER[name], atoms)
    expected = committee.evaluate(graph)
    for got, wanted in zip(committee.evaluate_members(graph), expected[:4], strict=True):
        torch.testing.assert_close(got.mean(0), wanted, atol=1e-12 * scale_of(expected), rtol=1e-12)


@settings(max_examples=15)
@given(name=st.sampled_from(list(EAGER)), atoms=structures())
def test_scripted_equals_eager(files, name, atoms):
    committee, _ = files[name]
    graph = graph_of(EAGER[name], atoms)
    scale = scale_of(evaluate(EAGER[name], graph))
    for got, wanted in zip(committee.evaluate_members(graph), evaluate_members(EAGER[name], graph), strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-13 * scale, rtol=1e-13)
    descriptors = EAGER[name].descriptors(graph.species, graph.edge_index, graph.edge_vectors)
    torch.testing.assert_close(committee.descriptors(graph), descriptors, atol=1e-11, rtol=1e-11)


def test_a_shallow_committee_predicts_what_its_potential_did():
    potential = random_potential(n_layers=2)
    committee = random_shallow(n_layers=2)
    graph = graph_of(potential, random_structure("triclinic", 6, seed=1))
    before, after = evaluate(potential, graph), evaluate(committee, graph)
    assert torch.equal(before.forces, after.forces)
    assert torch.equal(before.atomic_energies, after.atomic_energies)
    assert evaluate_members(committee, graph).forces.std(0).min() > 0.0


@pytest.mark.parametrize("make", [random_shallow, random_deep])
def test_layers_one_by_one_add_up_to_the_whole(make):
    committee = make(n_layers=2)
    graph = graph_of(committee, random_structure("triclinic", 6, seed=2))
    features = messages = torch.zeros(6, 0, dtype=torch.float64)
    total = torch.zeros(6, dtype=torch.float64)
    for layer in range(2):
        energies, features, messages = committee.forward_layer(
            layer, 6, graph.species, graph.edge_index, graph.edge_vectors, features, messages
        )
        total += energies
        if layer == 0:
            assert messages.shape == (6, committee.message_width)
    torch.testing.assert_close(total, evaluate(committee, graph).atomic_energies, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("name", EAGER)
def test_a_committee_comes_back_from_its_file(files, name):
    committee, singles = files[name]
    manifest = read_manifest(committee.path)
    assert manifest.format_version == FORMAT_VERSION
    assert manifest.committee.kind == name.split(",")[0]
    assert manifest.committee.n_members == len(singles) == len(manifest.self_test.members)
    again = potential_from_file(committee.path)
    assert type(again) is type(EAGER[name])
    for key, value in EAGER[name].state_dict().items():
        assert torch.equal(again.state_dict()[key], value)


def test_a_shallow_file_has_the_tensors_of_a_single_model(files):
    committee, _ = files["shallow, one layer"]
    single, tensors = (
        ModelBundle.read(path).tensors() for path in (files["shallow, one layer"][1][0].path, committee.path)
    )
    assert set(tensors) - set(single) == {"deviations"}
    assert set(single) <= set(tensors)


def test_a_file_whose_members_disagree_with_the_self_test_is_refused(files, tmp_path):
    """The mean agrees."""

    def change(fields):
        fields["self_test"]["members"][1]["forces"][0][0] += 0.1
        return fields

    content = files["shallow, one layer"][0].path.read_bytes()
    (tmp_path / "model.pt").write_bytes(with_manifest(content, change))
    with pytest.raises(ModelFileError, match="disagrees with its own self-test structure"):
        load_model(tmp_path / "model.pt")


def test_members_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="same config"):
        DeepCommittee([random_potential(), random_potential(n_layers=2)])
    with pytest.raises(ConfigError, match="at least 2 members"):
        DeepCommittee([random_potential()])
    with pytest.raises(ConfigError, match=r"shape \(n_members, 11\), got \(2, 10\)"):
        ShallowCommittee(random_potential(), torch.zeros(2, 10))
