import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from emt_structures import emt_structures

from mlpot.data import LabelledStructure, read_structures
from mlpot.errors import DataError
from mlpot.training.samples import SampleSet, collate_samples, energy_scale

CU_AU = [29, 79]


@pytest.fixture(scope="module")
def structures():
    return read_structures(emt_structures(10))


@pytest.fixture(scope="module")
def samples(structures):
    return SampleSet(structures, CU_AU, 3.5)


def test_batch_holds_the_labels_of_the_file(structures, samples):
    indices = [4, 7, 0, 3]
    batch = samples.batch(indices)
    chosen = [structures[index] for index in indices]
    assert batch.graph.n_structures == 4
    assert batch.energy.tolist() == [s.energy for s in chosen]
    assert batch.has_forces.tolist() == [0, 1, 1, 1]
    assert batch.has_virial.tolist() == [1, 0, 1, 0]
    expected = [np.zeros((len(s.atoms), 3)) if s.forces is None else s.forces for s in chosen]
    np.testing.assert_array_equal(batch.forces, np.concatenate(expected))
    np.testing.assert_allclose(batch.virial[2], -chosen[2].stress * chosen[2].atoms.get_volume(), rtol=1e-14)
    assert batch.virial[1].abs().max() == 0


def test_counts_and_statistics(structures, samples):
    forces = [s.forces for s in structures if s.forces is not None]
    assert samples.counts.energy == 10
    assert samples.counts.forces == sum(f.size for f in forces)
    assert samples.counts.stress == 9 * sum(s.stress is not None for s in structures)
    rms = np.sqrt(np.mean(np.concatenate(forces) ** 2))
    assert samples.rms_force == pytest.approx(rms, rel=1e-12)
    assert energy_scale(samples, [0.0, 0.0]) == pytest.approx(rms, rel=1e-12)


def test_average_neighbors_is_that_of_the_lattice():
    atoms = ase.build.bulk("Cu", "fcc", a=3.6, cubic=True)
    assert SampleSet([LabelledStructure(atoms, 0.0)], [29], 3.0).average_neighbors == 12


def test_scale_without_forces_is_the_spread_of_interaction_energies():
    atoms = Atoms("CuAu", positions=[[0, 0, 0], [0, 0, 2.5]])
    data = [LabelledStructure(atoms, energy) for energy in (1.0, 3.0)]
    assert energy_scale(SampleSet(data, CU_AU, 3.5), [0.25, 0.75]) == pytest.approx(0.5)


def test_all_zero_labels_give_a_scale_of_one():
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]])
    data = [LabelledStructure(atoms, 0.0, np.zeros((2, 3)))]
    assert energy_scale(SampleSet(data, CU_AU, 3.5), [0.0, 0.0]) == 1.0


def test_samples_made_again_equal_those_in_memory(structures, samples):
    remade = SampleSet(structures, CU_AU, 3.5, in_memory=False)
    kept, made = samples.batch([2, 5]), remade.batch([2, 5])
    assert remade.counts == samples.counts
    assert torch.equal(kept.graph.edge_vectors, made.graph.edge_vectors)
    assert all(torch.equal(a, b) for a, b in zip(kept[1:], made[1:], strict=True))


def test_a_bad_structure_is_named():
    good, bad = Atoms("Cu"), Atoms("Cu2", positions=np.zeros((2, 3)))
    with pytest.raises(DataError, match=r"structure 1 \(Cu2\)"):
        SampleSet([LabelledStructure(good, 0.0), LabelledStructure(bad, 0.0)], [29], 3.5)


def test_weight_travels_with_the_structure():
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.5]])
    data = SampleSet([LabelledStructure(atoms, 0.0, weight=w) for w in (1.0, 2.5)], [29], 3.5)
    assert collate_samples([data.batch([0]), data.batch([1])]).weight.tolist() == [1.0, 2.5]
