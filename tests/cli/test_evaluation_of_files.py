"""`mlpot evaluate`: what is printed, written and drawn."""

import json

import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from rich.console import Console

import mlpot
from mlpot.cli.evaluation_of_files import evaluate_file, evaluation_table
from mlpot.model_file.registry import find_potential


def test_from_file_to_table_json_and_plot(model_file, tmp_path):
    calc = mlpot.MLPotCalculator(model_file)
    frames = []
    for seed, (config_type, error) in enumerate({"bulk": 0.3, "hot": 0.0}.items()):
        atoms = bulk("Si", cubic=True)
        atoms.numbers[:2] = 8
        atoms.rattle(0.1, seed=seed)
        forces = calc.get_forces(atoms)
        forces[0, 0] += error  # of an oxygen atom
        atoms.info["config_type"] = config_type
        energy = calc.get_potential_energy(atoms)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        frames.append(atoms)
    write(tmp_path / "data.xyz", frames)
    console = Console(record=True, width=120)
    result = evaluate_file(
        model_file, tmp_path / "data.xyz", json_path=tmp_path / "e.json", plot=tmp_path / "p.png", console=console
    )
    text = console.export_text()
    assert "native engine (" in text.splitlines()[0] + text.splitlines()[1]
    assert "labels of 2 structures" in text
    assert "hot" in text
    assert "errors on 2 structures, 16 atoms" in text
    content = json.loads((tmp_path / "e.json").read_text())
    assert content["by_element"]["O"]["maximum"] == pytest.approx(0.3, abs=1e-6)
    assert content["units"]["forces"] == "eV/A"
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert evaluation_table(result).row_count == 2 * 3 + 2


def silicon_file(path, **labels):
    atoms = bulk("Si")
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, **labels)
    write(path, atoms)
    return path


def test_without_forces_there_is_no_word_of_uncalibrated_error_bars(tmp_path):
    console = Console(record=True, width=200)
    evaluate_file(find_potential("Si"), silicon_file(tmp_path / "data.xyz"), console=console)
    text = console.export_text()
    assert "the data have no forces" in text
    assert "not calibrated" not in text


@pytest.mark.filterwarnings("ignore:An input array is constant")
def test_numbers_that_two_equal_errors_do_not_have_are_null_in_the_file(tmp_path):
    data = silicon_file(tmp_path / "data.xyz", forces=[[0.1, 0.0, 0.0], [-0.1, 0.0, 0.0]])
    evaluate_file(find_potential("Si"), data, json_path=tmp_path / "e.json", console=Console(quiet=True))
    text = (tmp_path / "e.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["error_bars"]["auroc"] is None
