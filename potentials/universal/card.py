"""Write what the labels cover: ``card.md``, ``elements.csv`` and ``pairs.csv`` beside the shards.

    python potentials/universal/card.py

Refuses shards that are not those of the manifest.
"""

import argparse
import csv
from itertools import combinations
from pathlib import Path

import numpy as np
from ase.data import chemical_symbols
from universal_set.coverage import FORCES, OFTEN, PRESSURES, VOLUMES, Coverage, histogram
from universal_set.elements import ELEMENTS
from universal_set.kinds import MAKERS
from universal_set.shards import read_labels, read_manifest

LABELS = Path(__file__).parent / "labels"
N_THIN = 20  # elements in the list of what is thin


def table(head: list[str], rows: list[list[object]]) -> str:
    """Markdown table."""
    lines = [head, ["---"] * len(head), *[[str(cell) for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def kinds_table(coverage: Coverage) -> str:
    """Structures, atoms and forces of each kind."""
    rows: list[list[object]] = []
    for kind in [*[kind for kind in MAKERS if kind in coverage.forces], "all"]:
        chosen = coverage.forces[kind] if kind != "all" else coverage.all_forces()
        sizes = np.concatenate(chosen)
        middle = np.median([np.sqrt((part**2).mean()) for part in chosen])
        shares = [f"{np.sqrt((sizes**2).mean()):.2f}", f"{middle:.2f}", f"{sizes.max():.1f}"]
        rows.append([kind, len(chosen), len(sizes), *shares])
    return table(["kind", "structures", "atoms", "rms force", "median rms of a structure", "largest"], rows)


def histogram_table(name: str, values: list[tuple[str, int]]) -> str:
    """Table of the counts in the bins of a quantity, with their shares."""
    total = sum(count for _, count in values)
    return table([name, "count", "share"], [[bin_, n, f"{n / total:.1%}"] for bin_, n in values])


def thin_elements(coverage: Coverage) -> str:
    """Elements with the fewest condensed structures."""
    order = sorted(ELEMENTS, key=lambda z: coverage.elements["condensed"][z])[:N_THIN]
    return ", ".join(f"{chemical_symbols[z]} {coverage.elements['condensed'][z]}" for z in order)


def card(coverage: Coverage, folder: Path) -> str:
    """Text of the card."""
    shards = read_manifest(folder)["shards"]
    size = sum(entry["bytes"] for entry in shards.values())
    atoms = sum(coverage.atoms.values())
    parts = [
        "# Labels of the universal potential\n",
        f"{len(shards)} shards, {sum(map(len, coverage.forces.values()))} structures, {atoms} atoms, "
        f"{size / 1e6:.1f} MB ({size / atoms:.1f} bytes an atom). Written by `card.py`; `../README.md` says how the "
        "labels are made. Forces in eV/A.\n",
        "## Kinds\n",
        kinds_table(coverage),
        "## Forces (atoms), pressure (condensed structures, GPa), volume over covalent spheres (without slabs)\n",
        histogram_table("force", histogram(np.concatenate(coverage.all_forces()), FORCES)),
        histogram_table("pressure", histogram(coverage.pressures, PRESSURES)),
        histogram_table("volume", histogram(coverage.fillings, VOLUMES)),
        "## Elements and pairs\n",
        f"Elements with the fewest condensed structures: {thin_elements(coverage)}. All are in `elements.csv`.\n",
        "Pairs of different elements by the number of structures that have both; each is in `pairs.csv`.\n",
        pairs_table(coverage),
    ]
    return "\n".join(parts)


def pairs_table(coverage: Coverage) -> str:
    """How many pairs are in how many structures."""
    limits = tuple(float(limit) for limit in OFTEN[1:])
    columns = [histogram(coverage.pairs_seen(state), limits) for state in ("condensed", "isolated")]
    rows: list[list[object]] = [[low[0], low[1], high[1]] for low, high in zip(*columns, strict=True)]
    return table(["structures", "pairs, condensed", "pairs, isolated"], rows)


def write_csv(coverage: Coverage, folder: Path) -> None:
    """Write the counts of all elements and pairs."""
    with (folder / "elements.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["element", "condensed_structures", "isolated_structures", "atoms", "rms_force_ev_ang"])
        for z in ELEMENTS:
            rms = np.sqrt(coverage.squares[z] / max(coverage.atoms[z], 1))
            counts = [coverage.elements[state][z] for state in ("condensed", "isolated")]
            writer.writerow([chemical_symbols[z], *counts, coverage.atoms[z], f"{rms:.3f}"])
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["first", "second", "condensed_structures", "isolated_structures"])
        for pair in combinations(ELEMENTS, 2):
            counts = [coverage.pairs[state][pair] for state in ("condensed", "isolated")]
            writer.writerow([*(chemical_symbols[z] for z in pair), *counts])


def main() -> None:
    """Count and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, default=LABELS, help="folder of the shards")
    folder = parser.parse_args().labels
    coverage = Coverage()
    for frames in read_labels(folder):
        coverage.add(frames)
    (folder / "card.md").write_text(card(coverage, folder))
    write_csv(coverage, folder)
    print((folder / "card.md").read_text())


if __name__ == "__main__":
    main()
