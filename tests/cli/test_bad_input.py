"""Values and contents that no command can use end in one sentence, and a full disk loses nothing."""

import resource
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from damaged_files import with_manifest
from emt_structures import emt_structures, small_config
from typer.testing import CliRunner

from mlpot.cli.app import app
from mlpot.config.train_file import write_train_config
from mlpot.data import read_structures
from mlpot.model_file.manifest import read_manifest
from mlpot.model_file.registry import find_potential
from mlpot.training import train
from mlpot.training.checkpoint import CHECKPOINT_NAME, read_checkpoint

MODEL = "Si-dft/fast"


def call(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})


def refused(*arguments):
    """Output of a command that ends with one sentence and status 1."""
    result = call(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1, result.output
    assert sum(line.startswith("error: ") for line in result.output.splitlines()) == 1, result.output
    return result.output


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ase.io.write("start.xyz", bulk("Si"))
    return tmp_path


def test_a_negative_seed():
    output = refused("md", MODEL, "start.xyz", "--steps", 1, "--trajectory", "x.xyz", "--temperature", 300, "--seed=-1")
    assert "`seed` must not be negative, got -1" in output


@pytest.mark.parametrize("number", [119, -1, -105])
@pytest.mark.parametrize(
    "command",
    [
        ("relax", MODEL, "bad.xyz", "out.xyz"),
        ("md", MODEL, "bad.xyz", "--steps", 1, "--trajectory", "x.xyz", "--ensemble", "nve"),
        ("evaluate", MODEL, "bad.xyz"),
        ("properties", MODEL, "--structure", "bad.xyz"),
        ("benchmark", "--structure", "bad.xyz", "--preset", "fast"),
        ("data", "check", "bad.xyz"),
        ("data", "convert", "bad.xyz", "x.db"),
        ("train", "bad.xyz", "--output", "run"),
    ],
    ids=lambda command: command[0] + command[1] * (command[0] == "data"),
)
def test_atomic_numbers_of_no_element(command, number):
    Path("bad.xyz").write_text(f'1\nProperties=Z:I:1:pos:R:3 Lattice="3 0 0 0 3 0 0 0 3" energy=1.0\n{number} 0 0 0\n')
    assert f"got {number}" in refused(*command)


@pytest.mark.parametrize("command", [("train",), ("active", "run")])
def test_yaml_of_5000_brackets(command):
    Path("deep.yaml").write_text("data: " + "[" * 5000)
    assert "nested too deeply" in refused(*command, "deep.yaml")


def test_an_option_of_1000_brackets():
    assert "is not YAML" in refused("train", "start.xyz", "--set", "data.train=" + "[" * 1000)


@pytest.mark.parametrize("levels", [60, 300, 900, 5000])
def test_a_manifest_of_many_levels(levels):
    content = find_potential(MODEL).read_bytes()
    marked = with_manifest(content, lambda manifest: {**manifest, "training": {"nested": "HERE"}})
    Path("deep.pt").write_bytes(with_text(marked, b'"HERE"', b"[" * levels + b"]" * levels))
    for command in (("info", "deep.pt"), ("info", "deep.pt", "--json"), ("evaluate", "deep.pt", "start.xyz")):
        assert "deep.pt: has " in refused(*command)


def with_text(content, old, new):
    """Model file with another text in its manifest."""
    return with_manifest(content, lambda manifest: manifest, lambda text: text.replace(old, new))


@pytest.mark.parametrize(
    "entry",
    [*("id=5", "12=3", '"a b"=3', 'x="1 2 3"', "data=5", "äö=T", '__ndarray__="1 2"', "__complex__=1"), 'x={"a": 1}'],
)
def test_data_with_odd_keys_are_converted(entry):
    line = f'Lattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3:forces:R:3 energy=1.5 {entry}'
    Path("odd.xyz").write_text(f"1\n{line}\nSi 0 0 0 1 2 3\n")
    result = call("data", "convert", "odd.xyz", "odd.db")
    assert result.exit_code == 0, result.output
    (before,), (after,) = read_structures("odd.xyz"), read_structures("odd.db")
    assert after.energy == before.energy == 1.5
    if "__" not in entry:
        assert {key: np.array(value).tolist() for key, value in after.atoms.info.items()}.items() >= {
            key: np.array(value).tolist() for key, value in before.atoms.info.items()
        }.items()


@pytest.mark.parametrize("weight", ['"1 2"', "abc", "-1"])
def test_a_weight_that_is_no_number(weight):
    Path("odd.xyz").write_text(f"1\nProperties=species:S:1:pos:R:3 energy=1.5 weight={weight}\nSi 0 0 0\n")
    assert "`weight` must" in refused("data", "convert", "odd.xyz", "odd.db")
    assert not Path("odd.db").exists()


def test_an_empty_file_is_not_converted():
    Path("empty.xyz").touch()
    assert "empty.xyz" in refused("data", "convert", "empty.xyz", "x.db")
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["empty.xyz", "start.xyz"]


# --- training


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder with data and a run of one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    ase.io.write(folder / "alloy.extxyz", emt_structures(30), format="extxyz")
    config = small_config(folder / "alloy.extxyz", folder / "run", training={"epochs": 1})
    write_train_config(config, folder / "config.yaml")
    train(config)
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """Copy of the run, which may be damaged."""
    return shutil.copytree(trained, tmp_path / "copy") / "run"


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_another_program(path):
    torch.save({"epoch": 3, "model": {"weight": torch.zeros(3)}}, path)


def of_our_format_number(path):
    torch.save({"format": 2, "epoch": 3}, path)


def with_a_tensor_as_format(path):
    torch.save({"format": torch.zeros(3)}, path)


def a_list(path):
    torch.save([1, 2], path)


def with_other_weights(path):
    content = read_checkpoint(path, torch.device("cpu"))
    content["weights"] = {"weight": torch.zeros(3)}
    torch.save(content, path)


def without_optimizers(path):
    content = read_checkpoint(path, torch.device("cpu"))
    content["optimizers"] = []
    torch.save(content, path)


@pytest.mark.parametrize(
    "damage",
    [
        *(truncated, of_another_program, of_our_format_number, with_a_tensor_as_format, a_list, with_other_weights),
        without_optimizers,
    ],
)
def test_foreign_checkpoints_are_not_resumed(run, damage):
    model = (run / "model.pt").read_bytes()
    damage(run / CHECKPOINT_NAME)
    checkpoint = (run / CHECKPOINT_NAME).read_bytes()
    assert "start a new run in another folder" in refused("train", run, "--resume")
    assert (run / "model.pt").read_bytes() == model
    assert (run / CHECKPOINT_NAME).read_bytes() == checkpoint


def test_a_foreign_checkpoint_of_dynamics_is_not_continued():
    arguments = ("md", MODEL, "start.xyz", "--trajectory", "x.xyz", "--ensemble", "nve", "--steps")
    assert call(*arguments, 1).exit_code == 0
    frames = Path("x.xyz").read_bytes()
    for content in (b"", b"notes" * 100, Path("x.checkpoint.npz").read_bytes()[:100]):
        Path("x.checkpoint.npz").write_bytes(content)
        assert "is not a checkpoint of `mlpot md`, or damaged" in refused(*arguments, 2, "--restart")
    with Path("x.checkpoint.npz").open("wb") as file:
        np.savez(file, header=np.array("{}"))
    assert "is not a checkpoint" in refused(*arguments, 2, "--restart")
    assert Path("x.xyz").read_bytes() == frames


@contextmanager
def full_disk(size):
    """No file can grow beyond a size in bytes; Python ignores the signal that comes with it.

    Modules that are compiled meanwhile are not kept: their files would be broken.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = kept


@pytest.mark.parametrize("size", [0, 100, 4000])
def test_a_disk_that_is_full_in_training_leaves_the_last_checkpoint(run, size):
    checkpoint = (run / CHECKPOINT_NAME).read_bytes()
    assert len(checkpoint) > size
    with full_disk(size):
        assert "File too large" in refused("train", run, "--resume", "--set", "run.checkpoint_every=0.001")
    assert (run / CHECKPOINT_NAME).read_bytes() == checkpoint
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
    assert call("train", run, "--resume").exit_code == 0
    assert read_manifest(run / "model.pt").training["complete"]


def test_a_disk_that_is_full_before_a_relaxation():
    with full_disk(10):
        assert "out.xyz" in refused("relax", MODEL, "start.xyz", "out.xyz")


def test_a_disk_that_is_full_at_the_end_of_a_relaxation():
    """The earlier file stays; what is tried before has no forces and fits."""
    atoms = bulk("Si", cubic=True)
    atoms.set_momenta(atoms.positions)
    ase.io.write("moving.xyz", atoms)
    ase.io.write("out.xyz", bulk("Si"))
    with full_disk(int(1.2 * Path("moving.xyz").stat().st_size)):
        assert "out.xyz: the structure cannot be written" in refused("relax", MODEL, "moving.xyz", "out.xyz")
    assert len(ase.io.read("out.xyz")) == 2
    assert list(Path().glob(".*")) == []
