"""Held-out kinds of structures, and the findings on them."""

import json

import ase.io
import numpy as np
import pytest
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from emt_structures import SMALL_MODEL, emt_structures

from mlpot.data import read_structures
from mlpot.errors import ConfigError
from mlpot.model_file.manifest import Scaling
from mlpot.ood import Settings, run_ood
from mlpot.ood.division import divide
from mlpot.ood.findings import compare
from mlpot.uncertainty.quality import ErrorTable


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Copper-gold near equilibrium, and shaken much more; the kinds differ in temperature and pressure."""
    path = tmp_path_factory.mktemp("ood") / "alloy.extxyz"
    frames = emt_structures(60)
    for index, atoms in enumerate(frames):
        hot = index % 4 == 0
        atoms.info |= {"config_type": "hot" if hot else "cold", "temperature": 3000 if hot else 300}
        if hot:
            atoms.rattle(0.4, seed=index)
            atoms.calc = EMT()
            labels = {
                "energy": atoms.get_potential_energy(),
                "forces": atoms.get_forces(),
                "stress": atoms.get_stress(),
            }
            atoms.calc = SinglePointCalculator(atoms, **labels)
    ase.io.write(path, frames, format="extxyz")
    return path


def test_kinds_are_found(data):
    structures = read_structures(data)
    hot = [index for index, one in enumerate(structures) if one.config_type == "hot"]
    assert divide(structures, "config_type", "hot") == {"hot": hot}
    assert set(divide(structures, "config_type", None)) == {"hot", "cold"}
    assert divide(structures, "temperature", None) == {"3000": hot}
    compositions = divide(structures, "composition", None)
    assert sum(map(len, compositions.values())) == len(structures)
    pressed = divide(structures, "pressure", None)["high pressure"]
    pressures = {k: -np.trace(one.stress) for k, one in enumerate(structures) if one.stress is not None}
    rest = [pressure for k, pressure in pressures.items() if k not in pressed]
    assert min(pressures[k] for k in pressed) > max(rest)


def test_what_the_data_do_not_have_is_refused(data):
    structures = read_structures(data)
    with pytest.raises(ConfigError, match="no two kinds of phase"):
        divide(structures, "phase", None)
    with pytest.raises(ConfigError, match="no structure has config_type 'warm'; there are cold, hot"):
        divide(structures, "config_type", "warm")
    with pytest.raises(ConfigError, match="must be one of temperature"):
        divide(structures, "weather", None)


def test_the_bench_finds_hot_atoms_and_goes_on_where_it_ended(data, tmp_path):
    overrides = (*(f"model.{key}={str(value).lower()}" for key, value in SMALL_MODEL.items()), "training.epochs=20")
    settings = Settings("config_type", "hot", overrides=(*overrides, "training.batch_atoms=12"))
    found = run_ood([data], settings, tmp_path)["config_type hot"]
    assert found == json.loads((tmp_path / "findings.json").read_text())["config_type hot"]
    assert found["frames_by_distance"] > 0.8
    assert found["unknown"]["rmse"] > found["known"]["rmse"]
    assert found["missed_by_both"] <= min(found["missed_by_sigma"], found["missed_by_distance"])
    assert (tmp_path / "config_type_hot/reliability.png").stat().st_size > 1000
    written = (tmp_path / "config_type_hot/run/model.pt").stat().st_mtime_ns
    assert run_ood([data], settings, tmp_path) == {"config_type hot": found}
    assert (tmp_path / "config_type_hot/run/model.pt").stat().st_mtime_ns == written


def test_frames_are_judged_by_their_most_uncertain_atoms():
    """Slabs: two of twenty atoms are far away, the others closer than those of known frames; the mean is no use."""
    rng = np.random.default_rng(0)

    def table(distances):
        n_frames, n_atoms = distances.shape
        count, nothing = distances.size, np.zeros(0)
        errors, frame = rng.normal(size=(count, 3)), np.repeat(np.arange(n_frames), n_atoms)
        stresses = np.zeros((0, 3, 3))
        return ErrorTable(
            np.zeros(count, dtype=int), errors, np.ones(count), nothing, nothing, stresses, stresses,
            distances.ravel(), distances.ravel(), frame, n_frames,
        )  # fmt: skip

    known = rng.uniform(0.9, 1.1, (10, 20))
    slabs = rng.uniform(0.5, 0.7, (10, 20))
    slabs[:, :2] = 3.0
    scaling = Scaling(scale=[1.0], distance_limit=1.0, levels=[0.9], quantiles=[1.645])
    found = compare(table(known), table(slabs), scaling, 0)
    assert (found.frames_by_distance, found.frames_by_sigma) == (1.0, 1.0)
    assert slabs.mean() < known.mean()
