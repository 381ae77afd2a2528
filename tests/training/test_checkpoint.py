import pickle

import pytest
import torch
from emt_structures import small_config

from mlpot.errors import TrainingError
from mlpot.training.checkpoint import read_checkpoint, refuse_changes, write_checkpoint

CPU = torch.device("cpu")
HASHES = {"train": "a" * 64, "validation": "b" * 64}


def stored_for(config, hashes=HASHES):
    return {"config": config.model_dump(mode="json"), "data": hashes}


def test_content_comes_back_bit_by_bit(tmp_path):
    content = {"state": {"step": 3, "history": [{"lr": 0.1 + 0.2}], "best": float("inf")}, "weights": torch.randn(5)}
    write_checkpoint(tmp_path / "new" / "c.pt", content)
    read = read_checkpoint(tmp_path / "new" / "c.pt", CPU)
    assert read["state"] == content["state"]
    assert torch.equal(read["weights"], content["weights"])


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "c.pt"
    write_checkpoint(path, {"step": 1})
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        write_checkpoint(path, {"step": lambda: None})
    assert read_checkpoint(path, CPU)["step"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_missing_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "c.pt"
    with pytest.raises(TrainingError, match="does not exist"):
        read_checkpoint(path, CPU)
    write_checkpoint(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(TrainingError, match="not a readable checkpoint"):
        read_checkpoint(path, CPU)
    torch.save({"format": 99}, path)
    with pytest.raises(TrainingError, match="not a checkpoint of this version"):
        read_checkpoint(path, CPU)


class Explosive:
    def __reduce__(self):
        return (print, ("executed",))


def test_pickled_code_is_not_executed(tmp_path, capsys):
    torch.save({"format": 1, "state": Explosive()}, tmp_path / "c.pt")
    with pytest.raises(TrainingError):
        read_checkpoint(tmp_path / "c.pt", CPU)
    assert "executed" not in capsys.readouterr().out


def test_equal_settings_may_resume(tmp_path):
    config = small_config("a.xyz", tmp_path)
    refuse_changes(stored_for(config), config, HASHES)


def test_place_and_manner_of_the_run_may_change(tmp_path):
    old = small_config("a.xyz", tmp_path / "one", run={"threads": 1})
    new = small_config("elsewhere/b.xyz", tmp_path / "two", run={"threads": 2, "devices": 2, "tensorboard": True})
    refuse_changes(stored_for(old), new, HASHES)


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("training", {"lr": 0.5}, r"training\.lr: 0\.01 -> 0\.5"),
        ("model", {"n_channels": 9}, r"model\.n_channels: 8 -> 9"),
        ("loss", {"stages": [{"start": 0.0, "energy": 3.0}]}, r"loss\.stages\[0\]\.energy: 0\.\d+ -> 3\.0"),
        ("data", {"validation": 0.3}, r"data\.validation: 0\.2 -> 0\.3"),
        ("training", {"betas": [0.9, 0.99]}, r"training\.betas\[1\]: 0\.999 -> 0\.99"),
    ],
)
def test_changed_settings_are_named(tmp_path, section, values, message):
    old = small_config("a.xyz", tmp_path)
    new = small_config("a.xyz", tmp_path, **{section: values})
    with pytest.raises(TrainingError, match=message):
        refuse_changes(stored_for(old), new, HASHES)


def test_changed_data_are_named(tmp_path):
    config = small_config("a.xyz", tmp_path)
    with pytest.raises(TrainingError, match="content of the train data: aaaaaaaaaaaa -> cccccccccccc"):
        refuse_changes(stored_for(config), config, HASHES | {"train": "c" * 64})
    with pytest.raises(TrainingError, match="content of the validation data: bbbbbbbbbbbb -> none"):
        refuse_changes(stored_for(config), config, HASHES | {"validation": None})
