"""The project speaks the language of the field: words of its own that were replaced do not come back."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What it is called now stands in docs/glossary.md. Words that also have a plain meaning are not listed.
REPLACED = [
    *[
        "familiarity",
        "hears?",
        "heard",
        "hear_everything",
        "note_densities",
        "known_densities",
        "loudest",
        "faded",
        "HAND_OVER",
    ],
    *[
        "symmetric_couplings",
        "Wishes",
        "certainty",
        "seal",
        "sealed",
        "MLPOT_INSTRUCTIONS",
        "AtomsAnswer",
        "ProbeAnswer",
        "MembersAnswer",
    ],
    *[
        "forces_spread",
        "twin",
        "known_frame",
        "bare_frame",
        "NeighborRows",
        "SkinRows",
        "Keeper",
        "FitConfig",
        "taught",
    ],
    *[
        "[Jj]udge[sd]?",
        "[Vv]erdicts?",
        "thinks",
        "quiet_time",
        "rungs?",
        "max_losses",
        "take_in",
        "praise",
        "descents",
        "mends?",
    ],
    *["mended", "dearer", "anew", "whoever"],
    "for ever",
]
PATTERN = re.compile(rf"\b({'|'.join(REPLACED)})\b")
# Pages that tell what was, and the places where renamed keys are refused and older stores are converted.
ALLOWED = {
    "CHANGELOG.md",
    "mlpot/active_learning/config/labels.py",
    "mlpot/active_learning/config/loop.py",
    "mlpot/active_learning/store/migrate.py",
    "research/layout.md",
    "tests/test_vocabulary.py",
}


def _files():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    suffixes = {".py", ".md", ".h", ".cpp", ".yaml", ".toml", ".txt", ".cmake"}
    return [ROOT / name for name in listed.stdout.splitlines() if Path(name).suffix in suffixes and name not in ALLOWED]


def test_words_of_our_own_do_not_come_back():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in _files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (match := PATTERN.search(line))
    ]
    assert not found
