"""Errors of a model on labelled data, against labels that are off by a known amount."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import mlpot
from mlpot.data import LabelledStructure
from mlpot.engines.opening import open_engine
from mlpot.errors import DataError
from mlpot.evaluation import PLOTTED, evaluate_structures


@pytest.fixture(scope="module", params=["native", "torch"])
def model(model_file, request):
    return open_engine(model_file, request.param)


def labelled(model_file, shifts, config_types, with_stress=True):
    """Structures whose labels are the model's results plus shifts: energy/atom, force component, stress component."""
    calc = mlpot.MLPotCalculator(model_file)
    structures = []
    for seed, ((energy, force, stress), config_type) in enumerate(zip(shifts, config_types, strict=True)):
        atoms = bulk("Si", cubic=True)
        atoms.numbers[:2] = 8
        atoms.rattle(0.1, seed=seed)
        forces = calc.get_forces(atoms)
        forces[0, 0] += force  # an oxygen atom
        labels = {"energy": calc.get_potential_energy(atoms) + 8 * energy, "forces": forces}
        if with_stress:
            labels["stress"] = calc.get_property("stress", atoms)
            labels["stress"][0] += stress
        structures.append(LabelledStructure(atoms, **labels, config_type=config_type))
    return structures


def test_known_errors_come_out(model, model_file):
    structures = labelled(model_file, [(0.01, 0.3, 0.02), (-0.03, 0.0, 0.0), (0.0, 0.0, 0.0)], ["a", "b", "b"])
    result = evaluate_structures(model, structures)
    assert (result.n_structures, result.n_atoms) == (3, 24)
    energy, forces, stress = (result.by_config_type["all"][label] for label in ("energy", "forces", "stress"))
    assert (energy.n_values, forces.n_values, stress.n_values) == (3, 72, 27)
    assert energy.mae == pytest.approx(0.04 / 3, abs=1e-9)
    assert energy.rmse == pytest.approx(np.sqrt(0.001 / 3), abs=1e-9)
    assert energy.maximum == pytest.approx(0.03, abs=1e-9)
    assert forces.rmse == pytest.approx(0.3 / np.sqrt(72), abs=1e-9)
    assert stress.mae == pytest.approx(0.02 / 27, abs=1e-9)
    assert list(result.by_config_type) == ["all", "a", "b"]
    assert result.by_config_type["b"]["energy"].maximum == pytest.approx(0.03, abs=1e-9)
    assert result.by_config_type["b"]["forces"].maximum < 1e-9
    assert result.by_element["O"].maximum == pytest.approx(0.3, abs=1e-9)
    assert result.by_element["Si"].maximum < 1e-9
    assert result.by_element["O"].n_values == 18


def test_batches_do_not_matter(model, model_file, monkeypatch):
    structures = labelled(model_file, [(0.01 * k, 0.1 * k, 0.0) for k in range(5)], "abcde")
    whole = evaluate_structures(model, structures).as_dict()
    monkeypatch.setattr("mlpot.evaluation.BATCH_ATOMS", 1)
    one_by_one = evaluate_structures(model, iter(structures)).as_dict()
    for name, labels in whole["by_config_type"].items():
        for label, errors in labels.items():
            assert one_by_one["by_config_type"][name][label] == pytest.approx(errors, abs=1e-11)


def test_missing_labels_are_left_out(model, model_file):
    structures = labelled(model_file, [(0.0, 0.1, 0.0)], ["a"], with_stress=False)
    structures.append(LabelledStructure(Atoms("Si"), energy=-10.0))
    result = evaluate_structures(model, structures)
    assert set(result.by_config_type["all"]) == {"energy", "forces"}
    assert set(result.by_config_type["default"]) == {"energy"}
    with pytest.raises(DataError, match="without any energy"):
        evaluate_structures(model, [LabelledStructure(bulk("Si"))])


def test_unusable_structures_are_refused(model):
    with pytest.raises(DataError, match="Ge, which it was not trained on"):
        evaluate_structures(model, [LabelledStructure(bulk("Ge"), energy=0.0)])


def test_plots_of_large_sets_show_a_choice(model, model_file, monkeypatch):
    monkeypatch.setattr("mlpot.evaluation.PLOTTED", 50)
    structures = labelled(model_file, [(0.0, 0.1, 0.0)] * 12, "a" * 12)
    result = evaluate_structures(model, structures)
    assert result.sample.forces.shape == (50, 2)
    assert result.sample.energy.shape == (12, 2)
    assert PLOTTED > 1000
