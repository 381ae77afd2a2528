"""Common commands of LAMMPS with the pair style: minimize, replicate, npt, restart, hybrid."""

import numpy as np
import pytest
from ase import Atoms
from lammps_systems import BAR, ELEMENTS, assert_close, boxed, read_dump, results_in_python, write_data

from mlpot import lammps
from mlpot.lammps import build_torch_engine
from mlpot.model_file.torchscript import load_model, save_model
from potentials import random_potential

pytestmark = pytest.mark.lammps

START = """
clear
units metal
box tilt large
read_data start.data
pair_style mlpot precision double
pair_coeff * * "{model}" H O Si
"""

OUTPUT = """
compute e all pe/atom
dump 1 all custom {every} {name}.dump id type x y z fx fy fz c_e
dump_modify 1 format float %.17g
thermo_style custom step pe xlo xhi ylo yhi zlo zhi xy xz yz temp pxx pyy pzz
thermo_modify format float %.17g
thermo {every}
"""


@pytest.fixture(scope="module")
def used(tmp_path_factory, deep_model_file):
    """Folder, tables by name, model and result of one process on two ranks that runs all commands."""
    folder = tmp_path_factory.mktemp("used")
    rng = np.random.default_rng(5)
    atoms = boxed([[6.5, 0, 0], [1.9, 6.0, 0], [-1.2, 1.4, 6.3]], 20, rng)
    write_data(folder / "start.data", atoms)
    parts = {
        "minimize": "minimize 0.0 0.0 10 40",
        "replicate": "replicate 2 1 2\nrun 0",
        "npt": "velocity all create 900 4 mom yes\ntimestep 0.0005\nneighbor 0.3 bin\n"
        "neigh_modify every 1 delay 0 check yes\nfix 1 all npt temp 900 900 0.05 tri 0 0 0.5\nrun 30",
        "whole": "velocity all create 300 4\ntimestep 0.0005\nfix 1 all nve\nrun 10\nwrite_restart ten.restart\nrun 10",
    }
    script = ""
    for name, commands in parts.items():
        every = {"npt": 30, "whole": 10}.get(name, 1)
        script += START.format(model=deep_model_file) + OUTPUT.format(name=name, every=every) + commands
    script += "\nclear\nread_restart ten.restart\n" + f'pair_coeff * * "{deep_model_file}" H O Si\n'
    script += OUTPUT.format(name="restart", every=10) + "timestep 0.0005\nfix 1 all nve\nrun 10\n"
    result = lammps.run(script, ranks=2, directory=folder)
    names = ["minimize", "replicate", "npt", "whole", "whole2", "restart"]
    return folder, dict(zip(names, result.thermo, strict=True)), load_model(deep_model_file, precision="double"), result


def last_frame(folder, name, table):
    """Last frame of a dump, in the last box of the table."""
    dump = read_dump(folder / f"{name}.dump")
    box = {key: values[-1] for key, values in table.items()}
    cell = [
        [box["Xhi"] - box["Xlo"], 0, 0],
        [box["Xy"], box["Yhi"] - box["Ylo"], 0],
        [box["Xz"], box["Yz"], box["Zhi"] - box["Zlo"]],
    ]
    symbols = [ELEMENTS[int(kind) - 1] for kind in dump["type"]]
    return dump, Atoms(symbols, np.stack([dump["x"], dump["y"], dump["z"]], 1), cell=cell, pbc=True)


@pytest.mark.parametrize("name", ["minimize", "replicate", "npt", "restart"])
def test_the_last_frame_has_the_energy_of_the_model(used, name):
    folder, tables, model, _ = used
    dump, atoms = last_frame(folder, name, tables[name])
    expected = results_in_python(model, atoms)
    assert_close(tables[name]["PotEng"][-1], expected.energies.sum())
    assert_close(dump["c_e"], expected.energies)
    assert_close(np.stack([dump["fx"], dump["fy"], dump["fz"]], 1), expected.forces)


def test_minimize_goes_down(used):
    energies = used[1]["minimize"]["PotEng"]
    assert energies[-1] < energies[0] - 0.1


def test_replicate_multiplies_the_energy(used):
    assert_close(used[1]["replicate"]["PotEng"][0], 4 * used[1]["minimize"]["PotEng"][0])


def test_npt_changes_the_box(used):
    table = used[1]["npt"]
    assert abs(table["Xhi"][-1] - table["Xhi"][0]) > 1e-5
    assert abs(table["Xy"][-1] - table["Xy"][0]) > 1e-5


def test_restart_keeps_the_settings(used):
    _, tables, _, result = used
    assert_close(tables["restart"]["PotEng"], np.array(tables["whole2"]["PotEng"]))
    assert result.output.count("precision double") == 5


HYBRID = """
clear
units metal
box tilt large
read_data start.data
pair_style {style}
{coefficients}
compute e all pe/atom
dump 1 all custom 1 {name}.dump id fx fy fz
dump_modify 1 format float %.17g
thermo_style custom step pe vol pxx pyy pzz
thermo_modify format float %.17g
run 0
"""


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_hybrid_overlay_adds_zbl_and_leaves_out_null(tmp_path, deep_model_file, engine):
    if engine == "torch":
        build_torch_engine.ensure()
    rng = np.random.default_rng(6)
    atoms = boxed([[6.5, 0, 0], [1.9, 6.0, 0], [-1.2, 1.4, 6.3]], 20, rng)
    write_data(tmp_path / "start.data", atoms)
    pairs = [(a, b) for a in (1, 2, 3) for b in range(a, 4)]
    charges = {1: 1, 2: 8, 3: 14}
    model = f'pair_coeff * * mlpot "{deep_model_file}" NULL O Si'
    zbl = [f"{a} {b} zbl {charges[a]} {charges[b]}" for a, b in pairs]
    coefficients = "\n".join([model, *(f"pair_coeff {line}" for line in zbl)])
    alone = "\n".join(f"pair_coeff {line.replace('zbl ', '')}" for line in zbl)
    script = HYBRID.format(style="zbl 3.0 4.5", coefficients=alone, name="zbl") + HYBRID.format(
        style=f"hybrid/overlay mlpot engine {engine} precision double zbl 3.0 4.5",
        coefficients=coefficients,
        name="both",
    )
    result = lammps.run(script, ranks=2, directory=tmp_path)
    kept = np.flatnonzero(atoms.numbers != 1)
    expected = results_in_python(load_model(deep_model_file, precision="double"), atoms[kept])
    alone, both = (read_dump(tmp_path / f"{name}.dump") for name in ("zbl", "both"))
    forces = np.stack([both[key] - alone[key] for key in ("fx", "fy", "fz")], 1)
    assert_close(forces[kept], expected.forces)
    assert_close(np.delete(forces, kept, 0), 0.0 * np.delete(forces, kept, 0))
    energy_zbl, energy = (table["PotEng"][0] for table in result.thermo)
    assert_close(energy - energy_zbl, expected.energies.sum())
    pressure = [result.thermo[1][key][0] - result.thermo[0][key][0] for key in ("Pxx", "Pyy", "Pzz")]
    assert_close(np.array(pressure) * result.thermo[0]["Volume"][0] / BAR, np.diag(expected.virial))


@pytest.fixture(scope="module")
def float32_model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "float32.pt"
    save_model(path, random_potential(atomic_numbers=(1, 8, 14), n_layers=2).float())
    return path


def test_a_float32_model_runs_in_mixed_precision_and_agrees(tmp_path, float32_model_file):
    atoms = boxed(6.0 * np.eye(3), 14, np.random.default_rng(8))
    write_data(tmp_path / "start.data", atoms)
    script = START.format(model=float32_model_file).replace(" precision double", "")
    result = lammps.run(script + OUTPUT.format(name="mixed", every=1) + "run 0\n", ranks=1, directory=tmp_path)
    assert "precision mixed" in result.output
    expected = results_in_python(load_model(float32_model_file), atoms)
    dump = read_dump(tmp_path / "mixed.dump")
    assert_close(np.stack([dump["fx"], dump["fy"], dump["fz"]], 1), expected.forces, tolerance=1e-5)
    assert_close(dump["c_e"], expected.energies, tolerance=1e-6)
