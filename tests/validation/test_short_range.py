"""Dimers, trimers, compression: the shipped potential passes; each kind of hole is seen and named."""

import numpy as np
import pytest
from altered_calculators import Altered, well
from ase.build import bulk
from ase.calculators.lj import LennardJones

import mlpot
from mlpot.errors import EngineError
from mlpot.properties import CompressionScan, relaxed_crystal
from mlpot.properties.short_range import dimer_scan
from mlpot.validation.samples import closeness
from mlpot.validation.short_range import _compression_problems, check_compression, check_dimers, check_trimers
from mlpot.validation.smoothness import ROUGHNESS, WORST, _simpson_errors, roughness_of

ARGON = {"sigma": 3.4, "epsilon": 0.0104, "rc": 6.013}


def quiet(part):
    assert 0.0 <= part <= 1.0


def test_a_good_potential_passes():
    argon = LennardJones(**ARGON, ro=5.0, smooth=True)
    for check in (check_dimers, check_trimers):
        result = check(argon, ["Ar"], 8.0, {"Ar": 0.08}, quiet)
        assert result.status == "passed", result.sentence
    result = check_compression(relaxed_crystal(bulk("Ar", a=5.3), argon), argon, quiet)
    assert result.status == "passed", result.sentence


def test_a_potential_without_repulsion_fails(bad_model):
    calculator = mlpot.load(bad_model, precision="double")
    dimers = check_dimers(calculator, ["Si"], 4.5, {}, quiet)
    assert dimers.status == "failed"
    assert "attracts at" in dimers.sentence
    assert "no barrier" in dimers.sentence
    trimers = check_trimers(calculator, ["Si"], 4.5, {}, quiet)
    assert trimers.status == "failed"
    assert "has a hole" in trimers.sentence
    assert check_compression(bulk("Si"), calculator, quiet).status == "failed"


@pytest.mark.parametrize(
    ("center", "depth", "words"),
    [
        (0.9, 60.0, "attracts at"),  # a step in the wall that two atoms could fall into
        (1.8, 8.0, "is bound by"),
        (2.2, 6.0, "at most 8.80 is possible"),  # twice the cohesive energy of the crystal
    ],
)
def test_holes_in_a_dimer_are_seen(silicon, center, depth, words):
    result = check_dimers(Altered(silicon, well(center, depth, 0.1)), ["Si"], 5.0, {"Si": 4.4}, quiet)
    assert result.status == "failed"
    assert words in result.sentence
    assert "step" not in result.sentence
    assert "slope" not in result.sentence


def test_steps_of_force_and_energy_are_seen():
    sharp = check_dimers(LennardJones(**ARGON), ["Ar"], 8.0, {}, quiet)
    assert sharp.status == "failed"
    assert "Ar-Ar has a step of 1.3e-03 in energy or force at 6.0" in sharp.sentence
    smooth = check_dimers(LennardJones(**ARGON, ro=5.0, smooth=True), ["Ar"], 8.0, {}, quiet)
    assert smooth.status == "passed", smooth.sentence
    assert smooth.numbers["Ar-Ar"]["minima_A"] == pytest.approx([3.82], abs=0.02)


def test_steep_curves_are_no_mistakes():
    def ripple(atoms, results):
        if len(atoms) == 1:
            return
        vector = atoms.positions[1] - atoms.positions[0]
        distance = np.linalg.norm(vector)
        part = np.exp(-(((distance - 3.8) / 0.15) ** 2))  # each steep interval is refined, which takes its time
        wave, slope = 0.05 * np.sin(60.0 * distance), 3.0 * np.cos(60.0 * distance)
        results["energy"] += part * wave
        pull = part * (slope - 2.0 * (distance - 3.8) / 0.15**2 * wave) * vector / distance
        results["forces"] = results["forces"] + np.array([pull, -pull])

    rippled = Altered(LennardJones(**ARGON, ro=5.0, smooth=True), ripple)
    scan = dimer_scan("Ar", "Ar", rippled, cutoff=5.0)
    steep = _simpson_errors(scan.symbols, scan.distances, rippled) > ROUGHNESS
    assert steep.sum() > WORST
    assert roughness_of(scan, rippled).mismatch < ROUGHNESS


def test_forces_that_are_not_slopes_are_seen(silicon):
    def alter(atoms, results):
        if len(atoms) > 1 and 2.3 < atoms.get_distance(0, 1) < 2.6:  # a part of the curve: each interval is refined
            results["forces"] = results["forces"] * 1.001

    result = check_dimers(Altered(silicon, alter), ["Si"], 5.0, {}, quiet)
    assert "not the slope of the energy (off by 1.0e-03" in result.sentence


def test_energies_that_are_not_finite_are_seen(silicon):
    def refuse(atoms, results):
        if closeness(atoms) < 0.3:
            raise EngineError("not finite")

    calculator = Altered(silicon, refuse)
    assert "not finite at 0.30 A" in check_dimers(calculator, ["Si"], 5.0, {}, quiet).sentence
    assert "not finite in" in check_trimers(calculator, ["Si"], 5.0, {}, quiet).sentence


def test_every_pair_and_triple(model_file, monkeypatch):
    monkeypatch.setattr("mlpot.validation.short_range.GRIDS", 1)  # coarse ones
    calculator = mlpot.load(model_file, precision="double")
    dimers = check_dimers(calculator, ["H", "O"], 4.0, {}, quiet)
    assert set(dimers.numbers) == {"H-H", "H-O", "O-O"}
    trimers = check_trimers(calculator, ["H", "O"], 4.0, {}, quiet)
    assert set(trimers.numbers) == {"H-H-H", "H-H-O", "H-O-O", "O-H-H", "O-H-O", "O-O-O"}


def test_what_compression_may_not_do():
    ratios = np.linspace(1.3, 0.25, 106)
    rising = (ratios - 1.0) ** 2

    def problems(energies):
        return _compression_problems(CompressionScan(ratios, energies, np.zeros_like(ratios)))

    assert problems(rising) == []
    dip = rising - 0.3 * np.exp(-(((ratios - 0.5) / 0.03) ** 2))
    (sentence,) = problems(dip)
    assert "falls under compression between 0.5" in sentence
    (sentence,) = problems(np.where(ratios > 1.2, 0.04 - 0.5 * (ratios - 1.2), rising))
    assert "when the crystal is expanded" in sentence
    (sentence,) = problems(np.where(ratios < 0.4, np.nan, rising))
    assert "not finite at 0.39" in sentence
