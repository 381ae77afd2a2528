"""`mlpot.Guard`: runs of ASE stop where the potential fails or is uncertain, and the frames are written."""

import copy
import gc
import pickle
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.data import covalent_radii
from ase.io import read
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from committees import random_shallow, save_calibrated
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import structures

import mlpot
from mlpot.data import LabelledStructure
from mlpot.errors import ConfigError, DataError, EngineError, UncertaintyError
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.torchscript import save_model
from mlpot.neighbors.matscipy import neighbor_list
from mlpot.neighbors.overlap import OverlapSearch
from mlpot.simulation import MDSettings, run_md
from mlpot.uncertainty.error_bars import add_error_bars


@pytest.fixture(scope="module")
def committee(tmp_path_factory):
    """Calibrated committee with random weights."""
    path = tmp_path_factory.mktemp("committee") / "model.pt"
    save_model(path, random_shallow(4))
    parts = []
    for seed in (1, 2):
        rng = np.random.default_rng(seed)
        frames = [rattled(seed=k) for k in range(seed, seed + 8, 2)]
        parts.append([LabelledStructure(atoms, 0.0, rng.normal(size=(8, 3))) for atoms in frames])
    add_error_bars(ModelBundle.read(path), *parts).save(path)
    return path


def rattled(seed=0):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=seed)
    return atoms


@pytest.fixture
def silicon(committee, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def make(path=committee):
        atoms = rattled(seed=3)
        atoms.calc = mlpot.MLPotCalculator(path)
        atoms.set_momenta(np.random.default_rng(0).normal(size=(8, 3)) * 2.0)
        return atoms

    return make


def dynamics(atoms, guard):
    driver = VelocityVerlet(atoms, 0.5 * units.fs)
    driver.attach(guard)
    return driver


def largest_sigmas(make, steps):
    atoms, found = make(), []
    driver = VelocityVerlet(atoms, 0.5 * units.fs)
    for _ in driver.irun(steps):
        found.append(atoms.calc.get_property("forces_std", atoms).max())
    return np.array(found)


def test_halts_above_the_limit_with_the_frame_on_disk(silicon, tmp_path):
    found = largest_sigmas(silicon, 12)
    limit = float(found.max() * (1 - 1e-9))
    atoms = silicon()
    guard = mlpot.Guard(atoms, max_sigma=limit, every=1)
    with pytest.raises(UncertaintyError, match=rf"call {found.argmax()}: atom \d \(Si at .*has forces_std .* eV/A"):
        dynamics(atoms, guard).run(100)
    frame = read(tmp_path / "mlpot.uncertain.xyz")
    np.testing.assert_allclose(frame.positions, atoms.positions, atol=1e-7)
    np.testing.assert_allclose(frame.get_momenta(), atoms.get_momenta(), atol=1e-7)
    np.testing.assert_allclose(frame.get_forces(), atoms.get_forces(), atol=1e-7)
    sigma = atoms.calc.get_property("forces_std", atoms)
    np.testing.assert_allclose(frame.arrays["forces_std"], sigma, rtol=1e-6)
    np.testing.assert_array_equal(frame.arrays["uncertain"], sigma > limit)
    assert frame.arrays["feature_distance"].shape == (8,)
    assert guard.n_events == 1
    assert guard.max_seen["forces_std"] == pytest.approx(found.max(), rel=1e-12)


def test_dump_goes_on_and_every_is_kept(silicon, tmp_path):
    found = largest_sigmas(silicon, 12)
    limit = float(np.median(found))
    atoms = silicon()
    guard = mlpot.Guard(atoms, max_sigma=limit, every=3, action="dump", file="d.xyz")
    dynamics(atoms, guard).run(12)
    expected = [k for k in range(0, 13, 3) if found[k] > limit]
    assert [frame.info["call"] for frame in read(tmp_path / "d.xyz", ":")] == expected
    assert guard.n_events == len(expected) > 0


def test_warn_only_warns(silicon, tmp_path, caplog):
    atoms = silicon()
    guard = mlpot.Guard(atoms, max_distance=1e-6, every=2, action="warn")
    dynamics(atoms, guard).run(4)
    assert guard.n_events == 3
    assert sum("8 uncertain atoms" in record.message for record in caplog.records) == 3
    assert not list(tmp_path.iterdir())


def test_the_run_is_not_changed_by_being_watched(silicon):
    ends = []
    for every in (None, 2):
        atoms = silicon()
        driver = VelocityVerlet(atoms, 0.5 * units.fs)
        if every:
            driver.attach(mlpot.Guard(atoms, max_sigma=1e9, every=every))
        driver.run(10)
        ends.append(atoms.positions)
    np.testing.assert_array_equal(*ends)


def pushed_together(model):
    """Two silicon atoms that fly into each other with 40 A/ps, inside of a crystal."""
    atoms = rattled()
    atoms.calc = mlpot.MLPotCalculator(model)
    direction = atoms.get_distance(0, 1, vector=True, mic=True)
    direction /= np.linalg.norm(direction)
    momenta = np.zeros((8, 3))
    momenta[0], momenta[1] = 400 * direction, -400 * direction
    atoms.set_momenta(momenta)
    return atoms


def test_two_atoms_squeezed_together_stop_the_run(model_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    atoms = pushed_together(model_file)
    limit = covalent_radii[14]
    with pytest.raises(EngineError, match=rf"atoms 0 \(Si\) and 1 \(Si\) are [01]\..*closer than {limit:.4f} A"):
        dynamics(atoms, mlpot.Guard(atoms)).run(500)
    failed, good = read("mlpot.failed.xyz"), read("mlpot.last-good.xyz")
    assert failed.get_distance(0, 1, mic=True) < limit <= good.get_distance(0, 1, mic=True)
    again = good.copy()
    again.calc = mlpot.MLPotCalculator(model_file)
    np.testing.assert_allclose(good.get_forces(), again.get_forces(), atol=1e-4)
    assert np.abs(good.get_momenta()).max() > 1


def test_run_md_stops_in_the_same_way(model_file, tmp_path):
    atoms = pushed_together(model_file)
    with pytest.raises(EngineError, match=r"stopped at step \d+: atoms 0 \(Si\) and 1 \(Si\) are"):
        run_md(atoms, MDSettings("nve", 500, timestep=0.5), tmp_path / "run.xyz")
    failed, good = read(tmp_path / "run.failed.xyz"), read(tmp_path / "run.last-good.xyz")
    assert failed.get_distance(0, 1, mic=True) < covalent_radii[14] <= good.get_distance(0, 1, mic=True)


def test_run_md_stops_above_the_error_bar(silicon, tmp_path):
    limit = largest_sigmas(silicon, 0)[0] * 0.99
    with pytest.raises(EngineError, match=r"stopped at step \d+: atom \d .*has forces_std"):
        run_md(silicon(), MDSettings("nve", 50, timestep=0.5, interval=5, max_sigma=limit), tmp_path / "run.xyz")
    assert len(read(tmp_path / "run.failed.xyz")) == 8
    settings_ = MDSettings("nve", 10, timestep=0.5, interval=5, max_sigma=1e9)
    assert run_md(silicon(), settings_, tmp_path / "fine.xyz").steps == 10


class Spoiled:
    """Observer that makes one momentum infinite."""

    def __init__(self, atoms, step):
        self.atoms, self.step, self.calls = atoms, step, 0

    def __call__(self):
        self.calls += 1
        if self.calls == self.step:
            momenta = self.atoms.get_momenta()
            momenta[4] = np.inf
            self.atoms.set_momenta(momenta)


def test_an_evaluation_that_fails_inside_of_a_step_leaves_the_frames(silicon):
    atoms = silicon()
    driver = dynamics(atoms, mlpot.Guard(atoms))
    driver.attach(Spoiled(atoms, 4))
    with np.errstate(invalid="ignore"), pytest.raises(EngineError, match=r"guard stops the run: .*finite.*atom 4"):
        driver.run(20)
    assert not np.isfinite(read("mlpot.failed.xyz").positions[4]).any()
    good = read("mlpot.last-good.xyz")
    assert np.isfinite(good.positions).all()
    assert np.isfinite(good.get_forces()).all()


def test_an_unknown_element_leaves_the_frames(silicon):
    atoms = silicon()
    guard = mlpot.Guard(atoms)
    guard()
    atoms.numbers[2] = 32
    with pytest.raises(EngineError, match=r"got atoms of Ge, which it was not trained on.*mlpot\.last-good\.xyz"):
        BFGS(atoms, logfile=None).run(0.01, 3)
    assert read("mlpot.failed.xyz").symbols[2] == "Ge"


OUT_OF_MEMORY = """
import resource, sys
from ase.build import bulk
import mlpot

small = bulk("Si", cubic=True)
small.calc = mlpot.MLPotCalculator(sys.argv[1], engine="native")
small.get_forces()
atoms = small * 27
atoms.calc = small.calc
guard = mlpot.Guard(atoms)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 40_000_000, -1))
atoms.get_forces()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_a_lack_of_memory_stops_the_run(model_file, tmp_path):
    """In a process that may not have more than it has: 157,464 atoms do not fit."""
    command = [sys.executable, "-c", OUT_OF_MEMORY, str(model_file)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "not enough memory for 157464 atoms" in result.stderr
    assert "guard stops the run" in result.stderr
    assert len(read(tmp_path / "mlpot.failed.xyz")) == 157464


def test_the_first_frame_may_be_the_one_that_fails(silicon):
    atoms = silicon()
    atoms.positions[1] = atoms.positions[0] + [0.2, 0, 0]
    with pytest.raises(EngineError, match="it is the first one"):
        dynamics(atoms, mlpot.Guard(atoms)).run(5)


def test_the_guard_of_the_last_part_of_a_run_leaves_the_frames(silicon):
    atoms = silicon()
    parts = [dynamics(atoms, mlpot.Guard(atoms)), dynamics(atoms, mlpot.Guard(atoms))]
    parts[0].run(2)
    parts[1].run(3)
    last = atoms.positions.copy()
    atoms.positions[0, 0] = np.nan
    with pytest.raises(EngineError, match="the guard stops the run"):
        atoms.get_potential_energy()
    np.testing.assert_allclose(read("mlpot.last-good.xyz").positions, last, atol=1e-6)


def test_an_element_that_was_not_in_the_training_set_has_no_bound_on_its_error(silicon, tmp_path):
    save_calibrated(tmp_path / "model.pt", random_shallow(4), known={0})
    atoms = silicon(tmp_path / "model.pt")
    assert np.isposinf(atoms.calc.get_property("forces_std", atoms)).all()
    guard = mlpot.Guard(atoms, max_sigma=100.0, every=1, action="dump")
    dynamics(atoms, guard).run(2)
    assert guard.n_events == 3
    assert read("mlpot.uncertain.xyz").arrays["uncertain"].all()


def test_a_limit_of_zero_is_refused(silicon):
    with pytest.raises(ConfigError, match="must be above 0"):
        run_md(silicon(), MDSettings("nve", 5, max_sigma=0.0), "run.xyz")


def test_copies_of_a_calculator_are_not_watched(silicon):
    atoms = silicon()
    guard = mlpot.Guard(atoms)
    assert len(atoms.calc.failure_hooks) == 1
    assert not copy.deepcopy(atoms.calc).failure_hooks
    assert not pickle.loads(pickle.dumps(atoms.calc)).failure_hooks
    guard.detach()


def test_what_makes_no_sense_is_refused(silicon, model_file):
    atoms = silicon()
    with pytest.raises(ConfigError, match="must carry a calculator of mlpot"):
        mlpot.Guard(rattled())
    with pytest.raises(ConfigError, match="`action` must be one of"):
        mlpot.Guard(atoms, max_sigma=1.0, action="stop")
    with pytest.raises(ConfigError, match="`every` must be at least 1"):
        mlpot.Guard(atoms, every=0)
    with pytest.raises(ConfigError, match="limit of forces_std must be above 0"):
        mlpot.Guard(atoms, max_sigma=-1.0)
    with pytest.raises(ConfigError, match="`closest` must be between 0 and 1"):
        mlpot.Guard(atoms, closest=2.0)
    with pytest.raises(ConfigError, match="the model has no forces_ensemble_std"):
        mlpot.Guard(silicon(model_file), max_sigma=1.0)


@settings(max_examples=60)
@given(structures(), st.floats(0.1, 1.0))
def test_overlaps_are_those_of_a_fresh_neighbor_list(atoms, closest):
    search = OverlapSearch(closest)
    for _ in range(3):
        i, j, vectors, _ = neighbor_list(atoms, 2.5)
        ratios = np.linalg.norm(vectors, axis=1) / (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]])
        found = search.find(atoms)
        if not len(ratios) or ratios.min() >= closest:
            assert found is None
        else:
            assert found.distance / found.limit == pytest.approx(ratios.min() / closest, rel=1e-12)
        atoms.rattle(0.1, seed=len(atoms))


def test_atoms_at_one_place_are_refused_by_the_search():
    with pytest.raises(DataError, match="at the same place"):
        OverlapSearch().find(Atoms("H2", [[0, 0, 0], [0, 0, 0]]))


def test_a_guard_that_is_gone_leaves_no_hook(model_file):
    atoms = bulk("Si")
    atoms.calc = mlpot.load(model_file)
    for _ in range(3):
        mlpot.Guard(atoms)
    gc.collect()
    assert atoms.calc.failure_hooks == []
    guard = mlpot.Guard(atoms)
    assert len(atoms.calc.failure_hooks) == 1
    guard.detach()
    assert atoms.calc.failure_hooks == []
    del guard  # and not once more
