"""GPAW for real: a label of silicon, and the fallback_settings when the first settings do not converge."""

import pytest
from ase.build import bulk

from mlpot.active_learning.config import LabelSettings
from mlpot.active_learning.labelling.driver import label_waiting

pytestmark = [pytest.mark.dft]
pytest.importorskip("gpaw", reason="CC=g++ pip install gpaw gpaw-data")

PARAMETERS = {
    "mode": {"name": "pw", "ecut": 300},
    "xc": "PBE",
    "kpts": {"size": [2, 2, 2], "gamma": True},
    "occupations": {"name": "fermi-dirac", "width": 0.1},
    "convergence": {"energy": 1e-7, "density": 1e-6},
}


def label(store, atoms, parameters, fallback_settings=()):
    settings = LabelSettings(code="gpaw", parameters=parameters, fallback_settings=list(fallback_settings))
    identity = store.add_settings(settings.identity())
    store.add_jobs([store.add_structure(atoms)], identity)
    report = label_waiting(store, settings)
    assert (report.done, report.halted) == (1, None), store.history.events()
    return list(store.labelled(identity))[-1].label


def test_the_ladder_and_the_free_energy(store):
    atoms = bulk("Si")
    atoms.positions[1] += [0.1, 0.05, -0.02]
    found = label(store, atoms, PARAMETERS | {"maxiter": 1}, [{"maxiter": 300}])
    assert found.attempt == 1
    assert found.energy_kind == "free_energy"
    h, energies = 0.01, []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[1, 0] += sign * h
        energies.append(label(store, moved, PARAMETERS).energy)
    assert found.forces[1, 0] == pytest.approx(-(energies[0] - energies[1]) / (2 * h), abs=5e-3)
