"""The examples run, and what they print is right. Settings are small, the code is the same."""

import io
import json
import lzma
import re
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest

import mlpot
from mlpot.config import ModelSection
from mlpot.lammps import build_torch_engine
from mlpot.model_file.manifest import read_manifest

EXAMPLES = Path(__file__).parent.parent / "examples"
DATA = EXAMPLES.parent / "potentials" / "Si-dft" / "data"


def run(command, folder):
    """What a command prints; it must succeed without a warning."""
    result = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False, timeout=280
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


def number(pattern, output):
    return float(re.search(pattern.replace("#", r"(-?[\d.]+)"), output)[1])


def silicon_structures(count):
    data = lzma.decompress((DATA / "train.extxyz.xz").read_bytes()).decode()
    return ase.io.read(io.StringIO(data), f"1:{count + 1}", format="extxyz")


def test_train(run_script, tmp_path):
    ase.io.write(tmp_path / "some.extxyz", silicon_structures(30))
    settings = ["--data", "some.extxyz", "--epochs", 2, "--channels", 4, "--output", "run"]
    output = run_script(EXAMPLES / "train.py", *settings, folder=tmp_path)
    assert 0.0 < number("forces # meV/A", output) < 5000.0
    manifest = read_manifest(tmp_path / "run" / "model.pt")
    assert manifest.elements == ["Si"]
    assert manifest.config.n_channels == 4
    assert manifest.training["epochs"] == 2
    assert (tmp_path / "run" / "learning_curve.png").is_file()


def test_train_keeps_the_width_of_the_preset(run_script, tmp_path):
    ase.io.write(tmp_path / "some.extxyz", silicon_structures(12))
    run_script(EXAMPLES / "train.py", "--data", "some.extxyz", "--epochs", 1, "--output", "run", folder=tmp_path)
    preset = ModelSection(preset="fast").architecture(1)
    assert read_manifest(tmp_path / "run" / "model.pt").config == preset


def test_ase_md(run_script, tmp_path):
    output = run_script(EXAMPLES / "ase_md.py", "--steps", 60, folder=tmp_path)
    assert 5.44 < number("lattice constant # A", output) < 5.50
    assert 300.0 < number("NVE at # K", output) < 900.0
    assert abs(number("drift # ueV", output)) < 2000.0  # 0.06 ps: the slope is that of the oscillation
    frames = ase.io.read(tmp_path / "md.traj", ":")
    assert len(frames) == 7
    energies = [frame.get_total_energy() / len(frame) for frame in frames]
    assert np.ptp(energies) < 2e-4


@pytest.mark.lammps
def test_lammps_input_ends_where_ase_agrees(tmp_path):
    build_torch_engine.ensure()
    lmp = Path(sys.executable).parent / "lmp"
    output = run([lmp, "-in", EXAMPLES / "in.silicon", "-var", "cells", 2, "-var", "steps", 20], tmp_path)
    row = next(line for line in reversed(output.splitlines()) if re.match(r" +20 ", line)).split()
    atoms = ase.io.read(tmp_path / "silicon.data", format="lammps-data", atom_style="atomic", units="metal")
    assert len(atoms) == 63
    atoms.calc = mlpot.load("Si-dft")
    assert float(row[4]) == pytest.approx(atoms.get_volume(), rel=1e-6)
    assert float(row[2]) == pytest.approx(atoms.get_potential_energy(), abs=1e-3)


def test_evaluate_and_plot(run_script, tmp_path):
    output = run_script(EXAMPLES / "evaluate_and_plot.py", "--model", "Si-dft/fast", folder=tmp_path)
    energy, forces = re.search(r"^all +([\d.]+) +([\d.]+)$", output, re.MULTILINE).groups()
    metrics = json.loads((EXAMPLES.parent / "potentials/Si-dft/metrics.json").read_text())
    known = metrics["fast"]["test"]["by_config_type"]["all"]
    assert float(energy) == pytest.approx(1000 * known["energy"]["rmse"], rel=1e-3)
    assert float(forces) == pytest.approx(1000 * known["forces"]["rmse"], rel=1e-3)
    assert (tmp_path / "parity.png").read_bytes().startswith(b"\x89PNG")


def test_from_pymatgen(run_script, tmp_path):
    output = run_script(EXAMPLES / "from_pymatgen.py", folder=tmp_path)
    assert 5.44 < number("lattice constant # A", output) < 5.50
    assert 2.0 < number("formation energy # eV", output) < 5.0


def test_examples_are_short_and_all_tested():
    # loops of active learning are read in tests/active_learning/config/test_reading.py
    names = [path.name for path in EXAMPLES.iterdir() if path.is_file() and path.suffix != ".yaml"]
    source = Path(__file__).read_text()
    assert len(names) == 5
    assert [name for name in names if f'"{name}"' not in source] == []
    assert [name for name in names if len((EXAMPLES / name).read_text().splitlines()) >= 80] == []
