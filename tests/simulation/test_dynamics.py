"""Molecular dynamics: conserved energy, temperature, restarts to the last bit, and runs that go wrong."""

import csv
import os
import signal

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.constraints import FixAtoms
from ase.io import read

import mlpot
from mlpot.errors import ConfigError, DataError, EngineError
from mlpot.simulation import MDSettings, run_md
from mlpot.simulation.integrators import start_velocities, temperature_of


@pytest.fixture
def silicon(model_file):
    def make():
        atoms = bulk("Si", cubic=True)
        atoms.calc = mlpot.MLPotCalculator(model_file)
        return atoms

    return make


def short(ensemble="nve", steps=20, **changes):
    return MDSettings(**({"ensemble": ensemble, "steps": steps, "temperature": 300.0, "interval": 5} | changes))


def test_velocity_verlet_conserves_the_energy(silicon, tmp_path):
    """The error of the integrator falls with the square of the time step, as for exact forces."""
    spreads = []
    for timestep in (2.0, 1.0, 0.5):
        steps = int(40 / timestep)
        name = tmp_path / f"{timestep}.xyz"
        result = run_md(silicon(), short(steps=steps, timestep=timestep, interval=1), name)
        with result.log.open(newline="") as file:
            spreads.append(np.ptp([float(line["conserved_energy"]) for line in csv.DictReader(file)]))
    assert abs(result.energy_drift) < 5e-4
    assert spreads[0] / spreads[1] == pytest.approx(4, rel=0.3)
    assert spreads[1] / spreads[2] == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize("ensemble", ["nvt", "npt"])
def test_thermostats_report_what_they_conserve(silicon, tmp_path, ensemble):
    result = run_md(silicon(), short(ensemble, steps=60, timestep=0.5, thermostat_time=20.0), tmp_path / "run.xyz")
    rows = list(csv.DictReader(result.log.read_text().splitlines()))
    conserved = np.array([float(row["conserved_energy"]) for row in rows])
    total = np.array([float(row["potential_energy"]) + float(row["kinetic_energy"]) for row in rows])
    assert np.ptp(conserved) < 0.05 * np.ptp(total)
    volumes = {row["volume"] for row in rows}
    assert (len(volumes) == 1) == (ensemble == "nvt")


@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
@pytest.mark.parametrize("suffix", [".xyz", ".traj"])
def test_a_restart_changes_nothing(silicon, tmp_path, ensemble, suffix):
    whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
    expected = run_md(silicon(), short(ensemble), whole)
    run_md(silicon(), short(ensemble, steps=12), parts)
    result = run_md(silicon(), short(ensemble), parts, restart=True)
    np.testing.assert_array_equal(result.atoms.positions, expected.atoms.positions)
    np.testing.assert_array_equal(result.atoms.get_momenta(), expected.atoms.get_momenta())
    np.testing.assert_array_equal(result.atoms.cell.array, expected.atoms.cell.array)
    assert result.log.read_text() == expected.log.read_text()
    frames, wanted = read(parts, ":"), read(whole, ":")
    assert len(frames) == len(wanted) == 5
    np.testing.assert_array_equal(frames[3].positions, wanted[3].positions)
    np.testing.assert_array_equal(frames[3].get_forces(), wanted[3].get_forces())


@pytest.mark.parametrize("suffix", [".xyz", ".traj"])
def test_frames_after_the_checkpoint_are_cut_off(silicon, tmp_path, suffix):
    """As after kill -9: the files are ahead of the checkpoint."""
    path = tmp_path / f"run{suffix}"
    first = run_md(silicon(), short(steps=7), path)
    checkpoint = first.checkpoint.read_bytes()
    run_md(silicon(), short(steps=16), path, restart=True)
    first.checkpoint.write_bytes(checkpoint)
    with first.log.open("a") as log:
        log.write("half a li")
    result = run_md(silicon(), short(), path, restart=True)
    assert [row.split(",")[0] for row in result.log.read_text().splitlines()] == ["step", "0", "5", "10", "15", "20"]
    assert len(read(path, ":")) == 5


def test_interrupted_runs_end_cleanly_and_go_on(silicon, tmp_path):
    path = tmp_path / "run.xyz"

    def interrupt(step):
        if step == 8:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    stopped = run_md(silicon(), short(), path, on_step=interrupt)
    assert stopped.interrupted
    assert stopped.steps == 8
    assert signal.getsignal(signal.SIGINT) is handler
    resumed = run_md(silicon(), short(), path, restart=True)
    whole = run_md(silicon(), short(), tmp_path / "whole.xyz")
    np.testing.assert_array_equal(resumed.atoms.positions, whole.atoms.positions)
    assert resumed.log.read_text() == whole.log.read_text()


def test_a_second_interrupt_stops_at_once(silicon, tmp_path):
    def interrupt(step):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_md(silicon(), short(), tmp_path / "run.xyz", on_step=interrupt)


def test_restart_with_something_else_is_refused(silicon, tmp_path, deep_model_file):
    path = tmp_path / "run.xyz"
    with pytest.raises(DataError, match="nothing to restart from"):
        run_md(silicon(), short(), path, restart=True)
    run_md(silicon(), short(steps=2), path)
    with pytest.raises(ConfigError, match="exists: continue that run"):
        run_md(silicon(), short(), path)
    with pytest.raises(ConfigError, match=r"`timestep` was 1.0 and is 2.0"):
        run_md(silicon(), short(timestep=2.0), path, restart=True)
    other = silicon()
    other.calc = mlpot.MLPotCalculator(deep_model_file)
    with pytest.raises(ConfigError, match="`model` was"):
        run_md(other, short(), path, restart=True)
    path.write_text("")
    with pytest.raises(DataError, match="shorter than at its checkpoint"):
        run_md(silicon(), short(), path, restart=True)


def test_an_explosion_stops_with_frames_on_disk(silicon, tmp_path):
    path = tmp_path / "run.xyz"
    atoms = silicon()
    atoms.positions[1] = atoms.positions[0] + [0.25, 0, 0]  # deep inside the core repulsion
    with pytest.raises(EngineError, match=r"stopped at step \d+.*(in one step|temperature)"):
        run_md(atoms, short(), path)
    bad, good = read(tmp_path / "run.failed.xyz"), read(tmp_path / "run.last-good.xyz")
    assert len(bad) == len(good) == 8
    assert not np.array_equal(bad.positions, good.positions)
    assert len(read(path, ":")) >= 1


def test_positions_that_are_not_numbers_stop_with_frames_on_disk(silicon, tmp_path):
    atoms = silicon()

    def spoil(step):
        if step == 3:
            momenta = atoms.get_momenta()
            momenta[4] = np.nan
            atoms.set_momenta(momenta)

    with pytest.raises(EngineError, match=r"stopped at step 4: .*finite.*atom 4"):
        run_md(atoms, short(), tmp_path / "run.xyz", on_step=spoil)
    assert np.isnan(read(tmp_path / "run.failed.xyz").positions[4]).all()
    assert np.isfinite(read(tmp_path / "run.last-good.xyz").positions).all()


def test_lost_atoms_stop_the_run_only_on_request(model_file, tmp_path):
    def flying():
        atoms = molecule("H2O", calculator=mlpot.MLPotCalculator(model_file))
        atoms.positions[1] = [0, 3.6, 0]
        atoms.positions[2] = [0, 0.9, -0.5]
        atoms.set_momenta([[0, 0, 0], [0, 2.0, 0], [0, 0, 0]])
        return atoms

    settings = short(steps=60, temperature=None, timestep=0.5)
    assert run_md(flying(), settings, tmp_path / "free.xyz").steps == 60
    watched = short(steps=60, temperature=None, timestep=0.5, lost_distance=3.5)
    with pytest.raises(EngineError, match=r"atom 1 \(H\) is lost: no neighbor within 3.5 A"):
        run_md(flying(), watched, tmp_path / "watched.xyz")


def test_velocities_have_the_temperature_and_no_drift(silicon):
    atoms = silicon()
    start_velocities(atoms, short("nvt", temperature=450.0), np.random.default_rng(1))
    assert temperature_of(atoms) == pytest.approx(450.0, rel=1e-12)
    np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0, atol=1e-12)
    assert atoms.get_kinetic_energy() == pytest.approx(1.5 * 7 * units.kB * 450, rel=1e-12)
    before = atoms.get_momenta()
    start_velocities(atoms, short("nvt", temperature=900.0), np.random.default_rng(1))
    np.testing.assert_allclose(atoms.get_momenta(), before, atol=1e-12)


def test_seeds_decide(silicon, tmp_path):
    ends = [run_md(silicon(), short("nvt", seed=s), tmp_path / f"{k}.xyz") for k, s in enumerate([1, 1, 2])]
    np.testing.assert_array_equal(ends[0].atoms.positions, ends[1].atoms.positions)
    assert not np.array_equal(ends[0].atoms.positions, ends[2].atoms.positions)


def test_fixed_atoms_stay(silicon, tmp_path):
    atoms = silicon()
    atoms.set_constraint(FixAtoms([0, 1, 2]))
    start = atoms.positions.copy()
    run_md(atoms, short("nvt"), tmp_path / "run.xyz")
    np.testing.assert_array_equal(atoms.positions[:3], start[:3])
    assert np.abs(atoms.positions[3:] - start[3:]).min() > 0
    with pytest.raises(ConfigError, match="no constraints"):
        run_md(atoms, short("npt"), tmp_path / "npt.xyz")


def test_global_random_state_is_left_alone(silicon, tmp_path):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    run_md(silicon(), short("nvt", steps=2), tmp_path / "run.xyz")
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ensemble": "nvt", "temperature": None}, "`temperature`.*must be given"),
        ({"ensemble": "nph"}, "`ensemble` must be one of"),
        ({"temperature": -3.0}, "above 0 K"),
        ({"timestep": 0.0}, "`timestep` must be above 0"),
        ({"interval": 0}, "`interval` must be above 0"),
        ({"steps": -1}, "`steps` >= 0"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ConfigError, match=message):
        short(**changes)


def test_systems_that_cannot_be_run_are_refused(model_file, tmp_path):
    calc = mlpot.MLPotCalculator(model_file)
    with pytest.raises(ConfigError, match="three periodic directions"):
        run_md(molecule("H2O", calculator=calc), short("npt"), tmp_path / "a.xyz")
    with pytest.raises(ConfigError, match="at least two atoms"):
        run_md(Atoms("H", calculator=calc), short("nvt"), tmp_path / "b.xyz")
    with pytest.raises(ConfigError, match="must carry a calculator"):
        run_md(molecule("H2O"), short(), tmp_path / "c.xyz")
    with pytest.raises(ConfigError, match="must end in one of"):
        run_md(molecule("H2O", calculator=calc), short(), tmp_path / "d.pdb")
