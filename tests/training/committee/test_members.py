"""Deep committees: members with seeds of their own, stopped and resumed, joined into one calibrated file."""

import ase.io
import numpy as np
import pytest
from emt_structures import emt_structures, small_config

from mlpot.config import member_seed
from mlpot.errors import ConfigError, TrainingError
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.torchscript import potential_from_file
from mlpot.training.committee.members import train_members
from mlpot.training.setup import prepare
from mlpot.training.training_data import read_training_data


@pytest.fixture
def data(tmp_path):
    ase.io.write(tmp_path / "alloy.extxyz", emt_structures(30), format="extxyz")
    return tmp_path / "alloy.extxyz"


def test_a_deep_committee_is_trained_resumed_and_calibrated(data, tmp_path):
    committee = {"kind": "deep", "members": 2}
    config = small_config(data, tmp_path / "run", training={"epochs": 3, "committee": committee})
    assert train_members(config, max_time=0.01) is None
    assert not (tmp_path / "run/model.pt").exists()
    assert train_members(config, resume=True) == tmp_path / "run/model.pt"
    with pytest.raises(TrainingError, match="holds a run already"):
        train_members(config)
    manifest = read_manifest(tmp_path / "run/model.pt")
    assert (manifest.committee.kind, manifest.committee.n_members) == ("deep", 2)
    assert manifest.calibration.n_structures == 6
    assert manifest.feature_distance.n_structures == 24
    first, second = potential_from_file(tmp_path / "run/model.pt").members
    assert abs(first.layers[0].readout - second.layers[0].readout).max() > 1e-3


def test_bootstrap_changes_the_structures_of_a_member_but_not_its_scales(data, tmp_path):
    def setup(member, bootstrap):
        committee = {"kind": "deep", "members": 3, "member": member, "bootstrap": bootstrap}
        config = small_config(data, tmp_path / "run", training={"committee": committee})
        return prepare(config, read_training_data(config))

    whole, drawn, other = setup(0, False), setup(1, True), setup(2, True)
    assert len(whole.train) == len(drawn.train)
    assert (whole.scale, whole.average_neighbors) == (drawn.scale, drawn.average_neighbors)
    np.testing.assert_array_equal(whole.references.values, drawn.references.values)
    assert whole.hashes == drawn.hashes
    energies = [sorted(one.energy for one in member.train.structures) for member in (whole, drawn, other)]
    assert set(energies[1]) < set(energies[0])
    assert energies[1] != energies[2]


def test_members_have_seeds_of_their_own(data, tmp_path):
    seeds = [
        member_seed(small_config(data, tmp_path, training={"committee": committee}).training)
        for committee in (None, *({"kind": "deep", "members": 3, "member": index} for index in range(3)))
    ]
    assert seeds[0] == seeds[1] == 0
    assert len(set(seeds[1:])) == 3


def test_a_member_beyond_the_committee_is_refused(data, tmp_path):
    with pytest.raises(ConfigError, match="member must be below members"):
        small_config(data, tmp_path, training={"committee": {"kind": "deep", "members": 3, "member": 3}})
