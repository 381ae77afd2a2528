import pytest

from mlpot.config import TrainConfig
from mlpot.config.yaml import merge, parse_override, read_values
from mlpot.errors import ConfigError


@pytest.mark.parametrize("override", ["training.lr", "=3", "training..lr=3", "a=[1"])
def test_malformed_overrides_are_refused(override):
    with pytest.raises(ConfigError):
        parse_override(override)


def test_later_values_win_and_others_stay():
    values = {"training": {"lr": 1.0, "seed": 3}}
    merge(values, parse_override("training.lr=0.5"))
    merge(values, parse_override("run.device=cpu"))
    assert values == {"training": {"lr": 0.5, "seed": 3}, "run": {"device": "cpu"}}


def test_relative_paths_are_taken_from_the_folder_of_the_file(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "data: {train: [a.xyz, /b.xyz], validation: 0.1}\n"
        "training: {init_from: m.pt, distill: {teachers: t.pt}}\nrun: {output: run, device: cpu}\n"
    )
    values = read_values(tmp_path / "c.yaml", TrainConfig)
    assert values["data"] == {"train": [str(tmp_path / "a.xyz"), "/b.xyz"], "validation": 0.1}
    assert values["training"]["init_from"] == str(tmp_path / "m.pt")
    assert values["training"]["distill"]["teachers"] == str(tmp_path / "t.pt")
    assert values["run"] == {"output": str(tmp_path / "run"), "device": "cpu"}


@pytest.mark.parametrize(
    ("content", "message"), [("a: [1", "is not YAML"), ("- 1\n- 2\n", "must hold sections"), ("\x00", "is not YAML")]
)
def test_files_that_are_no_configuration_are_refused(tmp_path, content, message):
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_values(tmp_path / "c.yaml", TrainConfig)
