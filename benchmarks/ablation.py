"""Ablation of the model and the training: errors against cost in LAMMPS.

    python benchmarks/ablation.py train --data FOLDER               # rows of `ablation.yaml`, one after the other
    python benchmarks/ablation.py train --data FOLDER --row base    # one of them
    python benchmarks/ablation.py cost                              # us/atom/step of each architecture; idle machine
    python benchmarks/ablation.py plot                              # docs/accuracy.png

A row is a preset and settings for `mlpot train`, tried on a molecule and on a metal. A fifth of the training files is
held out for the errors; test files are not used. A stopped run continues, and rows of `ablation.csv` are not repeated.
The plot also shows the results of `published.py` on test files (`published.csv`), and peers at their published errors
and the cost of their usual size on one machine (`peers.csv`).
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
from matplotlib.axes import Axes
from published import SETS, is_complete
from published import train as train_split

from mlpot.benchmark.models import write_untrained
from mlpot.benchmark.results import read_report
from mlpot.config import PRESETS, ModelConfig
from mlpot.training.run import SUMMARY_NAME

HERE = Path(__file__).parent
PLAN: dict[str, Any] = yaml.safe_load((HERE / "ablation.yaml").read_text())
ROWS: dict[str, dict[str, Any]] = {name: {"preset": "accurate", **row} for name, row in PLAN["rows"].items()}
EPOCHS: dict[str, int] = PLAN["epochs"]
TABLE, COSTS = HERE / "ablation.csv", HERE / "ablation_cost.csv"
PEERS, PUBLISHED = HERE / "peers.csv", HERE / "published.csv"
FRONT = {
    "acac": ("AcAc, 300 K", "forces rmse"),
    "3bpa": ("3BPA, 300 K", "forces rmse"),
    "rmd17_ethanol": ("rMD17 ethanol", "forces mae"),
}
TRIED_ON = {"acac": ("AcAc", "forces_rmse"), "mlearn_Ni": ("nickel", "forces_mae")}
COLUMNS = ("row", "set", "preset", "epochs", "settings", "forces_rmse", "forces_mae", "energy_rmse", "minutes", "model")
app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="folder of the data sets")],
    output: Annotated[Path, typer.Option(help="folder of the runs")] = Path("ablation"),
    row: Annotated[list[str] | None, typer.Option(help="by default all")] = None,
) -> None:
    """Train rows that are not in the table on one core each, and add them to it."""
    for name in row or ROWS:
        for split, epochs in EPOCHS.items():
            if (name, split) in {(line["row"], line["set"]) for line in read(TABLE)}:
                continue
            wanted, folder = ROWS[name], output.resolve() / split / name
            if not is_complete(folder):
                # 5 A, as in the presets, unless the row has another value: `published.yaml` has less for molecules.
                settings = [f"training.epochs={epochs}", "data.validation=0.2", "run.threads=1", "model.cutoff=5"]
                settings += wanted.get("settings", [])
                train_split(SETS[split], data, folder, wanted["preset"], 0, settings, teachers=[])
            add(name, split, json.loads((folder / SUMMARY_NAME).read_text()))


@app.command()
def cost(rounds: Annotated[int, typer.Option(help="samples of each, in turn")] = 3) -> None:
    """Time each architecture on silicon in LAMMPS, one core."""
    architectures = {timed_as(preset) for preset in PRESETS.values()}
    architectures.update(timed_as(json.loads(line["model"])) for line in read(TABLE))
    architectures.update(timed_as(json.loads(line["model"])) for line in drawn())
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        files = {
            text: write_untrained(ModelConfig(**json.loads(text)), ["Si"], 28.0, Path(folder) / f"model-{number}.pt")
            for number, text in enumerate(sorted(architectures))
        }
        options = ["--engine", "native", "--peers", "none", "--rounds", str(rounds), "--json", report]
        subprocess.run([sys.executable, "-m", "mlpot", "benchmark", *files.values(), *options], check=True)
        found = {Path(row.potential).stem: row for row in read_report(report).rows if row.program == "LAMMPS"}
    with COSTS.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["model", "cost"])
        for text, file in files.items():
            table.writerow([text, f"{found[file.stem].median:.3g}"])


@app.command()
def plot(output: Annotated[Path, typer.Option(help="PNG")] = HERE.parent / "docs" / "accuracy.png") -> None:
    """Draw errors on test files, with those of peers, and those of the rows on validation data."""
    costs = {line["model"]: float(line["cost"]) for line in read(COSTS)}
    figure = plt.figure(figsize=(15, 8.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1)
    fronts, changes = upper.subplots(1, len(FRONT)), lower.subplots(1, len(TRIED_ON))
    for axis, (name, (title, error)) in zip(fronts, FRONT.items(), strict=True):
        draw_front(axis, name, error, costs)
        axis.set(title=title, ylabel=f"force error on test data, {error.split()[-1].upper()}, meV/A")
    for axis, name in zip(changes, TRIED_ON, strict=True):
        draw_rows(axis, name, costs)
    for axis in (*fronts, *changes):
        axis.set(xscale="log", yscale="log", xlabel="us/atom/step on one core, silicon")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("")
        axis.grid(which="both", alpha=0.2)
    figure.savefig(output, dpi=110)


def draw_front(axis: Axes, name: str, error: str, costs: dict[str, float]) -> None:
    """Draw results on one published set that have a cost: current presets in one line, the rest, and peers."""
    groups: dict[str, list[tuple[float, float, float, str]]] = {}
    for line in drawn():
        microseconds = costs.get(timed_as(json.loads(line["model"])))
        if line["set"] != name or not line["error"].endswith(error) or microseconds is None:
            continue
        distilled = line["teachers"] != "0"
        group = (
            "mlpot, distilled" if distilled else "mlpot" if name_of(line) in PRESETS else "mlpot, other than presets"
        )
        spread = 0.0 if line["seeds"] == "1" else float(line["standard deviation"])
        groups.setdefault(group, []).append((microseconds, float(line["mean"]), spread, name_of(line)))
    for group, points in sorted(groups.items()):
        x, y, spreads, names = zip(*sorted(points), strict=True)
        alone = len(points) == 1  # then there is room for its name in the legend only
        style = "o-" if group == "mlpot" else "o"
        axis.errorbar(x, y, spreads, fmt=style, label=group + (f": {names[0]}" if alone else ""))
        for place, text in zip(zip(x, y, strict=True), names, strict=True):
            if not alone:
                offset = (6, 4) if group == "mlpot" else (8, -3)
                axis.annotate(text, place, textcoords="offset points", xytext=offset, fontsize=8)
    axis.legend(frameon=False)
    peers = [line for line in read(PEERS) if line["set"] == name]
    axis.scatter(
        [float(peer["cost"]) for peer in peers], [float(peer["forces"]) for peer in peers], color="0.4", marker="x"
    )
    for peer in peers:
        place = (float(peer["cost"]), float(peer["forces"]))
        axis.annotate(peer["name"], place, textcoords="offset points", xytext=(0, -13), ha="center", fontsize=8)
    lowest, highest = axis.get_ylim()
    axis.set(xlim=(2.0, 100000.0), ylim=(0.93 * lowest, 1.07 * highest))  # room for names


def draw_rows(axis: Axes, name: str, costs: dict[str, float]) -> None:
    """Draw the rows of the ablation on one set that differ in the model and whose cost is known."""
    title, error = TRIED_ON[name]
    lines = [line for line in read(TABLE) if line["set"] == name]
    base = next(line["model"] for line in lines if line["row"] == "base")
    for line in lines:
        microseconds = costs.get(timed_as(json.loads(line["model"])))
        is_of_training = line["row"] != "base" and line["model"] == base
        if is_of_training or microseconds is None:
            continue
        place = (microseconds, float(line[error]))
        is_preset = line["row"] in PRESETS or line["row"] == "base"
        axis.scatter(*place, color="C0" if is_preset else "C1", s=20)
        label = "accurate" if line["row"] == "base" else line["row"]
        axis.annotate(label, place, textcoords="offset points", xytext=(4, 2), fontsize=6)
    axis.set_xlim(1.5, 100.0)
    kind = error.split("_")[1].upper()
    axis.set(
        title=f"{title}, {EPOCHS[name]} epochs: one change each",
        ylabel=f"force error on validation data, {kind}, meV/A",
    )


def drawn() -> list[dict[str, str]]:
    """Lines of `published.csv` that are drawn."""
    return [line for line in read(PUBLISHED) if line["set"] in FRONT]


def name_of(line: dict[str, str]) -> str:
    """Name of the preset, with differences from the current one: degree, and messages with tensors."""
    model, preset = json.loads(line["model"]), ModelConfig(**PRESETS[line["preset"]])
    degree = "" if model["lmax"] == preset.lmax else f", degree {model['lmax']}"
    return line["preset"] + degree + ("" if model["message_lmax"] == preset.message_lmax else ", tensors")


def timed_as(model: dict[str, Any]) -> str:
    """Return an architecture as in the table of costs: the distance transform costs nothing."""
    return json.dumps(ModelConfig(**{**model, "distance_transform": 1.0}).model_dump(), sort_keys=True)


def add(name: str, split: str, summary: dict[str, Any]) -> None:
    """Append one complete run to the table."""
    errors, model = summary["errors"]["validation"], dict(summary["config"]["model"])
    line = {
        "row": name,
        "set": split,
        "preset": model.pop("preset"),
        "epochs": EPOCHS[split],
        "settings": " ".join(ROWS[name].get("settings", [])),
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
