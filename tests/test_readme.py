"""README and docs: every snippet runs; every link, command, option and target exists."""

import io
import lzma
import os
import re
import subprocess
import sys
from pathlib import Path

import ase.io
import pytest
import typer.main

from mlpot.cli.app import app
from mlpot.lammps import build_torch_engine
from mlpot.model_file.registry import find_potential

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BIN = Path(sys.executable).parent


def snippets(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.fixture
def user_folder(tmp_path):
    """The files that the snippets use."""
    (tmp_path / "in.silicon").write_text(snippets(ROOT / "README.md", "lammps")[0])
    data = lzma.decompress((ROOT / "potentials" / "Si-dft" / "data" / "train.extxyz.xz").read_bytes()).decode()
    frames = ase.io.read(io.StringIO(data), ":", format="extxyz")
    ase.io.write(tmp_path / "data.extxyz", [atoms for atoms in frames if 1 < len(atoms) <= 8][:40])
    (tmp_path / "model.pt").write_bytes(find_potential("Si-dft/fast").read_bytes())
    return tmp_path


def run(command, folder):
    result = subprocess.run(
        [str(part) for part in command], cwd=folder, capture_output=True, text=True, check=False, timeout=280
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


def test_python_of_the_readme(tmp_path):
    (snippet,) = snippets(ROOT / "README.md", "python")
    output = run([sys.executable, "-W", "error", "-c", snippet], tmp_path)
    energy = float(re.search(r"^(-[\d.]+) eV, largest force", output)[1])
    assert -5.6 < energy / 64 < -5.0
    constant, stress = re.search(r"lattice constant ([\d.]+) A, stress (-?[\d.]+) eV/A\^3", output).groups()
    assert 5.44 < float(constant) < 5.50
    assert abs(float(stress)) < 1e-3


@pytest.mark.lammps
@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps_of_the_readme(user_folder, ranks):
    build_torch_engine.ensure()
    launcher = [] if ranks == 1 else [BIN / "mpirun", "-n", ranks]
    output = run([*launcher, BIN / "lmp", "-in", "in.silicon"], user_folder)
    lines = [line.split() for line in output.splitlines() if re.match(r" +\d+ +\d", line)]
    table = [[float(word) for word in words] for words in lines if len(words) == 6]
    assert [row[0] for row in table] == [0, 20, 40, 60, 80, 100]
    assert {row[1] for row in table[:1]} == {600.0}
    total_energies = [row[3] / 512 for row in table]
    assert max(total_energies) - min(total_energies) < 1e-4
    assert all(0.01 < row[5] < 1.0 for row in table[1:])  # error bars, where the crystal is not perfect
    processors = ranks * int(os.environ.get("OMP_NUM_THREADS") or 1)
    assert f"on {processors} procs for 100 steps with 512 atoms" in output


@pytest.mark.lammps
@pytest.mark.parametrize("page", [page for page in PAGES[2:] if snippets(page, "python")], ids=lambda page: page.stem)
def test_python_of_the_docs(user_folder, page, run_script):
    build_torch_engine.ensure()
    for snippet in snippets(page, "python"):
        (user_folder / "snippet.py").write_text(snippet)
        run_script("snippet.py", folder=user_folder)
    if page.stem == "uncertainty":  # has made the committee that the page on LAMMPS runs
        (snippet,) = snippets(ROOT / "docs" / "lammps.md", "lammps")
        (user_folder / "in.sigma").write_text(snippet)
        assert "for 100 steps with 216 atoms" in run([BIN / "lmp", "-in", "in.sigma"], user_folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link.partition("#")[0]).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_exist(page):
    commands = re.findall(r"(?:^    |`)mlpot ([a-z][^\n`#>]*)", page.read_text(), re.MULTILINE)
    assert [problem for command in commands if (problem := unknown_in(command.split()))] == []


def unknown_in(words):
    """First unknown word of a command line of `mlpot`; None if there is none."""
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return f"{command.name} {words[:1]}"
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return next((word for word in words if word.startswith("--") and word not in known), None)


def test_unknown_commands_are_found():
    assert unknown_in(["dance"]) is not None
    assert unknown_in(["data", "dance"]) is not None
    assert unknown_in(["train", "x.yaml", "--dance"]) == "--dance"
    assert unknown_in(["train", "x.yaml", "--resume"]) is None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z]+)(?:-%)?:", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"quickstart", "test", "check"} <= targets
    named = set(re.findall(r"(?:^    |`)make ([a-z]+)", page.read_text(), re.MULTILINE))
    assert named <= targets


def test_file_tree_of_the_readme():
    section = (ROOT / "README.md").read_text().split("## What is where")[1].split("\n## ")[0]
    entries = re.findall(r"^ {4}( *)([\w./]+) {2,}\S", section, re.MULTILINE)
    assert len(entries) > 10
    paths = [ROOT / ("mlpot" if indent else "") / name for indent, name in entries]
    assert [path for path in paths if not path.exists()] == []
