"""Choose the formulas of the DFT test half, and write them to ``held_out.txt``.

    python potentials/universal/held_out.py DFT_FOLDER

DFT_FOLDER holds the four ``*.extxyz.xz`` files of real DFT labels. Half of their reduced formulas are tests: those
whose SHA-256 begins with an even byte, so that the choice depends on nothing but the formula. Structures of these
formulas are neither seeds nor labels. Elements alone are never held out: any training set has them, so they test
nothing.
"""

import argparse
import hashlib
from pathlib import Path

from universal_set.geometry import reduced_formula
from universal_set.seeds import read_frames

LIST = Path(__file__).parent / "held_out.txt"
FILES = ("alexandria-random-1k", "mpf-TP", "mptrj-highest-stress-1k", "mptrj-random-1k")


def is_test(formula: str) -> bool:
    """Whether a reduced formula belongs to the test half, if it occurs in the files at all."""
    is_element = sum(letter.isupper() for letter in formula) == 1
    return not is_element and hashlib.sha256(formula.encode()).digest()[0] % 2 == 0


def read_held_out(path: Path = LIST) -> frozenset[str]:
    """Formulas of the test half."""
    return frozenset(path.read_text().split())


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the four .extxyz.xz files")
    folder = parser.parse_args().folder
    formulas = {reduced_formula(a) for name in FILES for a in read_frames(folder / f"{name}.extxyz.xz")}
    held_out = sorted(filter(is_test, formulas))
    LIST.write_text("\n".join(held_out) + "\n")
    print(f"{len(held_out)} of {len(formulas)} formulas are held out")


if __name__ == "__main__":
    main()
