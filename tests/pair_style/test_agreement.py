"""LAMMPS on 1, 2 and 4 ranks gives the energies, forces, virials and per-atom values of the model in Python."""

import re

import numpy as np
import pytest
from lammps_systems import (
    ATMOSPHERES,
    BAR,
    KCAL,
    assert_close,
    boundary,
    boxed,
    from_voigt,
    read_dump,
    results_in_python,
    systems,
    write_data,
)

from mlpot import lammps
from mlpot.lammps import build_torch_engine
from mlpot.model_file.torchscript import load_model

pytestmark = pytest.mark.lammps

VOIGT = (0, 4, 8, 1, 2, 5)

BLOCK = """
clear
units {units}
boundary {boundary}
box tilt large
read_data {name}.data
pair_style mlpot engine {engine} precision double closest 0
pair_coeff * * "{model}" H O Si
compute e all pe/atom
compute v all stress/atom NULL virial
{centroid}
compute p all pressure NULL virial
dump 1 all custom 1 {name}-{label}.dump id fx fy fz c_e c_v[*] {centroid_columns}
dump_modify 1 format float %.17g
thermo_style custom step pe vol c_p[*]
thermo_modify format float %.17g
run 0
"""


def run_all(folder, models, atoms_of, ranks, units="metal", engine="native"):
    """One process of LAMMPS for all structures and models; thermo tables in that order."""
    script = ""
    for label, model in models.items():
        is_local = model.manifest.n_layers == 1
        for name, atoms in atoms_of.items():
            write_data(folder / f"{name}.data", atoms)
            script += BLOCK.format(
                name=name,
                label=label,
                model=model.path,
                boundary=boundary(atoms),
                units=units,
                engine=engine,
                centroid="compute c all centroid/stress/atom NULL virial" if is_local else "",
                centroid_columns="c_c[*]" if is_local else "",
            )
    return lammps.run(script, ranks=ranks, directory=folder)


def compare(folder, expected, result, energy=1.0, pressure=BAR):
    """Compare all output of LAMMPS with the results in Python: (label, name) -> Results."""
    for ((label, name), wanted), table in zip(expected.items(), result.thermo, strict=True):
        dump = read_dump(folder / f"{name}-{label}.dump")
        shares = per_atom_tensors(dump, "v", 6) / -pressure
        total = [table[f"c_p[{k + 1}]"][0] * table["Volume"][0] / pressure for k in range(6)]
        assert_close(table["PotEng"][0], energy * wanted.energies.sum())
        assert_close(dump["c_e"], energy * wanted.energies)
        assert_close(np.stack([dump["fx"], dump["fy"], dump["fz"]], 1), energy * wanted.forces)
        assert_close(total, energy * wanted.virial.ravel()[list(VOIGT)])
        assert_close(shares, energy * 0.5 * (wanted.shares + wanted.shares.transpose(0, 2, 1)))
        if "c_c[1]" in dump:
            centroid = per_atom_tensors(dump, "c", 9) / -pressure
            assert_close(centroid, energy * wanted.centroid)
            assert_close(centroid.sum(0), energy * wanted.virial)


def per_atom_tensors(dump, compute, n_columns):
    return from_voigt(np.stack([dump[f"c_{compute}[{k + 1}]"] for k in range(n_columns)], 1))


def all_results(models, atoms_of):
    return {
        (label, name): results_in_python(model, atoms)
        for label, model in models.items()
        for name, atoms in atoms_of.items()
    }


@pytest.fixture(scope="module")
def models(model_file, deep_model_file):
    return {
        "one": load_model(model_file, precision="double"),
        "two": load_model(deep_model_file, precision="double"),
    }


@pytest.fixture(scope="module")
def expected(models):
    return all_results(models, systems(seed=0))


@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps_equals_mlpot(ranks, tmp_path, models, expected):
    result = run_all(tmp_path, models, systems(seed=0), ranks)
    assert "with engine native " in result.output
    compare(tmp_path, expected, result)


@pytest.mark.parametrize(("engine", "ranks"), [("native", 4), ("torch", 2)])
def test_message_passing_on_many_ranks_and_with_torch(engine, ranks, tmp_path, models, expected):
    if engine == "torch":
        build_torch_engine.ensure()
    chosen = {name: systems(seed=0)[name] for name in ("triclinic", "small_cell", "empty_corner", "one_atom")}
    result = run_all(tmp_path, {"two": models["two"]}, chosen, ranks, engine=engine)
    assert f"with engine {engine} " in result.output
    compare(tmp_path, {("two", name): expected["two", name] for name in chosen}, result)
    if ranks == 4:
        assert re.search(r"Nlocal: +0.25 ave +1 max +0 min", result.output)


def test_units_real(tmp_path, models):
    deep = {"two": models["two"]}
    atoms_of = {"triclinic": systems(seed=7)["triclinic"]}
    result = run_all(tmp_path, deep, atoms_of, ranks=2, units="real")
    compare(tmp_path, all_results(deep, atoms_of), result, energy=KCAL, pressure=ATMOSPHERES)


def test_centroid_virials_give_the_heat_flux_of_a_local_model(models):
    """By finite differences: the rate of sum_i r_i (E_i + kinetic energy) is sum_i v_i E_i + W_i v_i."""
    atoms = boxed(5.0 * np.eye(3), 8, np.random.default_rng(3), pbc=False)
    velocities = np.random.default_rng(4).normal(size=(8, 3))
    step = 1e-4

    def moment(time):
        moved = atoms.copy()
        moved.positions += time * velocities
        return moved.positions.T @ (results_in_python(models["one"], moved).energies)

    rate = (8 * (moment(step) - moment(-step)) - (moment(2 * step) - moment(-2 * step))) / (12 * step)
    expected = results_in_python(models["one"], atoms)
    work = atoms.positions.T @ (expected.forces * velocities).sum(1)
    flux = velocities.T @ expected.energies + np.einsum("iab,ib->a", expected.centroid, velocities)
    assert_close(rate + work, flux, tolerance=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 14))
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_lammps_equals_mlpot_for_many_structures(ranks, seed, tmp_path, models):
    atoms_of = systems(seed)
    compare(tmp_path, all_results(models, atoms_of), run_all(tmp_path, models, atoms_of, ranks))
