"""Train a potential from Python; `mlpot train train.yaml` does the same from a file.

    python examples/train.py                          # about five minutes on two cores
    python examples/train.py --data my.extxyz --output my-run

Ends with a folder that holds model.pt, the learning curve, parity plots and the errors.
"""

import argparse
from pathlib import Path

from rich.console import Console

from mlpot.cli.training_display import TrainingDisplay
from mlpot.config import DataConfig, ModelSection, OptimizationConfig, RunConfig, TrainConfig
from mlpot.training import train

SILICON = Path(__file__).parent.parent / "potentials" / "Si-dft" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SILICON / "train.extxyz.xz", help="labelled structures")
    parser.add_argument("--output", type=Path, default=Path("silicon-run"))
    parser.add_argument("--preset", choices=["fast", "balanced", "accurate", "max"], default="fast")
    parser.add_argument("--channels", type=int, help="width of the model; by default that of the preset")
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()

    width = {} if options.channels is None else {"n_channels": options.channels}
    config = TrainConfig(
        data=DataConfig(train=[options.data], validation=0.1),
        model=ModelSection(preset=options.preset, **width),
        training=OptimizationConfig(epochs=options.epochs, batch_atoms=64),
        run=RunConfig(output=options.output, device="cpu"),
    )
    with TrainingDisplay(Console()) as display:
        result = train(config, observer=display)
    if result.validation is not None:
        energy, forces = result.validation["energy_rmse"], result.validation["forces_rmse"]
        print(f"validation RMSE: energy {energy:.1f} meV/atom, forces {forces:.0f} meV/A")
    print(f"model: {result.model}")


if __name__ == "__main__":
    main()
