"""`compute mlpot/uncertainty` on 1, 2 and 4 ranks gives the error bars and distances of the ASE calculator."""

from typing import NamedTuple

import numpy as np
import pytest
from committees import random_deep, random_shallow, save_calibrated
from lammps_systems import KCAL, boundary, boxed, read_dump, systems, write_data

import mlpot
from mlpot import lammps
from mlpot.errors import EngineError
from potentials import random_potential

pytestmark = pytest.mark.lammps

KINDS = {
    "one_layer": lambda: random_shallow(3),
    "messages": lambda: random_shallow(4, n_layers=2),
    "deep": lambda: random_deep(2, n_layers=2),
}


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory):
    """Model files of all kinds of committees, with a random distance and calibration."""
    folder = tmp_path_factory.mktemp("committees")
    for name, make in KINDS.items():
        save_calibrated(folder / f"{name}.pt", make())
    return folder


class Expected(NamedTuple):
    forces: np.ndarray
    distances: np.ndarray
    energy: float


def expected(path, atoms, ending="std"):
    """Results of the torch engine in ASE, which evaluates the scripted members one by one."""
    atoms = atoms.copy()
    atoms.calc = mlpot.MLPotCalculator(path, precision="double", engine="torch")
    forces, energy = (atoms.calc.get_property(f"{name}_{ending}", atoms) for name in ("forces", "energy"))
    return Expected(forces, atoms.calc.get_property("feature_distance", atoms), energy)


BLOCK = """
clear
units {units}
boundary {boundary}
box tilt large
read_data {name}.data
pair_style mlpot precision double closest 0
pair_coeff * * "{model}" H O Si
group some type 1 3
compute u all mlpot/uncertainty
compute s some mlpot/uncertainty
dump 1 all custom 1 {name}.dump id type c_u[1] c_u[2] c_s[1] c_s[2]
dump_modify 1 format float %.17g
thermo_style custom step c_u c_u[1] c_u[2] c_u[3] c_s c_s[2] c_s[3]
thermo_modify format float %.17g
run 0
"""


def close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)


def check(table, dump, wanted, unit=1.0):
    """Compare all values that one block printed."""
    row = {key: values[0] for key, values in table.items()}
    close(dump["c_u[1]"], unit * wanted.forces)
    close(dump["c_u[2]"], wanted.distances)
    some = dump["type"] != 2
    close(dump["c_s[1]"], np.where(some, unit * wanted.forces, 0.0))
    close(dump["c_s[2]"], np.where(some, wanted.distances, 0.0))
    close(
        [row["c_u"], row["c_u[1]"], row["c_u[2]"]],
        [unit * wanted.forces.max(), unit * wanted.energy, wanted.distances.max()],
    )
    close(wanted.forces[int(row["c_u[3]"]) - 1], wanted.forces.max())
    if some.any():
        close([row["c_s"], row["c_s[2]"]], [unit * wanted.forces[some].max(), wanted.distances[some].max()])
        close(wanted.forces[int(row["c_s[3]"]) - 1], wanted.forces[some].max())


@pytest.fixture(scope="module", params=KINDS)
def reference(request, calibrated):
    """Model file, structures by name, their results in ASE."""
    path, found = calibrated / f"{request.param}.pt", systems(seed=1)
    chosen = {name: found[name] for name in ("triclinic", "slab", "small_cell", "empty_corner")}
    return path, chosen, [expected(path, atoms) for atoms in chosen.values()]


@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps_equals_ase(tmp_path, reference, ranks):
    check_all(tmp_path, reference, ranks)


@pytest.mark.parametrize("reference", ["messages"], indirect=True)
def test_lammps_on_four_ranks_equals_ase(tmp_path, reference):
    check_all(tmp_path, reference, ranks=4)


def check_all(tmp_path, reference, ranks):
    path, found, wanted = reference
    script = ""
    for name, atoms in found.items():
        write_data(tmp_path / f"{name}.data", atoms)
        script += BLOCK.format(name=name, model=path, boundary=boundary(atoms), units="metal")
    result = lammps.run(script, ranks=ranks, directory=tmp_path)
    assert "calibrated: error bars of the forces; feature distances" in result.output
    for name, table, of_ase in zip(found, result.thermo, wanted, strict=True):
        check(table, read_dump(tmp_path / f"{name}.dump"), of_ase)


def test_units_real(tmp_path, calibrated):
    path, atoms = calibrated / "messages.pt", systems(seed=2)["triclinic"]
    write_data(tmp_path / "t.data", atoms)
    result = lammps.run(BLOCK.format(name="t", model=path, boundary="p p p", units="real"), ranks=2, directory=tmp_path)
    check(result.thermo[0], read_dump(tmp_path / "t.dump"), expected(path, atoms), unit=KCAL)


def test_without_a_calibration_it_is_the_standard_deviation(tmp_path):
    path = tmp_path / "model.pt"
    save_calibrated(path, random_shallow(4), calibrated=False)
    atoms = systems(seed=3)["triclinic"]
    write_data(tmp_path / "t.data", atoms)
    result = lammps.run(
        BLOCK.format(name="t", model=path, boundary="p p p", units="metal"), ranks=2, directory=tmp_path
    )
    assert "4 members, not calibrated: standard deviations, no error bars" in result.output
    check(result.thermo[0], read_dump(tmp_path / "t.dump"), expected(path, atoms, "ensemble_std"))


MOVING = """
units metal
box tilt large
read_data start.data
pair_style mlpot precision double
pair_coeff * * "{model}" H O Si
velocity all create 900 4
timestep 0.0005
neighbor 0.4 bin
fix 1 all nve
"""


@pytest.fixture
def start(tmp_path):
    """Folder with the structure of the scripts, without atoms that are too close."""
    atoms = boxed([[8.0, 0, 0], [1.9, 7.5, 0], [-1.2, 1.4, 7.8]], 12, np.random.default_rng(5))
    write_data(tmp_path / "start.data", atoms)
    return tmp_path


TABLE = """
compute u all mlpot/uncertainty {options}
thermo {thermo}
thermo_style custom step c_u c_u[1] c_u[2] c_u[3] pe
thermo_modify format float %.17g
dump 1 all custom 1 u.dump id x y z
dump_modify 1 format float %.17g
"""


def columns(table):
    return np.array([table[key] for key in ("c_u", "c_u[1]", "c_u[2]", "c_u[3]", "PotEng")])


def test_values_that_are_not_announced_are_computed_when_requested(start, calibrated):
    """Thermo output announces a compute; a variable in `fix print` does not."""
    model = calibrated / "messages.pt"
    script = MOVING.format(model=model) + TABLE.format(options="", thermo=3) + "run 6\n"
    announced = columns(lammps.run(script, ranks=2, directory=start).thermo[0])
    script = (
        MOVING.format(model=model)
        + TABLE.format(options="", thermo=1000)
        + ('fix p all print 3 "late $(c_u:%.17g) $(c_u[1]:%.17g) $(c_u[2]:%.17g) $(c_u[3]:%.17g) $(pe:%.17g)"\nrun 6\n')
    )
    printed = [
        line.split()[1:]
        for line in lammps.run(script, ranks=2, directory=start).output.splitlines()
        if line.startswith("late ")
    ]
    np.testing.assert_array_equal(np.array(printed, dtype=float).T[:, -2:], announced[:, -2:])


def test_every_keeps_the_maxima_but_not_the_energy(start, calibrated):
    model = calibrated / "messages.pt"
    each, held = (
        columns(
            lammps.run(
                MOVING.format(model=model) + TABLE.format(options=options, thermo=1) + "run 6\nrun 4\n",
                ranks=2,
                directory=start,
            ).thermo[run]
        )
        for options, run in (("", 0), ("every 4", 0))
    )
    np.testing.assert_array_equal(held[[1, 4]], each[[1, 4]])
    np.testing.assert_array_equal(held[[0, 2, 3]], each[[0, 2, 3]][:, [0, 0, 0, 0, 4, 4, 4]])
    assert len(set(each[0])) == 7


def test_kept_values_are_less_than_every_steps_old(start, calibrated):
    """Requested in steps 0, 3, 6, 9, of which none but the first is a multiple of four."""
    each, held = (
        columns(
            lammps.run(
                MOVING.format(model=calibrated / "messages.pt") + TABLE.format(options=options, thermo=3) + "run 9\n",
                ranks=2,
                directory=start,
            ).thermo[0]
        )
        for options in ("", "every 4")
    )
    np.testing.assert_array_equal(held[[1, 4]], each[[1, 4]])
    np.testing.assert_array_equal(held[[0, 2, 3]], each[[0, 2, 3]][:, [0, 0, 2, 2]])


def test_a_single_model_is_refused(start, model_file):
    script = MOVING.format(model=model_file) + "compute u all mlpot/uncertainty\nrun 0\n"
    with pytest.raises(EngineError, match="requires a committee or a feature distance, and the model has neither"):
        lammps.run(script, ranks=1, directory=start)


def test_without_the_pair_style_it_is_refused(start):
    script = "units metal\nbox tilt large\nread_data start.data\npair_style zero 4.0\npair_coeff * *\n"
    with pytest.raises(EngineError, match="requires pair_style mlpot"):
        lammps.run(script + "compute u all mlpot/uncertainty\nrun 0\n", ranks=1, directory=start)


def test_the_compute_does_not_change_the_run(start, calibrated):
    """Energies are equal to the last bit."""
    model = calibrated / "messages.pt"
    with_it = MOVING.format(model=model) + TABLE.format(options="every 3", thermo=5) + "run 10\n"
    without = with_it.replace("c_u c_u[1] c_u[2] c_u[3] ", "")
    energies = [lammps.run(script, ranks=2, directory=start).thermo[0]["PotEng"] for script in (with_it, without)]
    assert energies[0] == energies[1]


def test_a_single_model_with_a_distance_has_no_atom_of_largest_sigma(start):
    save_calibrated(start / "distance.pt", random_potential(), calibrated=False)
    script = MOVING.format(model="distance.pt") + TABLE.format(options="", thermo=1) + "run 0\n"
    sigma, energy, distance, atom, _ = columns(lammps.run(script, ranks=1, directory=start).thermo[0])[:, 0]
    assert np.isnan([sigma, energy, atom]).all()
    assert distance > 0.0


@pytest.mark.parametrize(
    "change",
    [
        "create_atoms 2 single 0.1 0.2 0.3",
        "displace_atoms all random 0.1 0.1 0.1 5",
        "group one id 3\ndelete_atoms group one",
        "reset_timestep 7",
    ],
)
@pytest.mark.parametrize("use", ["print $(c_u)", "print $(c_u[1])", "write_dump all custom u.dump id c_u[1]"])
def test_atoms_that_were_changed_without_a_run_have_no_uncertainty(start, calibrated, change, use):
    begin = MOVING.format(model=calibrated / "one_layer.pt") + "compute u all mlpot/uncertainty every 5\nrun 2\n"
    lammps.run(begin + use, ranks=2, directory=start)
    with pytest.raises(EngineError, match="no uncertainties of the atoms as they are at step"):
        lammps.run(f"{begin}{change}\n{use}\n", ranks=2, directory=start)
