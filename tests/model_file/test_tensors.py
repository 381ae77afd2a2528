"""Each weight is in a model file once; a wrong index of the tensors is refused with one sentence in every reader."""

import json
import re

import numpy as np
import pytest
import torch
from committees import random_deep, random_shallow, save_calibrated
from damaged_files import INDEX, with_index, with_member
from mlpot._native import NativeEngine as CompiledEngine

from mlpot.engines.native import NativeEngine
from mlpot.errors import ModelFileError
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.torchscript import bundle_model, potential_from_file, save_model
from potentials import random_potential


def index_of(bundle):
    return json.loads(bundle.members()[INDEX])


@pytest.mark.parametrize(("dtype", "name"), [(torch.float32, "F32"), (torch.float64, "F64")])
def test_each_weight_is_in_the_file_once(dtype, name):
    potential = random_potential(n_layers=2, lmax=1, n_channels=60).to(dtype)
    bundle = bundle_model(potential)
    for key, weight in potential.state_dict().items():
        if weight.numel() > 10:
            assert bundle.content.count(weight.numpy().tobytes()) == 1, key
            assert index_of(bundle)[key]["dtype"] == name
    n_weights = sum(weight.numel() for weight in potential.parameters())
    assert len(bundle.content) < n_weights * dtype.itemsize + 120_000


def test_constants_keep_double_precision_and_are_shared():
    bundle = bundle_model(random_deep(3, n_layers=2, lmax=1).float())
    index = index_of(bundle)
    coefficients = {name: entry for name, entry in index.items() if "coefficients" in name and "contraction" in name}
    assert {entry["dtype"] for entry in coefficients.values()} == {"F64"}
    for name in {name.partition(".layers.")[2] for name in coefficients}:
        members = {index[f"members.{m}.layers.{name}"]["member"] for m in range(3)}
        assert len(members) == 1
    assert len({index[f"members.{m}.layers.0.update"]["member"] for m in range(3)}) == 3


def test_deviations_sum_to_zero_in_double_precision():
    bundle = bundle_model(random_shallow(5).float())
    deviations = bundle.tensors()["deviations"]
    assert deviations.dtype == np.float64
    assert np.abs(deviations.sum(axis=0)).max() < 1e-15


def test_a_feature_distance_is_as_large_as_its_elements_and_clusters(tmp_path):
    save_calibrated(tmp_path / "model.pt", random_shallow(3), known=[1])
    tensors = ModelBundle.read(tmp_path / "model.pt").tensors()
    width = tensors["deviations"].shape[1]
    triangle = width * (width + 1) // 2
    assert tensors["distance.n_clusters"].tolist() == [0, 3, 0]
    assert tensors["distance.mean"].shape == (1, width)
    assert tensors["distance.whitening"].shape == (1, triangle)
    assert tensors["distance.cluster_whitening"].shape == (3, triangle)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model.pt"
    save_calibrated(path, random_shallow(3, n_layers=2, lmax=1, n_channels=3, n_radial=3, cutoff=2.5))
    return path.read_bytes()


def entry(name, **changes):
    """Change of an entry of the index."""
    return lambda index: {**index, name: {**index[name], **changes}}


def without(name):
    return lambda index: {key: value for key, value in index.items() if key != name}


UPDATE = "layers.1.update"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: [], "index|object"),
        (lambda index: {**index, UPDATE: "data/0"}, "index|there is no dtype"),
        (without(UPDATE), f"no tensor {UPDATE}"),
        (entry(UPDATE, member="data/9999"), "has no member '?data/9999"),
        (entry(UPDATE, member="../../data/0"), "has no member"),
        (entry(UPDATE, member=3), "index|expected a string"),
        (entry(UPDATE, dtype="F32"), "of type F32 and shape .* 216"),
        (entry(UPDATE, dtype="F16"), "F16"),
        (entry(UPDATE, dtype="I64"), "other numbers|F64, got I64"),
        (entry(UPDATE, shape=[3, 9]), "shape"),
        (entry(UPDATE, shape=[3, 3, 4]), "shape"),
        (entry(UPDATE, shape=[3, 3, -3]), "shape"),
        (entry(UPDATE, shape=[3, 3, 3.5]), "shape"),
        (entry(UPDATE, shape=[2**62, 2**62, 3]), "shape"),
        (entry(UPDATE, shape=[1e300, 3, 3]), "shape"),
        (entry(UPDATE, shape="333"), "shape|index|list"),
    ],
)
def test_wrong_indices(change, message, content, tmp_path):
    for error in refusals(tmp_path / "changed.pt", with_index(content, change)):
        assert re.search(message, error), error


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 5000, b'{"a": ' * 5000, b"\xff\xfe", b"null"])
def test_indices_that_are_no_json_object(text, content, tmp_path):
    refusals(tmp_path / "changed.pt", with_member(content, INDEX, lambda _: text))


def test_weights_of_another_tensor_disagree_with_the_self_test(content, tmp_path):
    def swap(index):
        return {**index, "layers.0.update": index["layers.1.skip"], "layers.1.skip": index["layers.0.update"]}

    in_python, compiled = refusals(tmp_path / "changed.pt", with_index(content, swap))
    assert "can be evaluated, but not trained" in in_python
    assert "disagrees with its own self-test" in compiled


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("distance.whitening", {"shape": [3, 5]}, "shape"),
        ("distance.n_clusters", {"shape": [4]}, "shape"),
        ("distance.cluster_mean", {"member": "data/0"}, "shape|bytes"),
    ],
)
def test_wrong_feature_distances(name, changes, message, content, tmp_path):
    path = tmp_path / "changed.pt"
    path.write_bytes(with_index(content, entry(name, **changes)))
    with pytest.raises(ModelFileError):
        ModelBundle.read(path).distance()
    with pytest.raises(ModelFileError, match=message):
        NativeEngine(path)


@pytest.mark.parametrize("counts", [[-1, 2, 2], [2**62, 3, 3], [0, 0, 0], [3, 3, 3]])
def test_wrong_numbers_of_clusters(counts, content, tmp_path):
    path = tmp_path / "changed.pt"
    path.write_bytes(with_member(content, "extra/distance.n_clusters", lambda _: np.array(counts).tobytes()))
    with pytest.raises(ModelFileError, match="no complete feature distance"):
        ModelBundle.read(path).distance()
    with pytest.raises(ModelFileError, match=r"clusters|shape"):
        NativeEngine(path)


@pytest.mark.slow
def test_tensors_of_many_elements_are_not_limited(tmp_path):
    potential = random_potential(atomic_numbers=range(1, 119), lmax=1, n_channels=80, n_radial=8).float()
    assert potential.layers[0].density.mix.numel() > 2**24
    save_model(tmp_path / "large.pt", potential)
    assert NativeEngine(tmp_path / "large.pt").precision == "mixed"


def refusals(path, content):
    """Messages of Python and of the compiled engine: one line each, with the file."""
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as in_python:
        potential_from_file(path)
    with pytest.raises(RuntimeError) as compiled:
        CompiledEngine(content, str(path))
    messages = [str(in_python.value), str(compiled.value)]
    assert all(str(path) in message and "\n" not in message for message in messages)
    return messages
