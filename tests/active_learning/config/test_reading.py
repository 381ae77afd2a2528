"""Configurations of loops: what is read, what is refused, and the messages."""

from pathlib import Path

import pytest
import yaml
from loops import SMALL, loop_config, written

from mlpot.active_learning.config import StopSettings, example_loop_config, read_loop_config
from mlpot.active_learning.config.loop import HIGHEST_FRACTION
from mlpot.errors import ConfigError
from mlpot.uncertainty.calibration import LEVELS

EXAMPLES = Path(__file__).parents[3] / "examples"

UNKNOWN = {"structure": "Cu:fcc:3.6", "substitutions": [{"old": "Cu", "new": "Xx"}]}


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("explore", {"walks": 3}, "`explore.walks`: has a new name: write `explore.trajectories`"),
        ("label", {"ladder": []}, "`label.ladder`: has a new name: write `label.fallback_settings`"),
        ("explore", {"temprature": [1, 2]}, "`explore.temprature`: unknown key; did you mean `explore.temperature`?"),
        ("explore", {"bias": 0.2, "pressure": 1.0}, "explore.bias acts on atoms, not on cells"),
        ("explore", {"bias": 0.2, "program": "lammps"}, "explore.bias requires explore.program: ase"),
        ("explore", {"ranks": 2}, "explore.ranks is for explore.program: lammps"),
        ("select", {"random_validation": 0}, "`select.random_validation`"),
        ("learn", {"training": {"init_from": "model.pt"}}, "set by the loop"),
        ("explore", {"temperature": [-300, 300]}, "`explore.temperature[0]`: should be greater than 0"),
        (
            "explore",
            {"random_packing_temperature": 0},
            "`explore.random_packing_temperature[0]`: should be greater than 0",
        ),
        ("stop", {"target_fraction": 1.5}, "`stop.target_fraction`"),
        ("stop", {"target_fraction": 0.995}, "`stop.target_fraction`: expected at most 0.99, got 0.995"),
        ("systems", [UNKNOWN], "`systems[0].substitutions[0].new`: expected the symbol of an element"),
        ("label", {"code": "gpaww"}, "`label.code`"),
        ("systems", [], "`systems`"),
    ],
)
def test_mistakes_are_named(tmp_path, section, values, words):
    with pytest.raises(ConfigError) as error:
        loop_config(tmp_path, **{section: values})
    assert words in str(error.value)


def test_the_highest_fraction_is_the_highest_level_of_the_calibration():
    assert LEVELS[-1] == HIGHEST_FRACTION


def test_paths_count_from_the_folder_of_the_configuration(tmp_path, monkeypatch):
    (tmp_path / "more.xyz").write_text("")
    system = {"structure": "Cu:fcc:3.6", "structures": ["more.xyz"]}
    (tmp_path / "model.pt").write_text("")
    path = written(tmp_path, systems=[system], label={"code": "mlpot", "parameters": {"model": "model.pt"}})
    monkeypatch.chdir("/")
    config = read_loop_config(path)
    assert config.store == tmp_path / "loop.db"
    assert config.systems[0].structures == [tmp_path / "more.xyz"]
    assert config.label.parameters["model"] == str(tmp_path / "model.pt")
    assert config.explore.temperature == (300.0, 1200.0)


def test_required_sections(tmp_path):
    path = tmp_path / "loop.yaml"
    path.write_text(yaml.safe_dump({"systems": SMALL["systems"]}))
    with pytest.raises(ConfigError, match="`label`"):
        read_loop_config(path)
    path.write_text("- no\n- sections")
    with pytest.raises(ConfigError, match="must hold sections"):
        read_loop_config(path)
    with pytest.raises(ConfigError, match="no such file"):
        read_loop_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("**/*.yaml")), ids=lambda path: path.name)
def test_examples_are_valid(path):
    assert read_loop_config(path).systems


def test_the_example_of_the_page_is_complete(tmp_path):
    page = (EXAMPLES.parent / "docs" / "active.md").read_text()
    (tmp_path / "loop.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    config = read_loop_config(tmp_path / "loop.yaml")
    assert (config.label.code, config.stop.force_error, config.store) == ("gpaw", 0.1, tmp_path / "loop.db")


def test_values_of_the_command_line_replace_those_of_the_file(tmp_path):
    config = read_loop_config(written(tmp_path), ["stop.labels=7", "explore.temperature=[100, 200]"])
    assert (config.stop.labels, config.stop.iterations, config.explore.temperature) == (7, 2, (100.0, 200.0))


def test_the_printed_example_is_valid(tmp_path):
    (tmp_path / "loop.yaml").write_text(example_loop_config())
    config = read_loop_config(tmp_path / "loop.yaml")
    assert config.stop == StopSettings()
    assert config.store == tmp_path / "loop.db"
