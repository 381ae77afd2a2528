"""Train and score on the published data sets of `published.yaml`.

    python benchmarks/published.py acac --data FOLDER                     # all presets, three seeds
    python benchmarks/published.py acac --data FOLDER --preset fast --seed 0
    python benchmarks/published.py acac --data FOLDER --preset accurate --teacher MODEL --teacher MODEL

Each run has its own folder; a stopped run continues, and a complete one is not repeated. A test file is read once for
each run, after its end. The table of all complete runs is written to `published.csv` in the output
folder: mean over the seeds and their standard deviation.
"""

import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import ase.io
import typer
import yaml

import mlpot
from mlpot.config import PRESETS
from mlpot.data.reading import iterate_atoms
from mlpot.properties import elastic_constants, equation_of_state, structure_from, vacancy_energies
from mlpot.training.run import SUMMARY_NAME

SETS: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text())
"""Splits by name of the set."""


def main(
    name: Annotated[str, typer.Argument(help=f"one of {', '.join(SETS)}")],
    data: Annotated[Path, typer.Option(help="folder of the data sets")],
    output: Annotated[Path, typer.Option(help="folder of the runs and of the table")] = Path("published"),
    preset: Annotated[list[str] | None, typer.Option(help=f"{', '.join(PRESETS)}; by default all")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="by default 0, 1, 2")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help="as for `mlpot train`")] = None,
    teacher: Annotated[list[Path] | None, typer.Option(help="model of the same set to learn from, too")] = None,
    train_only: Annotated[bool, typer.Option("--train-only", help="leave the test files unread")] = False,
) -> None:
    """Train and score on one data set."""
    for chosen in preset or PRESETS:
        for number in seed or [0, 1, 2]:
            folder = output.resolve() / name / f"{chosen}{' distilled' if teacher else ''}-{number}"
            refuse_other_settings(folder, [*(setting or []), *map(str, teacher or [])])
            if not is_complete(folder):
                train(SETS[name], data, folder, chosen, number, setting or [], teacher or [])
            if not train_only and not (folder / "test.json").exists():
                score(SETS[name], data, folder)
            if "crystal" in SETS[name] and not (folder / "crystal.json").exists():
                score_crystal(SETS[name]["crystal"], folder)
    write_table(output)


def refuse_other_settings(folder: Path, settings: list[str]) -> None:
    """Record the settings of a run besides its preset, and refuse to continue a run with others."""
    wanted, note = sorted(text for text in settings if not text.startswith("run.")), folder / "settings.json"
    if note.exists() and (found := json.loads(note.read_text())) != wanted:
        raise typer.BadParameter(f"{folder} is a run with {found}, not {wanted}: give another --output")
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(wanted) + "\n")


def is_complete(folder: Path) -> bool:
    """Whether a training has run to its end."""
    summary = folder / SUMMARY_NAME
    return summary.exists() and bool(json.loads(summary.read_text())["complete"])


def train(
    split: dict[str, Any], data: Path, folder: Path, preset: str, seed: int, settings: list[str], teachers: list[Path]
) -> None:
    """Start a training, or continue it."""
    if (folder / "checkpoint.pt").exists():
        subprocess.run([sys.executable, "-m", "mlpot", "train", folder, "--resume"], check=True)
        return
    folder.mkdir(parents=True, exist_ok=True)
    isolated = any("isolated" in file or "iso_" in file for file in split["train"])
    content = {
        "data": {
            "train": [str(local_copy(data, file, folder)) for file in split["train"]],
            "reference_energies": "isolated" if isolated else "least_squares_min_norm",
        },
        "model": {"preset": preset},
        "training": {"seed": seed, "epochs": split["epochs"]},
        "run": {"output": str(folder)},
    }
    if teachers:  # as long as is usual with them
        temperature = split.get("temperature", 300)
        distill = {"teachers": [str(teacher.resolve()) for teacher in teachers], "temperature": temperature}
        content["training"] = {"seed": seed, "distill": distill}
    if "validation" in split:
        content["data"]["validation"] = [str(local_copy(data, file, folder)) for file in split["validation"]]
    config = folder / "published.yaml"
    config.write_text(yaml.safe_dump(content))
    settings = [*split.get("settings", []), *split.get("presets", {}).get(preset, []), *settings]
    options = [word for setting in settings for word in ("--set", setting)]
    subprocess.run([sys.executable, "-m", "mlpot", "train", config, *options], check=True)


def local_copy(data: Path, file: str, folder: Path) -> Path:
    """Frames of a file, as a file in the folder of the run."""
    name, _, index = file.partition("@")
    plain = data / name
    source = plain if plain.exists() else plain.with_name(plain.name + ".xz")
    target = folder / f"{plain.stem}{index.replace(':', '_')}.extxyz"
    ase.io.write(target, list(iterate_atoms(source, index or ":")), format="extxyz")
    return target


def score(split: dict[str, Any], data: Path, folder: Path) -> None:
    """Errors on the test files: meV per structure or meV/atom, meV/A."""
    errors = {}
    for name, file in split["test"].items():
        report = folder / "evaluation.json"
        command = [sys.executable, "-m", "mlpot", "evaluate", folder / "model.pt", local_copy(data, file, folder)]
        subprocess.run([*command, "--json", report], check=True)
        found = json.loads(report.read_text())
        kinds = found["by_config_type"]["all"]
        per_structure = 1e3 * found["n_atoms"] / found["n_structures"]
        for label, kind in split["errors"].items():
            factor = per_structure if label == "energy" else 1e3
            errors[f"{name}: {label} {kind}"] = factor * kinds[label.removesuffix("_per_atom")][kind]
    (folder / "test.json").write_text(json.dumps(errors, indent=1) + "\n")


def score_crystal(structure: str, folder: Path) -> None:
    """Lattice constant, elastic constants and vacancy of a cubic crystal."""
    calculator, crystal = mlpot.load(folder / "model.pt", precision="double"), structure_from(structure)
    values = {"lattice constant, A": equation_of_state(crystal, calculator).lengths[0]}
    for name, value in elastic_constants(crystal, calculator).constants.items():
        values[f"{name}, GPa"] = value
    (site,) = vacancy_energies(crystal, calculator).sites
    values[f"vacancy in {site.n_atoms + 1} atoms, eV"] = site.energy
    (folder / "crystal.json").write_text(json.dumps(values, indent=1) + "\n")


def write_table(output: Path) -> None:
    """Mean and standard deviation over the seeds of everything that differs in more than the seed."""
    found: dict[tuple[str, str, int, str, str], list[float]] = {}
    minutes: dict[tuple[str, str, int, str], list[float]] = {}
    for file in sorted(output.glob("*/*-*/test.json")):
        summary = json.loads((file.parent / SUMMARY_NAME).read_text())
        model, distill = dict(summary["config"]["model"]), summary["config"]["training"].get("distill")
        preset, teachers = model.pop("preset"), len(distill["teachers"]) if distill else 0
        run = (file.parent.parent.name, preset, teachers, json.dumps(model, sort_keys=True))
        minutes.setdefault(run, []).append(summary["wall_time_s"] / 60)
        crystal = file.with_name("crystal.json")
        values = json.loads(file.read_text()) | (json.loads(crystal.read_text()) if crystal.exists() else {})
        for label, value in values.items():
            found.setdefault((*run, label), []).append(value)
    with (output / "published.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        columns = ["set", "preset", "teachers", "error", "mean", "standard deviation", "seeds", "minutes", "model"]
        table.writerow(columns)
        for (*run, model, label), values in found.items():
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            time = statistics.mean(minutes[(*run, model)])
            numbers = [f"{statistics.mean(values):.5g}", f"{spread:.2g}", len(values), f"{time:.1f}"]
            table.writerow([*run, label, *numbers, model])


if __name__ == "__main__":
    typer.run(main)
