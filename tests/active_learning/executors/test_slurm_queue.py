"""Submission of jobs to Slurm."""

import os
import subprocess

from labelling import rattled_copper

from mlpot.active_learning.calculation.files import read_json
from mlpot.active_learning.calculation.task import Task, write_task
from mlpot.active_learning.config import ExecutorSettings, LabelSettings
from mlpot.active_learning.executors.slurm_queue import submit


def test_a_job_imports_modules_from_the_folder_of_the_driver(tmp_path, monkeypatch):
    place, commands = tmp_path / "project", tmp_path / "bin"
    place.mkdir()
    commands.mkdir()
    (place / "own_code.py").write_text("from ase.calculators.emt import EMT\n")
    sbatch = commands / "sbatch"
    sbatch.write_text(f"#!/bin/sh\ncat > {tmp_path}/script\necho 7\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.chdir(place)
    folder = tmp_path / "task"
    write_task(folder, Task(rattled_copper(1)[0], LabelSettings(code="own_code:EMT", keep_outputs=False)))
    assert submit(folder, ExecutorSettings(kind="slurm")) == "7"
    subprocess.run(["bash", tmp_path / "script"], cwd=folder, check=True)
    assert read_json(folder / "result.json")["state"] == "done"
