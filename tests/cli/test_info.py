"""`mlpot info` prints the manifest."""

import json

import pytest
from rich.console import Console

from mlpot.cli.info import print_info
from mlpot.errors import ModelFileError
from mlpot.model_file.registry import find_potential


def test_table(model_file):
    console = Console(record=True, width=120)
    manifest = print_info(model_file, console=console)
    text = console.export_text()
    for expected in ("H, O, Si", "4 A", "strictly local", "Si -10.0000 eV", "none, random weights", "checksum correct"):
        assert expected in text
    assert str(manifest.n_parameters) in text


def test_json(model_file):
    console = Console(record=True, width=120)
    manifest = print_info(model_file, as_json=True, console=console)
    assert json.loads(console.export_text())["cutoff"] == manifest.cutoff


def test_damaged_files_are_refused(model_file, tmp_path):
    content = bytearray(model_file.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        print_info(tmp_path / "model.pt")


@pytest.mark.parametrize("name", ["Si/accurate", "ethanol/fast", "Si-dft/fast"])
def test_shipped_potentials_state_the_license_of_their_card(name):
    path = find_potential(name)
    console = Console(record=True, width=120)
    manifest = print_info(path, console=console)
    assert manifest.license.startswith("MIT")
    assert f"| license | {manifest.license} |" in (path.parent / "card.md").read_text()
    assert manifest.license in console.export_text()
