"""Every check is triggered by a data set with that defect, and silent on a good one."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from mlpot.data import LabelledStructure, check, read_structures
from mlpot.data.checks.agreement import median_slope
from mlpot.data.checks.consistency import work_pairs


def kinds(structures):
    return {finding.kind: finding.severity for finding in check(structures)}


def found(structures, kind):
    return next(finding for finding in check(structures) if finding.kind == kind)


def scaled(structures, energy=1.0, forces=1.0, stress=1.0):
    return [
        replace(
            s,
            energy=energy * s.energy,
            forces=forces * s.forces,
            stress=None if s.stress is None else stress * s.stress,
        )
        for s in structures
    ]


def with_atoms(structure, change):
    atoms = structure.atoms.copy()
    change(atoms)
    return replace(structure, atoms=atoms)


def test_a_good_set_has_no_findings(good_set):
    assert check(good_set) == []


@pytest.mark.parametrize(
    ("factors", "kind", "reason"),
    [
        ({"forces": -1.0}, "energy-force-unit", "gradients instead of forces"),
        ({"forces": 23.0605}, "energy-force-unit", "energies in eV with forces in kcal/mol/A"),
        ({"energy": 1 / 27.2114}, "energy-force-unit", "energies in Hartree with forces in eV/A"),
        (
            {"energy": 1 / 27.2114, "forces": 1 / 51.4221},
            "energy-force-unit",
            "energies in Hartree with forces in Hartree/Bohr",
        ),
        ({"stress": -1.0}, "stress-unit", "opposite sign"),
        ({"stress": 160.2177}, "stress-unit", "GPa"),
        ({"stress": -1602.177}, "stress-unit", "kbar with the opposite sign"),
        ({"stress": -32 * 3.7**3 / 4}, "stress-unit", "a virial under the name of a stress"),
    ],
)
def test_units_and_signs(good_set, factors, kind, reason):
    finding = found(scaled(good_set, **factors), kind)
    assert finding.severity == "error"
    assert reason in finding.message


@pytest.mark.parametrize(("factor", "guess"), [(23.0605, "kcal/mol"), (1 / 51.4221, "Hartree/Bohr")])
def test_units_in_which_energies_and_forces_agree(good_set, factor, guess):
    without_stress = [replace(s, stress=None) for s in good_set]
    assert guess in found(scaled(without_stress, energy=factor, forces=factor), "force-unit").message


def test_positions_in_bohr(good_set):
    def swell(atoms):
        atoms.set_cell(atoms.cell * 1.8897, scale_atoms=True)

    swollen = [with_atoms(s, swell) for s in good_set]
    assert "Bohr" in found(swollen, "length-unit").message
    assert "positions in Bohr" in found(swollen, "energy-force-unit").message


def test_stress_with_an_offset(good_set):
    offset = [s if s.stress is None else replace(s, stress=s.stress + 0.05 * np.eye(3)) for s in good_set]
    finding = found(offset, "stress-offset")
    assert finding.severity == "warning"
    value = float(finding.message.split(" eV/A^3")[0].split()[-1])
    assert value == pytest.approx(-0.05, abs=0.004)


def test_energies_that_jump(good_set):
    """Two DFT settings, 0.2 eV/atom apart, in every third structure."""
    mixed = [
        replace(s, energy=s.energy + 0.2 * len(s.atoms)) if k % 3 == 0 and not s.is_isolated_atom else s
        for k, s in enumerate(good_set)
    ]
    assert kinds(mixed)["energy-jump"] == "warning"


def test_mixed_settings_in_two_groups(good_set):
    upper = {k for k, s in enumerate(good_set) if k % 3 == 0 and not s.is_isolated_atom}
    mixed = [replace(s, energy=s.energy + 5.0 * len(s.atoms)) if k in upper else s for k, s in enumerate(good_set)]
    assert set(found(mixed, "mixed-settings").frames) == upper


def test_energies_of_molecules_in_hartree():
    water = [molecule("H2O"), molecule("CH3CH2OH")]
    structures = [LabelledStructure(atoms, energy=e) for atoms, e in zip(water, (-76.4, -154.9), strict=True)]
    assert "Hartree" in found(structures, "energy-unit").message
    assert "energy-unit" not in kinds(
        scaled([replace(s, forces=np.zeros((len(s.atoms), 3))) for s in structures], 27.2114)
    )


@pytest.mark.parametrize(("shift", "severity"), [(-1000.0, "error"), (-5.0, "warning")])
def test_isolated_atoms_of_another_setting(good_set, shift, severity):
    wrong = [replace(s, energy=s.energy + shift) if s.is_isolated_atom else s for s in good_set]
    assert kinds(wrong)["reference-energies"] == severity


def test_undetermined_reference_energies(good_set):
    finding = found([s for s in good_set if "Al" in s.atoms.symbols and not s.is_isolated_atom], "reference-energies")
    assert "rank 1 for 2 elements" in finding.message


def test_energy_outlier(good_set):
    structures = list(good_set)
    structures[7] = replace(structures[7], energy=structures[7].energy + 100.0)
    assert found(structures, "energy-outlier").frames == (7,)


def test_copies(good_set):
    shuffle = np.random.default_rng(0).permutation(32)
    reordered = good_set[4].atoms[shuffle]
    reordered.positions += np.array([1, -2, 3]) @ reordered.cell.array
    rotated = good_set[6].atoms.copy()
    rotated.rotate(40, "x", rotate_cell=True)
    extra = [
        good_set[3],
        LabelledStructure(reordered, good_set[4].energy, good_set[4].forces[shuffle], good_set[4].stress),
        LabelledStructure(rotated, good_set[6].energy),
    ]
    findings = {f.kind: f for f in check([*good_set, *extra]) if f.kind.startswith("duplicate")}
    assert {kind: f.frames for kind, f in findings.items()} == {
        "duplicate": (3, 42),
        "duplicate-reordered": (4, 43),
        "duplicate-rotated": (6, 44),
    }


def test_copies_that_contradict_each_other(good_set):
    other = replace(good_set[3], energy=good_set[3].energy + 0.1)
    finding = found([*good_set, other], "contradiction")
    assert (finding.severity, finding.frames) == ("error", (3, 42))
    reordered = replace(other, atoms=other.atoms[::-1], forces=other.forces[::-1])
    assert found([*good_set, reordered], "contradiction").frames == (3, 42)


def test_atoms_too_close_and_at_one_place(good_set):
    def push(distance):
        def change(atoms):
            atoms.positions[1] = atoms.positions[0] + [0, 0, distance]

        return change

    close = found([*good_set, with_atoms(good_set[5], push(1.0))], "close-atoms")
    assert (close.severity, close.frames) == ("warning", (42,))
    assert "1.000 A (atoms 0, 1)" in close.message
    same = found([*good_set, with_atoms(good_set[5], push(0.0))], "structure")
    assert (same.severity, same.frames) == ("error", (42,))


def test_positions_that_are_not_finite(good_set):
    def spoil(atoms):
        atoms.positions[3, 1] = np.nan

    assert found([*good_set, with_atoms(good_set[5], spoil)], "structure").severity == "error"


def test_periodic_without_a_cell():
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3]], pbc=True)
    assert kinds([LabelledStructure(atoms, energy=1.0)])["structure"] == "error"


def test_a_cell_without_periodicity(good_set):
    off = with_atoms(good_set[5], lambda atoms: atoms.set_pbc(False))
    findings = kinds([*good_set, off])
    assert findings["cell-without-pbc"] == "warning"
    assert findings["stress-without-cell"] == "warning"


def test_missing_labels(good_set):
    bare = replace(good_set[5], energy=None, forces=None, stress=None)
    findings = {f.kind: f for f in check([*good_set, bare])}
    for label in ("energy", "forces", "stress"):
        assert findings[f"missing-{label}"].severity == "warning"
        assert findings[f"missing-{label}"].frames == (42,)
    nothing = kinds([bare, replace(bare, config_type="b")])
    assert (nothing["missing-energy"], nothing["missing-forces"], nothing["missing-stress"]) == (
        "error",
        "warning",
        "info",
    )


def test_forces_that_do_not_add_up(good_set):
    noisy = replace(good_set[5], forces=good_set[5].forces + np.array([0.02, 0.0, 0.0]))
    finding = found([*good_set, noisy], "net-force")
    assert finding.frames == (42,)
    assert "0.64 eV/A" in finding.message


def test_forces_of_fixed_atoms(good_set):
    forces = good_set[5].forces.copy()
    forces[:8] = 0.0
    findings = kinds([*good_set, replace(good_set[5], forces=forces)])
    assert findings["fixed-atoms"] == "warning"
    assert "net-force" not in findings


def test_large_forces(good_set):
    forces = good_set[5].forces.copy()
    forces[0, 0] += 80
    forces[1, 0] -= 80
    assert found([*good_set, replace(good_set[5], forces=forces)], "large-forces").frames == (42,)


def test_findings_of_reading_are_included(frames):
    spoilt = frames[5].copy()
    spoilt.info["energy"] = np.nan
    assert found(read_structures([*frames, spoilt], strict=False), "malformed-label").frames == (42,)


def test_work_between_molecules_does_not_see_their_rotation():
    """Steep slopes: the pairs of a rotated, slightly deformed Lennard-Jones cluster must fit to first order."""
    rng = np.random.default_rng(0)
    base = Atoms("Ar4", 1.12 * np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.87, 0], [0.5, 0.29, 0.82]]))
    frames = []
    for k in range(20):
        atoms = base.copy()
        atoms.positions += rng.normal(0, 0.004, (4, 3))
        atoms.rotate(18 * k, rng.normal(size=3))
        atoms.calc = LennardJones(rc=5.0)
        frames.append(LabelledStructure(atoms, atoms.get_potential_energy(), atoms.get_forces()))
    pairs = work_pairs(frames)
    assert len(pairs) >= 10
    assert all(pair.distance < 0.02 for pair in pairs)
    x = np.array([pair.force_work for pair in pairs])
    y = np.array([pair.energy_change for pair in pairs])
    assert median_slope(x, y) == pytest.approx(1.0, abs=0.05)


def test_slopes_that_scatter_give_no_finding():
    rng = np.random.default_rng(1)
    x = rng.normal(size=100)
    assert median_slope(x, 3 * x) == pytest.approx(3.0)
    assert median_slope(x, rng.normal(size=100)) is None
    assert median_slope(x[:4], x[:4]) is None
    assert median_slope(x[:0], x[:0]) is None


def strained_copper(rattle, strain, seed=0):
    """Cells of copper with EMT's labels, all of them strained and rattled."""
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(20):
        atoms = bulk("Cu", cubic=True)
        change = rng.uniform(-strain, strain, (3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.5 * (change + change.T)), scale_atoms=True)
        atoms.positions += rattle * rng.normal(size=(4, 3))
        atoms.calc = EMT()
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
        structures.append(LabelledStructure(atoms.copy(), energy, forces, stress))
    return structures


@pytest.mark.parametrize(("rattle", "strain"), [(0.0, 0.05), (0.08, 0.04), (0.15, 0.1)])
def test_the_sign_of_stresses_is_named_where_rattles_hide_their_work(rattle, strain):
    right = strained_copper(rattle, strain)
    assert not {"stress-sign", "stress-unit"} & kinds(right).keys()
    flipped = [finding for finding in check(scaled(right, stress=-1.0)) if finding.kind.startswith("stress")]
    assert ["opposite sign" in finding.message for finding in flipped] == [True]


def test_one_absurd_stress_does_not_hide_the_sign_of_the_others(good_set):
    flipped = scaled(good_set, stress=-1.0)
    flipped[-1] = replace(flipped[-1], stress=1e9 * np.eye(3))
    assert "opposite sign" in found(flipped, "stress-unit").message


@pytest.mark.parametrize("label", ["energy", "forces", "stress", "positions", "cell"])
def test_a_frame_with_nan_does_not_disturb_the_other_findings(tmp_path, frames, label):
    written = []
    for number, frame in enumerate(frames):
        atoms, results = frame.copy(), {key: np.array(value) for key, value in frame.calc.results.items()}
        if "stress" in results:
            results["stress"] *= -1.0
        if number == 3:
            array = {**results, "positions": atoms.positions, "cell": atoms.cell.array}[label]
            array[(0,) * array.ndim] = np.nan
        atoms.calc = SinglePointCalculator(atoms, **results)
        written.append(atoms)
    write(tmp_path / "nan.extxyz", written)
    findings = check(read_structures(tmp_path / "nan.extxyz", strict=False))
    errors = {finding.kind: finding.message for finding in findings if finding.severity == "error"}
    assert errors.keys() == {"stress-unit", "structure" if label in ("positions", "cell") else "malformed-label"}
    assert "opposite sign" in errors["stress-unit"]
