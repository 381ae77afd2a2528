"""Configurations of loops: what is refused, and in which words."""

from pathlib import Path

import pytest
import yaml
from ase.calculators.calculator import kptdensity2monkhorstpack
from loops import SMALL, loop_config, written

from mlpot.active_learning.config import HIGHEST_SHARE, System, read_loop_config
from mlpot.active_learning.initial import base_cell, starts_of_walks
from mlpot.errors import ConfigError
from mlpot.properties.crystal import primitive_cell
from mlpot.uncertainty.calibration import LEVELS

EXAMPLES = Path(__file__).parents[2] / "examples"
UNKNOWN = {"structure": "Cu:fcc:3.6", "substitutions": [{"old": "Cu", "new": "Xx"}]}


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("explore", {"temprature": [1, 2]}, "`explore.temprature`: unknown key; did you mean `explore.temperature`?"),
        ("explore", {"bias": 0.2, "pressure": 1.0}, "explore.bias pushes atoms, not cells"),
        ("select", {"control": 0}, "`select.control`"),
        ("learn", {"training": {"init_from": "model.pt"}}, "set by the loop"),
        ("explore", {"temperature": [-300, 300]}, "`explore.temperature[0]`: should be greater than 0"),
        ("explore", {"melt_temperature": 0}, "`explore.melt_temperature[0]`: should be greater than 0"),
        ("stop", {"share": 1.5}, "`stop.share`"),
        ("stop", {"share": 0.995}, "`stop.share`: expected at most 0.99, got 0.995"),
        ("systems", [UNKNOWN], "`systems[0].substitutions[0].new`: expected the symbol of an element"),
        ("label", {"code": "gpaww"}, "`label.code`"),
        ("systems", [], "`systems`"),
    ],
)
def test_mistakes_are_named(tmp_path, section, values, words):
    with pytest.raises(ConfigError) as error:
        loop_config(tmp_path, **{section: values})
    assert words in str(error.value)


def test_the_highest_share_is_the_highest_level_of_the_error_bars():
    assert LEVELS[-1] == HIGHEST_SHARE


def test_melts_are_kept_hot(tmp_path):
    explore = {"temperature": [300, 900], "melt_temperature": [1500, 3000]}
    system = {"structure": "Cu:fcc:3.6", "repeat": [2, 2, 2], "melts": 2}
    config = loop_config(tmp_path, explore=explore, systems=[system])
    starts = starts_of_walks(config.systems, (1, 1, 1), seed=0)
    assert [start.kind for start in starts] == ["bulk", "melt", "melt"]
    temperatures = [config.explore.from_start(start.kind).temperature for start in starts]
    assert temperatures == [(300, 900), (1500, 3000), (1500, 3000)]
    assert loop_config(tmp_path, explore={"temperature": [300, 900]}).explore.from_start("melt").temperature == (
        300,
        900,
    )


def test_files_are_found_beside_the_configuration(tmp_path, monkeypatch):
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


def test_what_must_be_given(tmp_path):
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


def test_the_page_names_what_must_be_given(tmp_path):
    page = (EXAMPLES.parent / "docs" / "active.md").read_text()
    (tmp_path / "loop.yaml").write_text(page.split("```yaml\n")[1].split("```")[0])
    config = read_loop_config(tmp_path / "loop.yaml")
    assert (config.label.code, config.stop.force_error, config.store) == ("gpaw", 0.1, tmp_path / "loop.db")


def test_cells_of_a_prototype_are_conventional_unless_the_primitive_one_is_asked_for():
    """Supercells of the primitive cell share k-points: 3 x 3 x 3 in (2, 2, 2) are 6 x 6 x 6 in it."""
    conventional = base_cell(System(structure="Si:diamond:5.43", repeat=(2, 1, 1)))
    primitive = base_cell(System(structure="Si:diamond:5.43", primitive=True, repeat=(2, 2, 2)))
    assert (len(conventional), len(primitive)) == (16, 16)
    assert conventional.cell.angles() == pytest.approx([90.0] * 3)
    assert primitive.cell.angles() == pytest.approx([60.0] * 3)
    assert [*kptdensity2monkhorstpack(primitive, 2.7, even=False)] == [3, 3, 3]
    assert [*kptdensity2monkhorstpack(primitive_cell(primitive), 2.7, even=False)] == [6, 6, 6]
