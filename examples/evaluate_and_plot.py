"""Errors of a potential on labelled data, by kind of structure, and a parity plot of the forces.

    python examples/evaluate_and_plot.py              # the shipped potential on its held-out data
    python examples/evaluate_and_plot.py --model run/model.pt --data test.extxyz

`mlpot evaluate MODEL DATA` prints more of the same.
"""

import argparse
from pathlib import Path

from matplotlib.figure import Figure

from mlpot.data import read_structures
from mlpot.engines.opening import open_engine
from mlpot.evaluation import evaluate_structures
from mlpot.model_file.registry import find_potential

SILICON = Path(__file__).parent.parent / "potentials" / "Si-dft" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Si-dft", help="model.pt, or the name of a shipped potential")
    parser.add_argument("--data", type=Path, default=SILICON / "test.extxyz.xz")
    parser.add_argument("--plot", type=Path, default=Path("parity.png"))
    options = parser.parse_args()

    structures = read_structures(options.data, required=["energy", "forces"])
    evaluation = evaluate_structures(open_engine(find_potential(options.model)), structures)

    print(f"{'kind of structure':<24}{'energy':>12}{'forces':>12}   RMSE, meV/atom and meV/A")
    for kind, errors in evaluation.by_config_type.items():
        print(f"{kind:<24}{1e3 * errors['energy'].rmse:12.2f}{1e3 * errors['forces'].rmse:12.1f}")

    labels, predictions = evaluation.sample.forces.T.tolist()
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(labels, predictions, ".", markersize=2)
    axes.axline((0, 0), slope=1, color="black", linewidth=0.5)
    axes.set(xlabel="DFT force, eV/A", ylabel="predicted force, eV/A", title=options.data.name)
    figure.savefig(options.plot, dpi=150)
    print(f"plot: {options.plot}")


if __name__ == "__main__":
    main()
