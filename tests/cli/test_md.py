"""`mlpot md`: files, restart, status, messages."""

import csv

import numpy as np
from ase.io import read


def names_the_engine(result, precision):
    """Whether the first line of the output names the engine and its precision."""
    line = " ".join(result.output.split()[:12])
    return "native engine (" in line and precision in line


def test_md_and_restart(mlpot_command, model_file):
    common = ("md", model_file, "start.xyz", "--trajectory", "run.xyz", "--temperature", 300, "--interval", 2)
    assert mlpot_command(*common, "--steps", 4).exit_code == 0
    result = mlpot_command(*common, "--steps", 8, "--restart")
    assert result.exit_code == 0, result.output
    assert "atoms*steps/s" in result.output
    assert names_the_engine(result, "double precision")
    result = mlpot_command(*common, "--steps", 2, "--precision", "mixed", "--trajectory", "other.xyz")
    assert names_the_engine(result, "mixed precision")
    frames = read("run.xyz", ":")
    assert len(frames) == 5
    assert np.abs(frames[-1].get_momenta()).max() > 0
    with open("run.csv", newline="") as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [0, 2, 4, 6, 8]


def test_a_missing_temperature_is_one_sentence(mlpot_command, model_file):
    result = mlpot_command("md", model_file, "start.xyz", "--trajectory", "run.xyz", "--steps", 4)
    assert result.exit_code == 1
    assert "error: `temperature` (K) must be given for nvt" in result.output
    assert "Traceback" not in result.output
