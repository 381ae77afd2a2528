"""`compute mlpot/uncertainty` on 1, 2 and 4 ranks gives the error bars, spreads and distances that ASE gives."""

from typing import NamedTuple

import numpy as np
import pytest
from lammps_systems import KCAL, boundary, boxed, read_dump, systems, write_data

import mlpot
from committees import random_deep, random_shallow
from mlpot import lammps
from mlpot.data import LabelledStructure
from mlpot.errors import EngineError
from mlpot.export import save_model
from mlpot.uncertainty.command import add_error_bars

pytestmark = pytest.mark.lammps

KINDS = {
    "one_layer": lambda: random_shallow(3),
    "messages": lambda: random_shallow(8, n_layers=2),
    "deep": lambda: random_deep(2, n_layers=2),
}


def labelled(seed, n=6):
    """Structures with random labels: the numbers matter to nobody, but error bars made of them are not one."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        atoms = boxed(6.0 * np.eye(3), 14, rng)
        found.append(LabelledStructure(atoms, energy=rng.normal(), forces=rng.normal(size=(14, 3))))
    return found


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory):
    """Model files of all kinds of committees, with a distance and a calibration."""
    folder = tmp_path_factory.mktemp("committees")
    for name, make in KINDS.items():
        save_model(folder / f"{name}.pt", make())
        add_error_bars(folder / f"{name}.pt", folder / f"{name}.pt", labelled(1), labelled(2))
    return folder


class Expected(NamedTuple):
    forces: np.ndarray
    distances: np.ndarray
    energy: float


def expected(path, atoms, ending="std"):
    """By the torch engine in ASE, which evaluates the scripted members one by one."""
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
    """Everything that one block printed."""
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
def answers(request, calibrated):
    """Model file, structures by name, what ASE says of them."""
    path, found = calibrated / f"{request.param}.pt", systems(seed=1)
    chosen = {name: found[name] for name in ("triclinic", "slab", "small_cell", "empty_corner")}
    return path, chosen, [expected(path, atoms) for atoms in chosen.values()]


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_lammps_equals_ase(tmp_path, answers, ranks):
    path, found, wanted = answers
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


def test_without_a_calibration_it_is_a_spread(tmp_path):
    path = tmp_path / "spread.pt"
    save_model(path, random_shallow(4))
    add_error_bars(path, path, labelled(1), None)
    atoms = systems(seed=3)["triclinic"]
    write_data(tmp_path / "t.data", atoms)
    result = lammps.run(
        BLOCK.format(name="t", model=path, boundary="p p p", units="metal"), ranks=2, directory=tmp_path
    )
    assert "4 members, not calibrated: only their spread, no error bar" in result.output
    check(result.thermo[0], read_dump(tmp_path / "t.dump"), expected(path, atoms, "spread"))


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
    """Structure without atoms that are too close, written where the scripts look for it."""
    atoms = boxed([[8.0, 0, 0], [1.9, 7.5, 0], [-1.2, 1.4, 7.8]], 12, np.random.default_rng(5))
    write_data(tmp_path / "start.data", atoms)
    return tmp_path


def test_steps_that_lammps_announced_and_others_give_the_same(start, calibrated):
    """Thermo output announces its steps; a fix that is not asked before its turn (every 7) does not."""
    script = MOVING.format(model=calibrated / "messages.pt") + (
        "compute u all mlpot/uncertainty\nthermo 6\nthermo_style custom step c_u c_u[1] c_u[2] pe\n"
        "thermo_modify format float %.17g\ndump 1 all custom 6 u.dump id c_u[1] c_u[2]\n"
        "dump_modify 1 format float %.17g\nvariable s equal c_u\nvariable e equal c_u[1]\n"
        'run 12 every 4 "print \\"late $(step) $(c_u:%.17g) $(c_u[1]:%.17g)\\""\n'
    )
    with pytest.raises(EngineError):
        lammps.run(script + "nonsense\n", ranks=2, directory=start)
