"""Where labels come from, what is said about it, and what is refused."""

import io

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.stress import voigt_6_to_full_3x3_stress
from rich.console import Console

from mlpot.data import LabelledStructure, LabelReport, read_structures
from mlpot.data.structure import full_tensor
from mlpot.errors import DataError

STRESS = np.array([[0.1, 0.02, 0.03], [0.02, 0.2, 0.04], [0.03, 0.04, 0.3]])


def dimer(**results):
    atoms = Atoms("Cu2", [[0, 0, 0], [2.3, 0, 0]], cell=[5, 6, 7], pbc=True)
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def kinds(report):
    return {finding.kind: finding.severity for finding in report.findings}


@pytest.mark.parametrize("key", ["energy", "REF_energy", "dft_energy", "Energy", "free_energy"])
def test_usual_energy_keys_are_found(key):
    atoms = dimer()
    atoms.info[key] = -3.5
    structures = read_structures(atoms)
    assert structures[0].energy == -3.5
    assert structures.report.used["energy"] == {key: 1}
    assert key not in structures[0].atoms.info


@pytest.mark.parametrize("key", ["forces", "REF_forces", "force", "dft_force"])
def test_usual_forces_keys_are_found(key):
    atoms = dimer()
    atoms.set_array(key, np.array([[1.0, 2, 3], [-1, -2, -3]]))
    np.testing.assert_array_equal(read_structures(atoms)[0].forces, [[1, 2, 3], [-1, -2, -3]])


def test_free_energy_is_preferred_and_reported():
    structures = read_structures(dimer(energy=-3.0, free_energy=-3.25))
    assert structures[0].energy == -3.25
    assert structures.report.used["energy"] == {"free_energy": 1}
    assert kinds(structures.report) == {"ignored-keys": "info"}


def test_a_named_key_wins_over_the_free_energy():
    assert read_structures(dimer(energy=-3.0, free_energy=-3.25), energy_key="energy")[0].energy == -3.0


def test_a_second_candidate_is_reported():
    atoms = dimer(energy=-3.0)
    atoms.info["REF_energy"] = -99.0
    structures = read_structures(atoms)
    assert structures[0].energy == -3.0
    assert structures.report.ignored["energy"] == {"REF_energy": 1}
    assert kinds(structures.report) == {"ignored-keys": "warning"}


def test_labels_from_different_keys_are_reported():
    other = dimer()
    other.info["REF_energy"] = -4.0
    assert kinds(read_structures([dimer(energy=-3.0), other]).report) == {"mixed-keys": "warning"}


def test_virial_becomes_stress():
    atoms = dimer()
    atoms.info["virial"] = -STRESS * atoms.get_volume()
    np.testing.assert_allclose(read_structures(atoms)[0].stress, STRESS, rtol=1e-14)


def test_virial_sign_against_the_slope_of_the_energy():
    """A virial as codes define it, -dE/dstrain, from finite differences of EMT."""
    atoms = Atoms(
        "Cu4", scaled_positions=[[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], cell=[3.9] * 3, pbc=1
    )
    energies = []
    for step in (-1e-4, 1e-4):
        work = atoms.copy()
        work.set_cell(work.cell * (1 + step), scale_atoms=True)
        work.calc = EMT()
        energies.append(work.get_potential_energy())
    atoms.info["virial"] = -np.eye(3) * (energies[1] - energies[0]) / 2e-4 / 3
    atoms_with_stress = atoms.copy()
    atoms_with_stress.calc = EMT()
    expected = atoms_with_stress.get_stress(voigt=False)
    np.testing.assert_allclose(read_structures(atoms)[0].stress, expected, atol=1e-8)


def test_voigt_order_is_that_of_ase():
    six = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    np.testing.assert_array_equal(
        read_structures(dimer(stress=np.array(six)))[0].stress, voigt_6_to_full_3x3_stress(six)
    )
    np.testing.assert_array_equal(full_tensor("stress", six), voigt_6_to_full_3x3_stress(six))


@pytest.mark.parametrize(("sign", "agrees"), [(-1, True), (1, False)])
def test_stress_and_virial_are_compared(sign, agrees):
    atoms = dimer(stress=STRESS)
    atoms.info["virial"] = sign * STRESS * atoms.get_volume()
    report = read_structures(atoms, strict=False).report
    assert ("stress-virial-mismatch" in kinds(report)) is not agrees
    if not agrees:
        with pytest.raises(DataError, match="opposite signs"):
            read_structures(atoms)
        np.testing.assert_allclose(read_structures(atoms, virial_key="virial")[0].stress, -STRESS, rtol=1e-14)
        np.testing.assert_allclose(read_structures(atoms, stress_key="stress")[0].stress, STRESS, rtol=1e-14)


def test_a_virial_without_volume_is_no_stress():
    atoms = Atoms("Cu2", [[0, 0, 0], [2.3, 0, 0]], info={"virial": STRESS})
    structures = read_structures(atoms)
    assert structures[0].stress is None
    assert kinds(structures.report) == {"virial-without-volume": "warning"}


def test_missing_labels_are_named():
    with pytest.raises(DataError, match=r"label energy is requested, but 2 of 3 frames .* \(frames 1-2; .*forces"):
        read_structures(
            [dimer(energy=1.0), dimer(forces=np.zeros((2, 3))), dimer(forces=np.zeros((2, 3)))], required=["energy"]
        )
    with pytest.raises(DataError, match="key `my_energy`"):
        read_structures(dimer(energy=1.0), energy_key="my_energy")
    with pytest.raises(DataError, match=r"label stress .* `my_virial`"):
        read_structures(dimer(energy=1.0, stress=STRESS), virial_key="my_virial")


def test_missing_labels_that_are_not_required_are_counted():
    report = read_structures([dimer(energy=1.0), dimer()]).report
    assert report.missing["energy"] == [1]
    assert report.missing["forces"] == [0, 1]


def test_lone_atoms_need_no_forces_and_molecules_no_stress():
    atom = Atoms("Cu", [[0, 0, 0]], info={"energy": 1.0})
    molecule = Atoms("Cu2", [[0, 0, 0], [2.3, 0, 0]], cell=[9, 9, 9])
    molecule.calc = SinglePointCalculator(molecule, energy=1.0, forces=np.zeros((2, 3)))
    assert len(read_structures([atom, molecule], required=["energy", "forces", "stress"])) == 2


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"energy": np.nan}, "`energy` must be finite"),
        ({"forces": np.zeros((3, 3))}, r"`forces` must have shape \(2, 3\), got \(3, 3\)"),
        ({"forces": np.full((2, 3), np.inf)}, "6 NaN or infinite"),
        ({"stress": np.zeros(5)}, "6 or 9 components"),
        ({"stress": np.arange(9.0).reshape(3, 3)}, "must be symmetric"),
    ],
)
def test_malformed_labels(results, message):
    with pytest.raises(DataError, match=message):
        read_structures([dimer(energy=1.0), dimer(**results)])
    lenient = read_structures([dimer(energy=1.0), dimer(**results)], strict=False)
    assert [(f.kind, f.frames) for f in lenient.report.findings] == [("malformed-label", (1,))]
    assert getattr(lenient[1], next(iter(results))) is None


def test_results_of_other_positions_are_refused():
    atoms = dimer(energy=1.0)
    atoms.positions[0, 0] += 0.1
    with pytest.raises(DataError, match="belong to other positions"):
        read_structures(atoms)


def test_forces_of_fixed_atoms_stay_what_was_computed(frames):
    """ASE zeroes the forces on fixed atoms when asked through the atoms; labels must not be."""
    atoms = frames[2].copy()
    atoms.calc = frames[2].calc
    atoms.set_constraint(FixAtoms(range(10)))
    np.testing.assert_array_equal(read_structures(atoms)[0].forces, frames[2].calc.results["forces"])
    assert not read_structures(atoms)[0].atoms.constraints


def test_config_type_and_weight():
    atoms = dimer(energy=1.0)
    atoms.info.update(config_type="liquid", group="b", config_weight=2.5)
    assert (read_structures(atoms)[0].config_type, read_structures(atoms)[0].weight) == ("liquid", 2.5)
    assert read_structures(atoms, group_key="group")[0].config_type == "b"
    with pytest.raises(DataError, match="`weight` must not be"):
        LabelledStructure(atoms, weight=-1.0)


def test_report_survives_a_round_trip_and_prints(frames):
    report = read_structures([*frames[:4], dimer(energy=1.0, free_energy=2.0)]).report
    assert LabelReport.from_dict(report.as_dict()).as_dict() == report.as_dict()
    console = Console(width=120, file=io.StringIO())
    console.print(report)
    text = console.file.getvalue()
    assert "free_energy (1)" in text
    assert "ignored-keys" in text
