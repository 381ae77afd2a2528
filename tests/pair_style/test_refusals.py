"""What cannot work stops LAMMPS with a sentence that says what is wrong; no run goes on with doubtful numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from lammps_systems import boxed, write_data

from mlpot import lammps
from mlpot.errors import EngineError
from mlpot.lammps import build_torch_engine as torch_engine

pytestmark = pytest.mark.lammps

# In a process of its own: importing LAMMPS changes the environment variables of the process.
IN_PROCESS = """
import json, sys
from mlpot.lammps import lammps

answers = {}
for name, commands in json.load(open("cases.json")).items():
    program = lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        for command in commands:
            program.command(command)
        answers[name] = "no error"
    except Exception as error:
        answers[name] = str(error)
    program.close()
json.dump(answers, open("answers.json", "w"))
"""

BOX = "units metal|read_data start.data|pair_style mlpot|"
CLOSE = "units metal|read_data near.data|pair_style mlpot "
BONDED = "units metal|atom_style bond|bond_style zero|read_data bonded.data|bond_coeff *|pair_style mlpot|"


BONDED_DATA = """bonded

2 atoms
1 bonds
3 atom types
1 bond types
0 9 xlo xhi
0 9 ylo yhi
0 9 zlo zhi

Masses

1 1.008
2 15.999
3 28.086

Atoms # bond

1 1 2 1 1 1
2 1 1 1 1 2

Bonds

1 1 1 2
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory, model_file):
    """Message of each case, all from one process."""
    folder = tmp_path_factory.mktemp("refusals")
    write_data(folder / "start.data", boxed(6.0 * np.eye(3), 12, np.random.default_rng(1)))
    close = Atoms("OO", [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], cell=6.0 * np.eye(3), pbc=True)
    write_data(folder / "close.data", close)
    near = Atoms("OSi", [[1.0, 1.0, 1.0], [1.0, 1.0, 1.6]], cell=6.0 * np.eye(3), pbc=True)
    write_data(folder / "near.data", near)
    (folder / "bonded.data").write_text(BONDED_DATA)
    content = model_file.read_bytes()
    (folder / "cut.pt").write_bytes(content[:-1])
    (folder / "flipped.pt").write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    (folder / "text.pt").write_text("not a model\n")
    good = f'pair_coeff * * "{model_file}" H O Si'
    cases = {
        "good": BOX + good + "|run 0",
        "unknown element": BOX + good.replace("Si", "Ge"),
        "missing file": BOX + "pair_coeff * * nowhere.pt H O Si",
        "too few elements": BOX + good.replace("Si", ""),
        "cut": BOX + "pair_coeff * * cut.pt H O Si",
        "flipped": BOX + "pair_coeff * * flipped.pt H O Si",
        "text": BOX + "pair_coeff * * text.pt H O Si",
        "units": BOX.replace("metal", "lj") + good + "|run 0",
        "newton": "newton off|" + BOX + good + "|run 0",
        "null": BOX + good.replace("Si", "NULL") + "|run 0",
        "keyword": "units metal|read_data start.data|pair_style mlpot speed high",
        "value": "units metal|read_data start.data|pair_style mlpot precision half",
        "cuda": "units metal|read_data start.data|pair_style mlpot device cuda|" + good,
        "native on cuda": "units metal|read_data start.data|pair_style mlpot engine native device cuda|" + good,
        "distance": "units metal|read_data start.data|pair_style mlpot closest 1.5",
        "second style": BOX + good + "|run 0|pair_style mlpot|run 0",
        "closest anew": CLOSE + "closest 0.0001|" + good + "|run 0|pair_style mlpot|" + good + "|run 0",
        "bonds": BONDED + good + "|run 0",
        "bonds kept": BONDED + good + "|special_bonds lj/coul 1e-50 1e-50 1e-50|run 0",
        "not finite": BOX.replace("start", "close").replace("mlpot", "mlpot closest 0") + good + "|run 5",
    }
    (folder / "cases.json").write_text(json.dumps({name: case.split("|") for name, case in cases.items()}))
    subprocess.run([sys.executable, "-c", IN_PROCESS], cwd=folder, check=True)
    return json.loads((folder / "answers.json").read_text())


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("good", "no error"),
        ("unknown element", "does not know the element Ge; it knows H, O, Si"),
        ("missing file", "finds no model file nowhere.pt"),
        ("too few elements", "Number of element to type mappings does"),
        ("cut", "model file cut.pt has no mlpot checksum at its end"),
        ("flipped", "model file flipped.pt is damaged: its checksum does not match"),
        ("text", "model file text.pt is not an mlpot model"),
        ("units", "needs units metal or real, not lj"),
        ("newton", "needs newton on"),
        ("null", "All pair coeffs are not set"),
        ("keyword", "knows engine, precision, device and closest, not speed"),
        ("value", "precision must be one of mixed, double, got half"),
        ("distance", "closest must be between 0 and 1, got 1.5"),
        ("native on cuda", "the native engine runs on the cpu; for device cuda choose engine torch"),
        ("second style", "All pair coeffs are not set"),
        ("closest anew", "closer than"),
        ("bonds", "needs all neighbours, but LAMMPS leaves bonded ones out"),
        ("bonds kept", "no error"),
        ("not finite", "failed at step 0, atom 1 of type 2 at (1.0000 1.0000 1.0000): the model gave"),
    ],
)
def test_refused_by_name(case, message, answers):
    assert message in answers[case]


def test_cuda_is_refused_where_there_is_none(answers):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        assert answers["cuda"] == "no error"
    else:
        assert "sees no CUDA device; use device cpu" in answers["cuda"]


def plain_lmp(folder, model_file, options):
    """Result of the launcher of the wheel, which asks the entry point; only the cache of engines is hidden."""
    write_data(folder / "start.data", boxed(6.0 * np.eye(3), 3, np.random.default_rng(1)))
    (folder / "in.lammps").write_text(
        f'units metal\nread_data start.data\npair_style mlpot {options}\npair_coeff * * "{model_file}" H O Si\nrun 0\n'
    )
    environment = {key: value for key, value in os.environ.items() if key != "MLPOT_TORCH_ENGINE"}
    return subprocess.run(
        [Path(sys.executable).parent / "lmp", "-in", "in.lammps"],
        cwd=folder,
        env=environment | {"XDG_CACHE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_plain_lmp_knows_the_pair_style(tmp_path, model_file):
    result = plain_lmp(tmp_path, model_file, "")
    assert result.returncode == 0, result.stdout
    assert "with engine native" in result.stdout


def test_plain_lmp_says_how_to_make_the_torch_engine(tmp_path, model_file):
    result = plain_lmp(tmp_path, model_file, "engine torch")
    assert result.returncode != 0
    assert "finds no torch engine; make it once with: mlpot build-torch-engine" in result.stdout


def test_run_raises_with_the_error_of_lammps(tmp_path):
    with pytest.raises(EngineError, match="Unknown command: nonsense"):
        lammps.run("nonsense\n\n", ranks=1, directory=tmp_path)


def test_an_input_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"in\.missing"):
        lammps.run(tmp_path / "in.missing", ranks=1, directory=tmp_path)


def test_no_compiler_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(EngineError, match="no-such-compiler, was not found"):
        torch_engine.build()
    assert not torch_engine.engine_path().exists()


def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    compiler = tmp_path / "broken compiler"
    compiler.write_text("#!/bin/sh\necho 'fatal error: nothing works' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(EngineError, match="nothing works"):
        torch_engine.build()
    assert torch_engine.find() is None
