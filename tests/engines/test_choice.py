"""Choice of the engine and of its threads, and the log of it."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

import mlpot
from mlpot import _native
from mlpot.engines.native import NativeEngine
from mlpot.engines.opening import open_engine
from mlpot.errors import EngineError, ModelFileError


@pytest.fixture
def without_native(monkeypatch):
    """What a folder on the path is that was not installed: Python without the compiled module."""
    monkeypatch.setitem(sys.modules, "mlpot._native", None)


def messages(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "mlpot"]


def test_the_engine_is_chosen_by_device_and_name(model_file):
    assert isinstance(mlpot.MLPotCalculator(model_file).engine, NativeEngine)
    assert not isinstance(mlpot.MLPotCalculator(model_file, engine="torch").engine, NativeEngine)
    with pytest.raises(EngineError, match="runs on the cpu"):
        open_engine(model_file, "native", device="cuda")
    with pytest.raises(EngineError, match="must be native or torch"):
        open_engine(model_file, "tensorflow")
    with pytest.raises(ModelFileError, match="precision must be mixed or double, got half"):
        NativeEngine(model_file, "half")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, [": native engine (", "), double precision, 1 thread"]),
        ({"precision": "mixed", "threads": 3}, [": native engine (", "), mixed precision, 3 threads"]),
        ({"engine": "torch"}, [": torch engine (", ", cpu), double precision, "]),
    ],
)
def test_the_engine_is_logged_once(model_file, caplog, monkeypatch, options, words):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with caplog.at_level(logging.INFO, logger="mlpot"):
        calc = mlpot.MLPotCalculator(model_file, **options)
        calc.get_forces(bulk("Si"))
    [message] = [message for level, message in messages(caplog) if level == "INFO"]
    assert message.startswith(str(model_file))
    assert all(word in message for word in words), message
    assert message.endswith(calc.engine.description)


def test_nothing_is_printed_without_a_log_level(model_file):
    code = f"import mlpot; mlpot.load({str(model_file)!r})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_torch_in_the_place_of_the_native_engine_is_warned_of(model_file, caplog, without_native):
    atoms = bulk("Si")
    atoms.rattle(0.1, seed=0)
    with caplog.at_level(logging.INFO, logger="mlpot"):
        calc = mlpot.MLPotCalculator(model_file)
        forces = calc.get_forces(atoms)
        calc.get_stress(atoms)
    (first, warning), (second, _) = messages(caplog)
    assert (first, second) == ("WARNING", "INFO")
    assert "native engine of mlpot is not found" in warning
    assert "install mlpot with pip" in warning
    assert calc.engine.description.startswith("torch engine")
    assert np.abs(forces).max() > 0
    caplog.clear()
    mlpot.MLPotCalculator(model_file, engine="torch")  # as requested
    assert not [message for level, message in messages(caplog) if level == "WARNING"]
    with pytest.raises(EngineError, match="native engine of mlpot is not found"):
        mlpot.MLPotCalculator(model_file, engine="native")


def test_the_native_engine_needs_no_torch(model_file):
    code = (
        "import sys, mlpot; from ase.build import bulk; import mlpot.simulation; "
        f"calc = mlpot.load({str(model_file)!r}, precision='mixed'); calc.get_stresses(bulk('Si')); "
        "calc.get_virial(bulk('Si')); print([name for name in ('torch', 'e3nn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_impossible_threads_are_refused(model_file):
    with pytest.raises(EngineError, match="`threads` must be at least 1, got 0"):
        mlpot.MLPotCalculator(model_file, threads=0)
    with pytest.raises(EngineError, match="for the native engine"):
        mlpot.MLPotCalculator(model_file, engine="torch", threads=2)


def test_a_clone_finds_the_engine_of_the_installed_package(model_file, tmp_path):
    """Python that is started in a clone imports the source folder, which has no compiled engine."""
    clone, installed = tmp_path / "clone", tmp_path / "site"
    source = Path(mlpot.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "_native*")
    shutil.copytree(source, clone / "mlpot", ignore=ignored)
    (installed / "mlpot").mkdir(parents=True)
    shutil.copy(_native.__file__, installed / "mlpot")
    information = installed / f"mlpot-{mlpot.__version__}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mlpot\nVersion: {mlpot.__version__}\n")
    code = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in type(f).__module__]; "
        f"import mlpot; print(mlpot.__file__, mlpot.load({str(model_file)!r}).engine.name)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(clone), str(installed)])}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=clone)
    assert done.stdout.startswith(f"{clone / 'mlpot' / '__init__.py'} native (")
