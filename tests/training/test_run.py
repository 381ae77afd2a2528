import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from emt_structures import emt_structures, small_config

from mlpot.config.train_file import read_train_config, write_train_config
from mlpot.errors import ConfigError, TrainingError
from mlpot.model import evaluate
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.torchscript import load_model
from mlpot.neighbors.matscipy import graph_from_atoms
from mlpot.training import train
from mlpot.training.checkpoint import CHECKPOINT_NAME, read_checkpoint
from mlpot.training.run import threads_of_run

CPU = torch.device("cpu")
LONG = {"epochs": 12, "lr": 0.05, "batch_atoms": 12, "precision": "float64"}
COMMAND = [sys.executable, "-m", "mlpot"]


def final(folder):
    return read_checkpoint(folder / CHECKPOINT_NAME, CPU)


def assert_equal_ends(folder, other):
    """Weights, averaged weights, optimizer and history of two runs are equal bit by bit."""
    first, second = final(folder), final(other)
    for part in ("weights", "average"):
        assert all(torch.equal(first[part][key], second[part][key]) for key in first[part])
    for one, another in zip(first["optimizers"], second["optimizers"], strict=True):
        for key, state in one["state"].items():
            assert all(torch.equal(state[name], another["state"][key][name]) for name in state)
    without_time = [
        [{k: v for k, v in r.items() if k != "time"} for r in c["state"]["history"]] for c in (first, second)
    ]
    assert without_time[0] == without_time[1]
    assert first["state"]["step"] == second["state"]["step"]


@pytest.fixture(scope="module")
def begun(data_file, tmp_path_factory):
    """Folder of a run that was stopped after its first step."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    assert train(small_config(data_file, folder, training=LONG), max_time=1e-6).steps == 1
    return folder


@pytest.fixture(scope="module")
def whole_run(data_file, begun, tmp_path_factory):
    """The same run continued without a break, and its result."""
    folder = shutil.copytree(begun, tmp_path_factory.mktemp("whole") / "run")
    return train(small_config(data_file, folder, training=LONG, run={"plots": True}), resume=True)


def test_folder_holds_everything(whole_run):
    names = {path.name for path in whole_run.folder.iterdir()}
    assert names == {
        "model.pt",
        "checkpoint.pt",
        "metrics.csv",
        "train.yaml",
        "summary.json",
        "learning_curve.png",
        "parity_validation.png",
    }
    with (whole_run.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(13))
    assert float(rows[-1]["forces_rmse_meV_per_A"]) == pytest.approx(whole_run.validation["forces_rmse"], rel=1e-5)
    assert whole_run.validation["forces_rmse"] < 0.7 * float(rows[0]["forces_rmse_meV_per_A"])


def test_model_file_is_the_averaged_potential(whole_run):
    loaded = load_model(whole_run.model, precision="double")
    average = final(whole_run.folder)["average"]
    scripted = dict(loaded.module.named_parameters())
    assert all(torch.equal(value, scripted[name].double()) for name, value in average.items() if value.numel())
    atoms = emt_structures(1, seed=9)[0]
    graph = graph_from_atoms(atoms, loaded.manifest.atomic_numbers, loaded.manifest.cutoff)
    assert torch.isfinite(evaluate(loaded.module, graph).forces).all()


def test_manifest_holds_the_summary_of_the_run(whole_run):
    training = load_model(whole_run.model).manifest.training
    assert training == json.loads((whole_run.folder / "summary.json").read_text())
    assert training["complete"]
    assert training["errors"]["validation"] == whole_run.validation
    assert training["n_structures"] == {"train": 24, "validation": 6}
    assert training["config"]["data"]["train"] == ["alloy.extxyz"]
    assert "run" not in training["config"]
    assert len(training["data_hash"]["train"]) == 64
    assert set(training["reference_energies"]) == {"Cu", "Au"}


def test_resolved_configuration_repeats_the_run(whole_run, data_file):
    config = read_train_config(whole_run.folder / "train.yaml")
    assert config.data.train[0].resolve() == data_file.resolve()
    assert config.run.output.resolve() == whole_run.folder
    assert config.training.epochs == 12


def test_a_stop_in_the_middle_and_a_resume_end_equal(whole_run, begun, data_file, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    config = small_config(data_file, folder, training=LONG)
    for _ in range(3):
        stopped = train(config, resume=True, max_time=0.05)
        assert "max-time" in stopped.stopped
        assert stopped.steps < whole_run.steps
    assert stopped.steps > 3
    assert train(config, resume=True).stopped is None
    assert_equal_ends(folder, whole_run.folder)


def test_killed_process_resumes_bit_equal(whole_run, begun, data_file, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    config = small_config(data_file, folder, training=LONG, run={"checkpoint_every": 0.001})
    write_train_config(config, folder / "train.yaml")
    process = start("train", folder, "--resume")
    try:
        wait_for(lambda: len((folder / "metrics.csv").read_text().splitlines()) > 3, process)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 1 < final(folder)["state"]["step"] < whole_run.steps
    train(config, resume=True)
    assert_equal_ends(folder, whole_run.folder)


def start(*arguments):
    return subprocess.Popen([*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE)


def wait_for(condition, process):
    deadline = time.monotonic() + 300
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()  # nothing may stay behind for the tests that follow
            raise RuntimeError(process.communicate()[1].decode())
        time.sleep(0.002)


def test_sigterm_finishes_the_step_and_prints_how_to_continue(data_file, tmp_path):
    config = small_config(data_file, tmp_path / "run", training={**LONG, "epochs": 5000})
    write_train_config(config, tmp_path / "config.yaml")
    process = start("train", tmp_path / "config.yaml")
    metrics = tmp_path / "run" / "metrics.csv"
    wait_for(lambda: metrics.exists() and len(metrics.read_text().splitlines()) > 2, process)
    process.send_signal(signal.SIGTERM)
    message = process.communicate()[1].decode()
    assert process.returncode == 75
    assert "stopped (signal SIGTERM)" in message
    assert "--resume" in message
    assert load_model(tmp_path / "run" / "model.pt").manifest.training["complete"] is False


def test_two_processes_do_the_same_as_one(whole_run, begun, data_file, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    write_train_config(small_config(data_file, folder, training=LONG, run={"devices": 2}), folder / "train.yaml")
    command = [*COMMAND, "train", str(folder), "--resume"]
    done = subprocess.run(command, check=False, capture_output=True, env=without_mpi(), text=True)
    assert done.returncode == 0, done.stderr
    one, two = final(whole_run.folder), final(folder)
    assert one["state"]["step"] == two["state"]["step"]
    for part in ("weights", "average"):
        for key, value in one[part].items():
            torch.testing.assert_close(two[part][key], value, rtol=0, atol=1e-10)
    assert two["state"]["history"][-1]["forces_rmse"] == pytest.approx(whole_run.validation["forces_rmse"], rel=1e-9)


def without_mpi():
    return {key: value for key, value in os.environ.items() if not key.startswith(("PMI_", "OMPI_", "SLURM_"))}


def test_resume_refuses_changed_settings(whole_run, data_file):
    config = small_config(data_file, whole_run.folder, training={**LONG, "lr": 0.001})
    with pytest.raises(TrainingError, match=r"training\.lr: 0\.05 -> 0\.001"):
        train(config, resume=True)


def test_resume_refuses_changed_data(whole_run, tmp_path):
    frames = emt_structures(30)
    for frame in frames:
        frame.calc.results["energy"] += 0.001
    ase.io.write(tmp_path / "alloy.extxyz", frames, format="extxyz")
    config = small_config(tmp_path / "alloy.extxyz", whole_run.folder, training=LONG)
    with pytest.raises(TrainingError, match="content of the train data"):
        train(config, resume=True)


def test_moved_data_resume(whole_run, data_file, tmp_path):
    (tmp_path / "other.extxyz").write_bytes(data_file.read_bytes())
    folder = shutil.copytree(whole_run.folder, tmp_path / "run")
    config = small_config(tmp_path / "other.extxyz", folder, training=LONG)
    assert train(config, resume=True).validation == whole_run.validation


def test_a_used_folder_is_not_overwritten(whole_run, data_file):
    with pytest.raises(TrainingError, match="holds a run already"):
        train(small_config(data_file, whole_run.folder, training=LONG))


def test_resume_requires_a_checkpoint(data_file, tmp_path):
    with pytest.raises(TrainingError, match="nothing to resume"):
        train(small_config(data_file, tmp_path / "none"), resume=True)


def test_test_files_are_scored_and_plotted(data_file, tmp_path):
    ase.io.write(tmp_path / "test.extxyz", emt_structures(4, seed=5), format="extxyz")
    data = {"test": str(tmp_path / "test.extxyz")}
    result = train(small_config(data_file, tmp_path / "run", data=data, run={"plots": True}))
    assert set(result.test) == {
        f"{label}_{kind}" for label in ("energy", "forces", "stress") for kind in ("rmse", "mae")
    }
    assert (tmp_path / "run" / "parity_test.png").exists()


def test_a_run_without_validation(data_file, tmp_path):
    result = train(small_config(data_file, tmp_path / "run", data={"validation": 0.0}))
    assert result.validation is None
    assert result.steps == 2 * 8


def test_a_batch_that_fails_is_saved(data_file, tmp_path):
    frames = ase.io.read(data_file, ":")
    frames[6].calc.results["stress"] = np.array([1e200, 0, 0, 0, 0, 0])  # finite, but not its square
    ase.io.write(tmp_path / "bad.extxyz", frames, format="extxyz")
    config = small_config(tmp_path / "bad.extxyz", tmp_path / "run", data={"validation": 0.0})
    with pytest.raises(TrainingError, match=r"loss inf.*failed_batch.extxyz"):
        train(config)
    frames = ase.io.read(tmp_path / "run" / "failed_batch.extxyz", ":")
    assert 0 < len(frames) < 24
    assert 1e200 in [frame.calc.results["stress"][0] for frame in frames if "stress" in frame.calc.results]
    assert all("index_in_training_set" in frame.info for frame in frames)


def test_cuda_without_a_device_is_refused(data_file, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ConfigError, match="no CUDA device"):
        train(small_config(data_file, tmp_path / "run", run={"device": "cuda"}))


def test_threads_are_the_share_of_a_rank(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MPI_LOCALNRANKS", "100000")
    monkeypatch.setenv("MPI_LOCALRANKID", "0")
    torch.set_num_threads(3)
    try:
        with threads_of_run(None):
            assert torch.get_num_threads() == 1
        with threads_of_run(2):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_number_of_threads_is_restored(data_file, tmp_path):
    before = torch.get_num_threads()
    train(small_config(data_file, tmp_path / "run", run={"threads": before + 1}))
    assert torch.get_num_threads() == before


@pytest.mark.gpu
def test_cuda_follows_the_cpu(data_file, tmp_path):
    results = [
        train(small_config(data_file, tmp_path / device, training=LONG, run={"device": device}))
        for device in ("cpu", "cuda")
    ]
    assert results[1].validation["forces_rmse"] == pytest.approx(results[0].validation["forces_rmse"], rel=1e-3)


def test_the_errors_of_the_summary_are_those_of_the_exported_model(tmp_path):
    """Dense structures held out: the density gate of the exported model acts on them."""
    frames = [atoms for atoms in emt_structures(12) if "forces" in atoms.calc.results]
    dense = []
    for atoms in frames[:3]:
        squeezed = atoms.copy()
        squeezed.set_cell(atoms.cell * 0.9, scale_atoms=True)
        squeezed.calc = SinglePointCalculator(squeezed, energy=0.0, forces=atoms.calc.results["forces"])
        dense.append(squeezed)
    ase.io.write(tmp_path / "train.extxyz", frames)
    ase.io.write(tmp_path / "dense.extxyz", dense)
    data = {"validation": str(tmp_path / "dense.extxyz")}
    config = small_config(tmp_path / "train.extxyz", tmp_path / "run", data=data, model={"n_layers": 2})
    result = train(config)
    exported = load_model(result.model)
    squares = [
        (exported.evaluate(graph_from_atoms(atoms, exported.manifest.atomic_numbers, exported.manifest.cutoff)).forces
         - torch.tensor(atoms.calc.results["forces"])).square().flatten()
        for atoms in dense
    ]  # fmt: skip
    expected = 1e3 * float(torch.cat(squares).mean().sqrt())
    assert result.validation["forces_rmse"] == pytest.approx(expected, rel=1e-6)


def test_train_attaches_a_shallow_committee(data_file, tmp_path):
    settings = {"committee": {"kind": "shallow", "members": 2}}
    result = train(small_config(data_file, tmp_path / "run", training=settings))
    assert read_manifest(result.model).committee.kind == "shallow"


def test_train_refuses_a_deep_committee(data_file, tmp_path):
    settings = {"committee": {"kind": "deep", "members": 2}}
    with pytest.raises(ConfigError, match="train_members"):
        train(small_config(data_file, tmp_path / "run", training=settings))


def test_nothing_is_printed_without_an_observer(data_file, tmp_path, capsys):
    train(small_config(data_file, tmp_path / "run", training={"epochs": 1}))
    assert capsys.readouterr() == ("", "")


def test_structures_in_memory_give_the_model_of_the_file(data_file, tmp_path):
    frames = ase.io.read(data_file, ":")
    from_file = train(small_config(data_file, tmp_path / "file"))
    config = small_config(data_file, tmp_path / "memory")
    config = config.model_copy(update={"data": config.data.model_copy(update={"train": []})})
    train(config, frames)
    for part in ("weights", "average"):
        first, second = final(from_file.folder)[part], final(tmp_path / "memory")[part]
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_validation_and_test_structures_may_be_in_memory(data_file, tmp_path):
    frames = ase.io.read(data_file, ":")
    result = train(small_config(data_file, tmp_path / "run"), frames[:20], validation=frames[20:25], test=frames[25:])
    summary = json.loads((result.folder / "summary.json").read_text())
    assert summary["n_structures"] == {"train": 20, "validation": 5}
    assert result.test is not None


def test_a_run_without_data_is_refused(data_file, tmp_path):
    with pytest.raises(ConfigError, match="no training data"):
        train(small_config(data_file, tmp_path / "run", data={"train": []}))


def test_a_model_without_its_committee_is_saved_where_the_committee_fails(data_file, tmp_path):
    """Without labelled forces there is no shallow committee; the trained model is not lost."""
    frames = ase.io.read(data_file, ":")
    for frame in frames:
        frame.calc = SinglePointCalculator(frame, energy=frame.get_potential_energy())
    config = small_config(data_file, tmp_path / "run", training={"committee": {"kind": "shallow", "members": 2}})
    with pytest.raises(TrainingError, match="no labelled forces"):
        train(config, frames)
    assert read_manifest(tmp_path / "run" / "model.pt").committee is None
