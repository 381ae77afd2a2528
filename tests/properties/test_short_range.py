"""Scans of close atoms: forces are derivatives, geometries are as described, refusals become NaN."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT

import mlpot
from mlpot.plotting import new_figure
from mlpot.properties import compression_scan, dimer_scan, relaxed_crystal, trimer_scan
from mlpot.properties.short_range import contact


@pytest.fixture(scope="module")
def calculator():
    return mlpot.load("Si-dft/fast", precision="double")


def test_dimer(calculator):
    scan = dimer_scan("Si", "Si", calculator, cutoff=5.0, spacing=0.004)
    np.testing.assert_allclose(scan.distances[[0, -1]], [0.3, 5.0])
    assert scan.energies[-1] == pytest.approx(0.0, abs=1e-12)
    inner = scan.distances > 1.0
    slope = np.gradient(scan.energies[inner], scan.distances[inner], edge_order=2)
    np.testing.assert_allclose(scan.forces[inner], -slope, rtol=1e-3, atol=1e-3)
    assert scan.depth == -scan.energies.min()
    assert 3.0 < scan.depth < 3.6
    assert 2.1 < scan.bond_length < 2.4


def test_two_elements_count_from_their_own_atoms():
    scan = dimer_scan("Cu", "Au", EMT(), cutoff=8.0, spacing=0.1)
    assert scan.energies[-1] == pytest.approx(0.0, abs=1e-3)
    assert contact("Cu", "Au") == pytest.approx(1.32 + 1.36)


def test_trimer(calculator):
    scan = trimer_scan(("Si", "Si", "Si"), calculator, cutoff=5.0, n_distances=5, angles=(60.0, 180.0))
    np.testing.assert_array_equal(scan.energies, scan.energies.transpose(0, 2, 1))
    r = scan.distances[3]
    triangle = Atoms("Si3", [[0, 0, 0], [r, 0, 0], [r / 2, r * np.sqrt(3) / 2, 0]], calculator=calculator)
    free = Atoms("Si", calculator=calculator).get_potential_energy()
    assert scan.energies[0, 3, 3] == pytest.approx(triangle.get_potential_energy() - 3 * free, abs=1e-9)
    assert scan.closeness[0, 3, 3] == pytest.approx(r / contact("Si", "Si"))
    assert scan.closeness[1, 0, 4] == pytest.approx(0.3 / contact("Si", "Si"))


def test_compression(calculator):
    crystal = relaxed_crystal(bulk("Si"), calculator)
    scan = compression_scan(crystal, calculator, n_volumes=211)
    assert (scan.ratios[0], scan.ratios[-1]) == (1.3, 0.25)
    assert scan.ratios[scan.energies.argmin()] == pytest.approx(1.0, abs=0.01)
    slope = np.gradient(scan.energies, scan.ratios * crystal.get_volume() / len(crystal))
    near = scan.ratios > 0.7
    np.testing.assert_allclose(scan.pressures[near][1:], -slope[near][1:] / units.GPa, atol=0.5)


def test_what_the_calculator_refuses_is_nan(calculator):
    scan = dimer_scan("Si", "Si", calculator, cutoff=5.0, spacing=1.0)
    assert np.isfinite(scan.energies).all()
    engine = mlpot.load("Si-dft/fast", precision="double", engine="torch")
    for weights in engine.engine.scripted.module.parameters():
        weights.fill_(np.nan)
    crystal = compression_scan(bulk("Si"), engine, n_volumes=3)
    assert np.isnan(crystal.energies).all()
    assert np.isnan(crystal.pressures).all()


def test_plots(calculator, tmp_path):
    figure = new_figure(9.0, 3.0)
    left, middle, right = figure.subplots(1, 3)
    dimer_scan("Si", "Si", calculator, cutoff=5.0, spacing=0.5).plot(left)
    trimer_scan(("Si",) * 3, calculator, cutoff=5.0, n_distances=3).plot(middle)
    compression_scan(bulk("Si"), calculator, n_volumes=5).plot(right)
    figure.savefig(tmp_path / "scans.png")
