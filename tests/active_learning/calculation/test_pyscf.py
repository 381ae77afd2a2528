"""PySCF, through the function of `examples/water`: a code that is not built in."""

from pathlib import Path

import pytest
from ase.build import molecule

from mlpot.active_learning.config import LabelSettings
from mlpot.active_learning.labelling.driver import label_waiting

pytestmark = [pytest.mark.dft]
pytest.importorskip("pyscf", reason="pip install pyscf")

EXAMPLE = Path(__file__).parents[3] / "examples" / "water"


def test_forces_of_a_function_of_the_user_are_the_slope_of_its_energy(store, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE))
    settings = LabelSettings(code="molecules_pyscf:density_functional", stress=False)
    identity, h = store.add_settings(settings.identity()), 0.002
    places = {}
    for shift in (0.0, h, -h):
        atoms = molecule("H2O")
        atoms.positions[1, 1] += 0.05 + shift
        places[store.add_structure(atoms)] = shift
    store.add_jobs(places, identity)
    report = label_waiting(store, settings)
    assert (report.done, report.halted) == (3, None), store.history.events()
    labels = {places[one.job.structure_id]: one.label for one in store.labelled(identity)}
    slope = (labels[h].energy - labels[-h].energy) / (2 * h)
    assert labels[0.0].forces[1, 1] == pytest.approx(-slope, abs=5e-4)
    assert abs(slope) > 0.1
    assert labels[0.0].raw_file is not None
