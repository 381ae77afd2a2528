"""Crystals that are not minima of the potential are reported."""

from ase.build import bulk

from mlpot.validation.stability import check_stability


def test_an_unstable_crystal(silicon):
    result = check_stability(bulk("Si", "bcc", a=3.1), silicon, 5.0, lambda part: None)
    assert result.status == "failed"
    assert "phonons are imaginary" in result.sentence or "a strain costs no energy" in result.sentence
