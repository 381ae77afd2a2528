"""Potentials by name, and what comes with each of them."""

import hashlib
import json
from pathlib import Path

import pytest

from mlpot.config.train_file import read_train_config
from mlpot.errors import ModelFileError
from mlpot.model_file import registry as shipped
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.torchscript import potential_from_file

POTENTIALS = Path(__file__).parents[2] / "potentials"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package folder with two potentials inside, as pip installs it."""
    for name in ("Si-dft/fast.pt", "Si-dft/accurate.pt", "Cu-dft/fast.pt"):
        file = tmp_path / "mlpot" / "potentials" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"model")
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "mlpot")
    return tmp_path


def test_names_and_presets(installed):
    assert shipped.find_potential("Si-dft") == installed / "mlpot/potentials/Si-dft/accurate.pt"
    assert shipped.find_potential("Si-dft", "fast") == installed / "mlpot/potentials/Si-dft/fast.pt"
    assert shipped.find_potential("Si-dft/fast") == installed / "mlpot/potentials/Si-dft/fast.pt"


def test_checkouts_keep_them_beside_the_package(installed):
    (installed / "mlpot" / "potentials").rename(installed / "potentials")
    assert shipped.find_potential("Cu-dft") == installed / "potentials/Cu-dft/fast.pt"


def test_a_file_goes_before_a_name(installed, monkeypatch):
    monkeypatch.chdir(installed)
    (installed / "Si-dft").write_bytes(b"mine")
    assert shipped.find_potential("Si-dft").resolve() == installed / "Si-dft"


def test_shipped_potentials_are_listed(installed):
    with pytest.raises(ModelFileError, match="expected a path or one of: Cu-dft, Si-dft"):
        shipped.find_potential("Ge-dft")
    with pytest.raises(ModelFileError, match="presets accurate, fast; got 'max'"):
        shipped.find_potential("Si-dft", "max")
    with pytest.raises(ModelFileError, match="Cu-dft has the presets fast; got 'accurate'"):
        shipped.find_potential("Cu-dft/accurate")


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in POTENTIALS.glob("*/card.md")), ids=lambda path: path.name
)
def test_what_ships_is_what_was_measured(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    assert sorted(metrics) == sorted(shipped.known_potentials()[folder.name])
    for preset, found in metrics.items():
        file = shipped.find_potential(folder.name, preset)
        assert hashlib.sha256(file.read_bytes()).hexdigest() == found["sha256"]
        assert [line["name"] for line in found["check"] if line["status"] == "failed"] == []
        potential_from_file(file)  # it can be trained further
        again = read_train_config(folder / "train.yaml", sections={"model": {"preset": preset}})
        manifest = read_manifest(file)  # what trains it is not what presets are today
        assert again.model.architecture(len(manifest.elements)) == manifest.config
    card = (folder / "card.md").read_text()
    assert f'mlpot.load("{folder.name}")' in card
    assert "| all |" in card
