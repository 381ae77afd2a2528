"""Options, structures, inputs of LAMMPS, and what is read from its output."""

import itertools
import math

import numpy as np
import pytest
from ase.build import bulk, molecule
from hypothesis import given
from hypothesis import strategies as st

from mlpot import lammps
from mlpot.benchmark.settings import SCALING_ATOMS, Settings
from mlpot.benchmark.styles import input_script, style_commands
from mlpot.benchmark.systems import RATTLE, crystal, read_system, write_ase, write_lammps
from mlpot.benchmark.worker import read_loop
from mlpot.errors import ConfigError, DataError, EngineError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"presets": ("quick",)}, "`preset` must be one of fast, balanced, accurate, max, got 'quick'"),
        ({"engines": ("native", "cuda")}, "`engine` must be one of native, torch, got 'cuda'"),
        ({"precision": "single"}, "`precision` must be one of mixed, double"),
        ({"peers": ("lj",)}, "`peers` must be one of all, none, sw"),
        ({"atoms": (64, 0)}, "`atoms` must be positive, got 0"),
        ({"rounds": 0}, "`rounds` must be positive"),
        ({"seconds": float("nan")}, "`seconds` must be positive"),
        ({"elements": ("Si",), "structure": "x.xyz"}, "give `elements` or `structure`"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Settings(**options)


def test_defaults():
    settings = Settings()
    assert settings.chosen_presets() == ("fast", "balanced", "accurate", "max")
    assert settings.chosen_atoms() == (4096,)
    assert settings.parallel() == [(1, 1)]
    assert {"sw", "tersoff", "snap-2j8", "mace-medium"} <= set(settings.chosen_peers())
    assert Settings(models=("x.pt",)).chosen_presets() == ()
    assert Settings(peers=("none",)).chosen_peers() == ()


def test_scaling_compares_ranks_and_threads_one_by_one():
    settings = Settings(scaling=True)
    assert settings.parallel() == [(1, 1), (2, 1), (1, 2)]
    assert settings.chosen_atoms() == SCALING_ATOMS
    assert settings.chosen_peers() == ()
    assert Settings(ranks=(1, 2), threads=(1, 2)).parallel() == [(1, 1), (1, 2), (2, 1), (2, 2)]


@given(st.integers(1, 600))
def test_crystals_are_nearly_cubic_and_of_the_requested_size(n_cells):
    system = crystal(("Si",), 8 * n_cells)
    lengths = system.atoms.cell.lengths() / 5.431
    numbers = np.rint(lengths).astype(int)
    np.testing.assert_allclose(lengths, numbers, rtol=1e-12)
    assert numbers.max() - numbers.min() <= 1
    base = numbers.min()
    others = itertools.combinations_with_replacement((base, base + 1), 3)
    assert abs(math.prod(numbers) - n_cells) == min(abs(math.prod(other) - n_cells) for other in others)
    assert len(system.atoms) == 8 * math.prod(numbers)


def test_silicon_has_28_neighbors_and_is_rattled():
    system = crystal(("Si",), 512)
    assert system.neighbors(5.0) == 28.0
    displacements = system.atoms.positions - bulk("Si", a=5.431, cubic=True).repeat(4).positions
    assert displacements.std() == pytest.approx(RATTLE, rel=0.1)


def test_several_elements_share_the_sites_at_random():
    system = crystal(("H", "O"), 1000)
    symbols = np.array(system.atoms.get_chemical_symbols())
    assert (symbols == "H").sum() == (symbols == "O").sum() == 500
    assert (symbols[:-1] == symbols[1:]).mean() == pytest.approx(0.5, abs=0.1)
    assert len(system.atoms) / system.atoms.cell.volume == pytest.approx(0.1, rel=0.1)  # water: 0.100 A^-3


@pytest.mark.parametrize("elements", [(), ("Xx",), ("X",), ("Si", "Si")])
def test_elements_that_do_not_exist_are_refused(elements):
    with pytest.raises(ConfigError, match="different chemical symbols"):
        crystal(elements, 64)


def test_structures_are_read_and_repeated(tmp_path):
    write_ase(crystal(("Ga", "As"), 64), tmp_path / "crystal.traj")
    system = read_system(tmp_path / "crystal.traj", 500)
    assert len(system.atoms) == 512
    assert set(system.elements) == {"Ga", "As"}
    molecule("H2O").write(tmp_path / "molecule.xyz")
    assert (read_system(tmp_path / "molecule.xyz").atoms.cell.lengths() >= 20.0).all()
    with pytest.raises(DataError, match="not periodic in three directions, so it cannot be repeated to 500"):
        read_system(tmp_path / "molecule.xyz", 500)
    with pytest.raises(DataError, match="cannot be read as a structure"):
        read_system(tmp_path / "nothing.xyz")


@pytest.mark.lammps
@pytest.mark.parametrize("name", ["sw", "tersoff", "snap-2j8", "snap-2j6"])
@pytest.mark.parametrize("omp_threads", [1, 2])
def test_styles_run_and_the_last_loop_is_read(tmp_path, name, omp_threads):
    """The first run is the warm-up; both programs get the same atoms."""
    system = crystal(("Si",), 64)
    write_lammps(system, tmp_path / "si.data")
    pair = style_commands(name, system.elements, tmp_path)
    script = input_script(pair, tmp_path / "si.data", system.atoms.pbc, 3, 2, omp_threads)
    result = lammps.run(script, ranks=1, threads=omp_threads, directory=tmp_path)
    assert "for 3 steps with 64 atoms" in result.output
    (last,) = [line for line in result.output.splitlines() if "for 2 steps with 64 atoms" in line]
    answer = read_loop(result.output)
    assert answer["seconds_per_step"] == float(last.split()[3]) / 2
    assert answer["engine"] == ""
    assert answer["version"].startswith("2")
    assert result.thermo[0]["Temp"][0] == pytest.approx(300.0)
    total = [energy for table in result.thermo for energy in table["TotEng"]]
    assert max(total) - min(total) < 0.02  # eV, of 64 atoms: the timestep is small enough


def test_two_elements_are_no_matter_for_snap_but_for_tersoff(tmp_path):
    pair = style_commands("snap-2j6", ("Ga", "As"), tmp_path)
    assert pair[1].endswith('.snapparam" Ga As')
    assert (tmp_path / "6.snapcoeff").read_text().splitlines()[2] == "2 31"
    with pytest.raises(EngineError, match="those of Si, the system has Ga As"):
        style_commands("tersoff", ("Ga", "As"), tmp_path)


def test_loop_of_a_run_of_mlpot_is_read():
    output = (
        "LAMMPS (22 Jul 2025 - Update 4)\n"
        "Pair style mlpot runs /a b/x.pt with engine native (avx512), precision mixed, device cpu; 2 layers\n"
        "Loop time of 9.5 on 2 procs for 1 steps with 512 atoms\nNeighbor list builds = 7\n"
        "Loop time of 0.25 on 2 procs for 50 steps with 512 atoms\nNeighbor list builds = 3\n"
    )
    assert read_loop(output) == {
        "seconds_per_step": 0.005,
        "engine": "native (avx512)",
        "precision": "mixed",
        "version": "22 Jul 2025 - Update 4",
        "list_builds": 3,
    }
