"""Reference energies: exact where the data fixes them, refused where it does not."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpot.data import LabelledStructure, elements_of, reference_energies, summarize
from mlpot.errors import DataError

TRUE = {1: -13.6, 6: -1029.5, 8: -2042.0}


def molecule(n_h, n_c, n_o, energy=None):
    counts = {1: n_h, 6: n_c, 8: n_o}
    numbers = [z for z, n in counts.items() for _ in range(n)]
    atoms = Atoms(numbers, positions=[[1.1 * k, 0, 0] for k in range(len(numbers))])
    exact = sum(n * TRUE[z] for z, n in counts.items())
    return LabelledStructure(atoms, energy=exact if energy is None else energy)


def atom(symbol, energy):
    return LabelledStructure(Atoms(symbol, [[0, 0, 0]]), energy=energy)


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.integers(1, 9)] * 3), min_size=3, max_size=20))
def test_least_squares_recovers_them_or_is_refused(compositions):
    molecules = [molecule(*counts) for counts in compositions]
    fractions = np.array(compositions, dtype=float)
    fractions /= fractions.sum(axis=1, keepdims=True)
    singular = np.linalg.svd(fractions, compute_uv=False)
    if singular[-1] < 1e-12:
        with pytest.raises(DataError, match="do not determine"):
            reference_energies(molecules, [1, 6, 8], method="least_squares")
    elif singular[-1] > 1e-4:
        fitted = reference_energies(molecules, [1, 6, 8], method="least_squares")
        np.testing.assert_allclose(fitted.values, list(TRUE.values()), rtol=0, atol=1e-13 * 2000 / singular[-1])
        assert fitted.residual_std < 1e-8


def test_one_composition_is_refused_with_the_remedy():
    molecules = [molecule(6, 2, 1, energy) for energy in (-100.0, -101.0)]
    with pytest.raises(DataError, match=r"rank 1 for 3 elements \(all are .*H6.*only sums.*isolated atoms"):
        reference_energies(molecules, [1, 6, 8])
    fitted = reference_energies(molecules, [1, 6, 8], method="least_squares_min_norm")
    assert fitted.values @ [6, 2, 1] == pytest.approx(-100.5, abs=1e-9)


def test_isolated_atoms_are_found_and_used(good_set, frames):
    fitted = reference_energies(good_set, [13, 29])
    np.testing.assert_array_equal(fitted.values, [frames[0].calc.results["energy"], frames[1].calc.results["energy"]])
    assert fitted.sources == ("isolated atom", "isolated atom")
    assert -5 < fitted.residual_mean < -2
    assert fitted.n_structures == len(good_set) - 2


def test_given_then_isolated_then_fitted():
    molecules = [molecule(4, 1, 1), molecule(2, 2, 1), atom("C", TRUE[6])]
    fitted = reference_energies(molecules, [1, 6, 8], given={"O": TRUE[8]})
    np.testing.assert_allclose(fitted.values, list(TRUE.values()), rtol=1e-12)
    assert fitted.sources == ("least squares", "isolated atom", "given")
    assert fitted.as_dict() == pytest.approx({"H": -13.6, "C": -1029.5, "O": -2042.0})
    only_given = reference_energies(molecules, [1, 6, 8], {1: 1.0, "C": 2.0, 8: 3.0}, "given")
    np.testing.assert_array_equal(only_given.values, [1, 2, 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "isolated"}, "no reference energy for H, O"),
        ({"method": "given", "given": {"H": 1.0}}, "no reference energy for C, O"),
        ({"given": {"Hh": 1.0}}, "`Hh`, which is not an element"),
        ({"given": {"H": np.nan}}, "must be finite"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(DataError, match=message):
        reference_energies([molecule(4, 1, 1), atom("C", 1.0)], [1, 6, 8], **arguments)


def test_isolated_atoms_that_disagree():
    with pytest.raises(DataError, match=r"isolated atoms of C disagree: -1029\.0+ to -37\.8.*frames 0-1"):
        reference_energies([atom("C", -1029.0), atom("C", -37.8)], [6])


def test_no_energies_and_unknown_elements():
    with pytest.raises(DataError, match="no structure with an energy"):
        reference_energies([LabelledStructure(Atoms("H2", [[0, 0, 0], [0, 0, 1]]))], [1])
    with pytest.raises(DataError, match="frame 0 has atoms of O"):
        reference_energies([molecule(1, 1, 1)], [1, 6])


def test_isolated_atoms_do_not_enter_the_fit():
    bulk = [replace(molecule(n, 1, 1), energy=float(n)) for n in range(1, 5)]
    alone = reference_energies(bulk, [1, 6, 8], given={"C": 0.0}, method="least_squares_min_norm")
    joined = reference_energies([*bulk, atom("H", -1e6)], [1, 6, 8], given={"C": 0.0}, method="least_squares_min_norm")
    np.testing.assert_array_equal(alone.values, joined.values)


def test_a_lone_atom_in_a_crystal_is_no_isolated_atom():
    crystal = LabelledStructure(Atoms("Cu", [[0, 0, 0]], cell=np.eye(3) * 2.5, pbc=True), energy=-3.7)
    assert reference_energies([crystal], [29]).sources == ("least squares",)


def test_summary(good_set):
    summary = summarize(good_set)
    forces = np.concatenate([s.forces for s in good_set])
    assert (summary.n_structures, summary.n_atoms) == (len(good_set), 2 + 40 * 32)
    assert summary.elements == {"Al": 1 + 20 * 8, "Cu": 1 + 20 * (32 + 24)}
    assert summary.config_types == {"isolated_atom": 2, "rattled": 20, "strained": 20}
    assert summary.labels == {"energy": 42, "forces": 42, "stress": 40}
    assert summary.force_rms == pytest.approx(np.sqrt(np.mean(forces**2)), rel=1e-12)
    assert summary.force_max == pytest.approx(np.linalg.norm(forces, axis=1).max(), rel=1e-12)
    assert elements_of(good_set) == [13, 29]
    assert summary.pressure[0] < 0 < summary.pressure[1]
    assert summary.as_dict()["n_atoms"] == summary.n_atoms
