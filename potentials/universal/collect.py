"""Collect the shards into ``train.extxyz`` and ``validation.extxyz`` for training.

    python potentials/universal/collect.py FOLDER

The parts share no formula; elements alone are all in the training part. ``info`` has the kind and source of each frame,
with which errors can be counted apart.
"""

import argparse
from pathlib import Path

import ase.io
from universal_set.shards import read_labels
from universal_set.split import is_validation

LABELS = Path(__file__).parent / "labels"


def main() -> None:
    """Read all shards and write the parts, shard by shard."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the two files")
    parser.add_argument("--share", type=float, default=0.05, help="share of formulas that validate")
    parser.add_argument("--labels", type=Path, default=LABELS, help="folder of the shards")
    arguments = parser.parse_args()
    paths = {True: arguments.folder / "validation.extxyz", False: arguments.folder / "train.extxyz"}
    for path in paths.values():
        path.unlink(missing_ok=True)
    for frames in read_labels(arguments.labels):
        parts = {True: [], False: []}
        for frame in frames:
            parts[is_validation(frame, arguments.share)].append(frame.to_ase())
        for chosen, structures in parts.items():
            ase.io.write(paths[chosen], structures, format="extxyz", append=True)
        print({paths[chosen].name: len(structures) for chosen, structures in parts.items()}, flush=True)


if __name__ == "__main__":
    main()
