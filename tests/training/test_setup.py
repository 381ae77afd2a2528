"""Messages about the data of a run."""

import ase.io
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from emt_structures import emt_structures, small_config
from training_messages import Messages

from mlpot.training.setup import prepare
from mlpot.training.training_data import read_training_data

TENSORS = {"n_layers": 2, "message_lmax": 2}


def messages(file, folder, model, **training):
    config, observer = small_config(file, folder, model=model, training=training), Messages()
    prepare(config, read_training_data(config), observer=observer)
    return observer.text()


def without_stresses(folder, pbc=True):
    frames = []
    for atoms in emt_structures(6):
        frame = atoms.copy()
        frame.pbc = pbc
        labels = {name: atoms.calc.results[name] for name in ("energy", "forces") if name in atoms.calc.results}
        frame.calc = SinglePointCalculator(frame, **labels)
        frames.append(frame)
    ase.io.write(folder / "bare.extxyz", frames, format="extxyz")
    return folder / "bare.extxyz"


def test_tensors_without_stresses_are_warned_of(tmp_path):
    file = without_stresses(tmp_path)
    assert "no periodic structure has a stress" in messages(file, tmp_path, TENSORS)


@pytest.mark.parametrize("model", [{"n_layers": 2, "message_lmax": 1}, {"n_layers": 1, "message_lmax": 2}])
def test_models_without_tensors_are_not(tmp_path, model):
    assert "has a stress" not in messages(without_stresses(tmp_path), tmp_path, model)


def test_data_with_stresses_and_molecules_are_not(data_file, tmp_path):
    assert "has a stress" not in messages(data_file, tmp_path, TENSORS)
    assert "has a stress" not in messages(without_stresses(tmp_path, pbc=False), tmp_path, TENSORS)
