"""`mlpot active ...` as a user types it, and the exported files."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from labelling import add_jobs, faulty, rattled_copper
from typer.testing import CliRunner

from mlpot.active_learning.config import LabelSettings
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.store.history import SelectionRecord
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.train import parts_until
from mlpot.cli.app import app
from mlpot.data import read_structures
from mlpot.errors import StoreError


@pytest.fixture(autouse=True)
def _workers_find_the_codes(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "run.db", create=True) as one:
        yield one


def run(*arguments):
    result = CliRunner().invoke(app, ["active", *map(str, arguments)], env={"COLUMNS": "200"})
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def labelled_folder(tmp_path_factory):
    """Folder of a store with three labels."""
    folder = tmp_path_factory.mktemp("labelled")
    settings = LabelSettings(code="emt")
    with Store(folder / "run.db", create=True) as store:
        add_jobs(store, settings, 3)
        label_waiting(store, settings)
    return folder


@pytest.fixture
def labelled(labelled_folder, tmp_path):
    """A copy of that store."""
    shutil.copytree(labelled_folder, tmp_path, dirs_exist_ok=True)
    with Store(tmp_path / "run.db") as one:
        yield one


def test_status_and_query(labelled):
    status, output = run("status", labelled.path)
    assert status == 0
    assert "emt" in output
    assert " 3 " in output
    status, output = run("query", labelled.path, "--formula", "Cu8")
    assert output.count("Cu8") == 1
    assert "rattle" in output


def test_why(labelled):
    one = next(labelled.labelled())
    structure = one.job.structure_id
    labelled.history.add_model("a" * 64, "model-3.pt", [one.job.id], iteration=3, metrics={})
    labelled.history.add_selection(
        SelectionRecord(structure, 2, True, "uncertain and different", {"sigma": 0.7}, "a" * 64)
    )
    status, output = run("why", labelled.path, structure[:8])
    assert status == 0
    for words in ("rattle", "uncertain and different", "0.7", "model-3.pt of iteration 3", "free_energy"):
        assert words in output
    status, output = run("why", labelled.path, "x")
    assert status == 1
    assert "no structure" in output


@pytest.mark.parametrize("name", ["all.extxyz", "all.db"])
def test_export_carries_labels_and_provenance(labelled, tmp_path, name):
    status, output = run("export", labelled.path, tmp_path / name)
    assert (status, "3 structures" in output) == (0, True)
    originals = {one.job.structure_id: one for one in labelled.labelled()}
    for structure in read_structures(tmp_path / name, required=["energy", "forces", "stress"]):
        original = originals.pop(structure.atoms.info["active_structure"])
        assert structure.energy == pytest.approx(original.label.energy, abs=1e-7)
        np.testing.assert_allclose(structure.forces, original.label.forces, atol=1e-7)
        np.testing.assert_allclose(structure.stress, original.label.stress, atol=1e-7)
        assert structure.config_type == "rattle"
        assert structure.atoms.info["active_code"] == "emt"
    assert not originals
    assert run("export", labelled.path, tmp_path / name)[0] == 1
    assert run("export", labelled.path, tmp_path / "none" / name)[0] == 1


def test_export_of_a_part(labelled, tmp_path):
    held_out = next(labelled.labelled()).job.structure_id
    labelled.history.add_selection(SelectionRecord(held_out, 1, True, "drawn at random", {"part": "held_out"}, None))
    found = {}
    for part, count in (("train", 2), ("held_out", 1)):
        status, output = run("export", labelled.path, tmp_path / f"{part}.extxyz", "--part", part)
        assert (status, f"{count} structures" in output) == (0, True)
        found[part] = {one.atoms.info["active_structure"] for one in read_structures(tmp_path / f"{part}.extxyz")}
    assert found["held_out"] == {held_out}
    assert found["train"].isdisjoint(found["held_out"])
    assert run("export", labelled.path, tmp_path / "x.extxyz", "--part", "other")[0] == 2


def test_an_empty_part_is_not_exported(labelled, tmp_path):
    status, output = run("export", labelled.path, tmp_path / "none.extxyz", "--part", "held_out")
    assert status == 1
    assert "no labels of the part held_out" in output
    assert not list(tmp_path.glob("*none*"))


def test_a_frame_is_named_after_the_initial_state_of_its_trajectory(store, tmp_path):
    settings = LabelSettings(code="emt")
    frame = store.add_structure(
        rattled_copper(1)[0], {"kind": "trajectory", "start": "random_packing", "trajectory": "1.0"}
    )
    store.add_jobs([frame], store.add_settings(settings.identity()))
    label_waiting(store, settings)
    assert run("export", store.path, tmp_path / "all.extxyz")[0] == 0
    assert next(iter(read_structures(tmp_path / "all.extxyz"))).config_type == "random_packing trajectory"


def test_labels_of_several_settings_are_not_mixed(labelled, tmp_path):
    other = faulty(("converging", {"mixing": 0.1}))
    identity = add_jobs(labelled, other, 1)
    label_waiting(labelled, other)
    status, output = run("export", labelled.path, tmp_path / "all.extxyz")
    assert status == 1
    assert "must not be mixed" in output
    assert run("export", labelled.path, tmp_path / "all.extxyz", "--settings", identity[:12])[0] == 0


def test_a_halted_run_shows_in_status_and_can_be_retried(store):
    settings = faulty("crashing", failures_in_row=1)
    add_jobs(store, settings, 1)
    label_waiting(store, settings)
    status, output = run("status", store.path)
    assert status == 1
    assert "halted" in output
    assert "SIGSEGV" in output
    assert "1 calculations wait again" in run("retry", store.path)[1]


def test_refused_frames_are_listed(store):
    structure = store.add_structure(rattled_copper(1)[0])
    store.history.add_selection(SelectionRecord(structure, 1, False, "atoms in each other", {}, None))
    assert "atoms in each other" in run("query", store.path, "--refused")[1]


def test_brackets_in_reasons_are_text(store):
    reason = "cannot open [/scratch/CHARGE], [node01:4711] MPI_ABORT"
    settings = LabelSettings(code="emt")
    identity = add_jobs(store, settings, 1)
    (job,) = store.jobs.claim(store.jobs.begin_session(), identity, 1)
    store.jobs.fail(job.id, reason, 0.0)
    store.history.add_selection(SelectionRecord(job.structure_id, 1, False, reason, {}, None))
    for arguments in (("query", store.path), ("query", store.path, "--refused"), ("why", store.path, job.structure_id)):
        status, output = run(*arguments)
        assert (status, reason in output) == (0, True), output


def test_no_store(tmp_path):
    status, output = run("status", tmp_path / "none.db")
    assert status == 1
    assert "no store" in output


def test_a_changed_label_is_neither_exported_nor_trained_on_and_computed_again(labelled, tmp_path):
    job = next(labelled.labelled()).job
    labelled.database.write("UPDATE labels SET energy = energy + 1e-9 WHERE job_id = ?", (job.id,))
    status, output = run("export", labelled.path, tmp_path / "out.extxyz")
    assert (status, output.count("\n")) == (1, 1)
    assert f"error: the label of job {job.id[:12]}" in output
    assert "mlpot active retry" in output
    assert sorted(path.name for path in tmp_path.glob("*out*")) == []
    with pytest.raises(StoreError, match=f"{job.id[:12]} in .* has changed"):
        parts_until(labelled, job.settings_id, 0)
    status, output = run("retry", labelled.path)
    assert "1 labels had changed" in output
    assert label_waiting(labelled, LabelSettings(code="emt")).done == 1
    assert run("export", labelled.path, tmp_path / "out.extxyz")[0] == 0


def test_backup(labelled, tmp_path):
    status, output = run("backup", labelled.path, tmp_path / "copy.db")
    assert (status, output) == (0, f"{tmp_path / 'copy.db'}; not copied: the folders run.raw\n")
    assert run("export", tmp_path / "copy.db", tmp_path / "out.extxyz")[0] == 0
    status, output = run("backup", labelled.path, tmp_path / "copy.db")
    assert status == 1
    assert "exists already" in output
