"""Imports point downwards only, and every file stays short."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mlpot"
# Each module may import from rows above its own and from itself.
LAYERS = [
    {"errors"},
    {"extras", "plotting", "running"},
    {"config"},
    {"model"},
    {"neighbors"},
    {"model_file"},
    {"data"},
    {"engines"},
    {"uncertainty"},
    {"calculator", "lammps"},
    {"simulation"},
    {"training"},
    {"evaluation", "installation", "ood", "benchmark", "properties"},
    {"validation", "active_learning"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# The same for the parts of mlpot.active_learning.
ACTIVE_LAYERS = [
    {"config", "store"},
    {"calculation", "selection"},
    {"executors", "initial"},
    {"labelling", "exploration"},
    {"progress", "train", "stop"},
    {"loop"},
    {"reporting"},
]
ACTIVE = PACKAGE / "active_learning"
ACTIVE_LEVEL = {name: level for level, names in enumerate(ACTIVE_LAYERS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(path):
    """Top-level part of the package that a file belongs to; the package itself is ''."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py").replace("__init__", "")


def imported_parts(path):
    """Parts that a file imports when it is loaded; imports inside functions and for types do not count."""
    nodes = ast.parse(path.read_text()).body
    for node in [inner for outer in nodes for inner in (outer.body if isinstance(outer, ast.With) else [outer])]:
        if isinstance(node, ast.ImportFrom) and node.module == "mlpot":
            yield from (alias.name for alias in node.names if alias.name in LEVEL)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlpot."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("mlpot."))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path):
    part = part_of(path)
    if part == "":
        assert not list(imported_parts(path)), "`import mlpot` must stay light"
        return
    assert part in LEVEL, f"give `{part}` a place in LAYERS"
    for other in imported_parts(path):
        assert other == part or LEVEL[other] < LEVEL[part], f"{path.name} imports {other}, which is not below it"


@pytest.mark.parametrize("path", sorted(ACTIVE.rglob("*.py")), ids=lambda path: str(path.relative_to(ACTIVE)))
def test_imports_of_active_learning_point_downwards(path):
    part = path.relative_to(ACTIVE).parts[0].removesuffix(".py")
    if part == "__init__":
        return  # it exports parts of every level
    for node in ast.parse(path.read_text()).body:
        names = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
        if names[:2] == ["mlpot", "active_learning"]:
            other = names[2]
            assert other == part or ACTIVE_LEVEL[other] < ACTIVE_LEVEL[part], f"{path} imports {other}"


@pytest.mark.parametrize(
    "pattern", ["mlpot/**/*.py", "tests/**/*.py", "examples/*.py", "plugins/**/*.cpp", "plugins/**/*.h"]
)
def test_files_are_short(pattern):
    long = {str(path): n for path in ROOT.glob(pattern) if (n := len(path.read_text().splitlines())) > 400}
    assert not long
