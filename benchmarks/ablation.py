"""What each part of the model and of the training is worth: errors on validation data against cost in LAMMPS.

    python benchmarks/ablation.py train --data FOLDER               # rows of `ablation.yaml`, one after the other
    python benchmarks/ablation.py train --data FOLDER --row base    # one of them
    python benchmarks/ablation.py cost                              # us/atom/step of each architecture; idle machine
    python benchmarks/ablation.py plot                              # docs/accuracy.png

A row is a set of `published.yaml` and settings for `mlpot train`. Validation data are taken from its training files;
test files are not touched. A run that was stopped goes on, and what is in `ablation.csv` is not repeated. Peers are
drawn at their published test errors and the cost of their usual size on one machine (`peers.csv`).
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import typer
import yaml
from published import SETS, is_complete
from published import train as train_split

from mlpot.benchmark.models import write_untrained
from mlpot.benchmark.results import read_report
from mlpot.config import ModelConfig
from mlpot.training.run import SUMMARY_NAME

HERE = Path(__file__).parent
ROWS: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "ablation.yaml").read_text())
TABLE, COSTS = HERE / "ablation.csv", HERE / "ablation_cost.csv"
PEERS = HERE / "peers.csv"
PRESET_MARKERS = {"fast": "o", "accurate": "s", "max": "^"}
COLUMNS = ("row", "set", "preset", "epochs", "settings", "forces_rmse", "forces_mae", "energy_rmse", "minutes", "model")
app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="folder of the data sets")],
    output: Annotated[Path, typer.Option(help="folder of the runs")] = Path("ablation"),
    row: Annotated[list[str] | None, typer.Option(help="by default all")] = None,
) -> None:
    """Train rows that are not in the table on one core each, and add them to it."""
    done = {line["row"] for line in read(TABLE)}
    for name in row or ROWS:
        if name in done:
            continue
        wanted = ROWS[name]
        folder = output.resolve() / name
        if not is_complete(folder):
            settings = [f"training.epochs={wanted['epochs']}", "run.threads=1", *wanted.get("settings", [])]
            train_split(SETS[wanted["set"]], data, folder, wanted["preset"], 0, settings)
        add(name, wanted, json.loads((folder / SUMMARY_NAME).read_text()))


@app.command()
def cost(rounds: Annotated[int, typer.Option(help="samples of each, in turn")] = 3) -> None:
    """Time each architecture on silicon in LAMMPS, one core."""
    architectures = sorted({line["model"] for line in read(TABLE)})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        files = [
            write_untrained(ModelConfig(**json.loads(text)), ["Si"], 46.0, Path(folder) / f"model-{number}.pt")
            for number, text in enumerate(architectures)
        ]
        options = ["--engine", "native", "--peers", "none", "--rounds", str(rounds), "--json", report]
        subprocess.run([sys.executable, "-m", "mlpot", "benchmark", *files, *options], check=True)
        found = {Path(row.potential).stem: row for row in read_report(report).rows if row.program == "LAMMPS"}
    with COSTS.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["model", "cost"])
        for text, file in zip(architectures, files, strict=True):
            table.writerow([text, f"{found[file.stem].median:.3g}"])


@app.command()
def plot(output: Annotated[Path, typer.Option(help="PNG")] = HERE.parent / "docs" / "accuracy.png") -> None:
    """Draw error against cost, one panel for each set."""
    costs = {line["model"]: float(line["cost"]) for line in read(COSTS)}
    lines = [line for line in read(TABLE) if line["model"] in costs]
    sets = [name for name in SETS if any(line["set"] == name for line in lines)]
    figure, axes = plt.subplots(1, len(sets), figsize=(5.0 * len(sets), 4.2), squeeze=False, layout="constrained")
    for axis, name in zip(axes[0], sets, strict=True):
        for preset, marker in PRESET_MARKERS.items():
            own = [line for line in lines if line["set"] == name and line["preset"] == preset]
            x, y = [costs[line["model"]] for line in own], [float(line["forces_rmse"]) for line in own]
            axis.scatter(x, y, marker=marker, label=f"mlpot, from {preset}", alpha=0.7)
        for peer in read(PEERS):
            if peer["set"] == name:
                x, y = float(peer["cost"]), float(peer["forces_rmse"])
                axis.scatter(x, y, color="0.4", marker="x")
                axis.annotate(peer["name"], (x, y), textcoords="offset points", xytext=(-4, 6), ha="right", fontsize=8)
        axis.set(xscale="log", yscale="log", title=name, xlabel="us/atom/step in LAMMPS, one core")
        axis.set_ylabel("rms error of force components, meV/A")
        axis.legend(fontsize=8)
    figure.savefig(output, dpi=120)


def add(name: str, wanted: dict[str, Any], summary: dict[str, Any]) -> None:
    """Append one complete run to the table."""
    errors, model = summary["errors"]["validation"], dict(summary["config"]["model"])
    del model["preset"]
    line = {
        "row": name,
        **{key: wanted[key] for key in ("set", "preset", "epochs")},
        "settings": " ".join(wanted.get("settings", [])),
        **{key: f"{errors[key]:.4g}" for key in ("forces_rmse", "forces_mae", "energy_rmse")},
        "minutes": f"{summary['wall_time_s'] / 60:.1f}",
        "model": json.dumps(model, sort_keys=True),
    }
    begins = not TABLE.exists()
    with TABLE.open("a", newline="") as stream:
        table = csv.DictWriter(stream, COLUMNS)
        if begins:
            table.writeheader()
        table.writerow(line)


def read(path: Path) -> list[dict[str, str]]:
    """Lines of a table; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


if __name__ == "__main__":
    app()
