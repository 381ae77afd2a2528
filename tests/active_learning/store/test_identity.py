"""Hashes of structures: stable through the store and files, different for what differs."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from structures import structures

from mlpot.active_learning.store.identity import canonical_atoms, structure_id
from mlpot.active_learning.store.store import Store
from mlpot.errors import DataError


@given(structures())
def test_a_structure_keeps_its_identity_through_the_store_and_a_file(tmp_path_factory, atoms):
    folder = tmp_path_factory.mktemp("identity")
    with Store(folder / "run.db", create=True) as store:
        identity = store.add_structure(atoms)
        back = store.structure(identity)
        ase.io.write(folder / "one.extxyz", back)
        assert store.add_structure(back) == identity
        assert store.add_structure(ase.io.read(folder / "one.extxyz")) == identity
    assert (back.pbc == atoms.pbc).all()
    np.testing.assert_allclose(back.positions, atoms.positions, rtol=0, atol=1e-8)


@given(st.integers(0, 3), st.sampled_from([1e-6, -1e-6]))
def test_what_differs_has_another_identity(axis, shift):
    atoms = bulk("Cu", cubic=True)
    identity = structure_id(canonical_atoms(atoms))
    moved = atoms.copy()
    if axis < 3:
        moved.positions[1, axis] += shift
    else:
        moved.set_initial_magnetic_moments([1.0, 0, 0, 0])
    assert structure_id(canonical_atoms(moved)) != identity


def test_structures_that_are_none_are_refused(store):
    with pytest.raises(DataError, match="finite"):
        store.add_structure(Atoms("H", positions=[[np.nan, 0, 0]]))
    with pytest.raises(DataError, match="at least one atom"):
        store.add_structure(Atoms())
