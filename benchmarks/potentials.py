"""Measure potentials that ship: `metrics.json` and the tables in `card.md` of a folder of `potentials`.

    python benchmarks/potentials.py Si --test Si_test.extxyz --structure Si:diamond:5.47 --stable

The license of the card is written into the files of the presets. Each preset is compared with test data, passes through
`mlpot check` and, where the structure is a crystal, `mlpot properties`. Complete results of the same file in the output
folder are used again. The tables are in the card between the lines `<!-- measured -->` and `<!-- end -->`; reference
values come from `reference.yaml`.
"""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from mlpot.model_file.bundle import ModelBundle

POTENTIALS = Path(__file__).resolve().parents[1] / "potentials"
BEGIN, END = "<!-- measured -->", "<!-- end -->"
LABELS = {"energy": (1e3, "energy meV/atom"), "forces": (1e3, "force meV/A"), "stress": (160.21766, "stress GPa")}
Table = list[list[str]]


def main(
    name: Annotated[str, typer.Argument(help="folder in potentials")],
    test: Annotated[Path, typer.Option(help="labelled structures that are not training data")],
    structure: Annotated[str, typer.Option(help="a file, or e.g. Si:diamond:5.43")],
    stable: Annotated[bool, typer.Option("--stable", help="the structure is a crystal, stable at 0 K")] = False,
    time: Annotated[float, typer.Option(help="ps at twice the melting point")] = 100.0,
    starts: Annotated[int, typer.Option(help="random structures that are relaxed")] = 300,
    melting_point: Annotated[float | None, typer.Option(help="K; by default that of the element")] = None,
    output: Annotated[Path, typer.Option(help="folder of the results")] = Path("measured"),
) -> None:
    """Measure all presets of one potential."""
    metrics = {}
    for file in sorted((POTENTIALS / name).glob("*.pt"), key=lambda file: file.stem != "fast"):
        write_license(file, license_of((POTENTIALS / name / "card.md").read_text()))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        folder = output.resolve() / f"{name}-{file.stem}-{digest[:12]}"
        check = ["--structure", structure, "--time", str(time), "--starts", str(starts)]
        check += ["--stable"] if stable else []
        check += ["--melting-point", str(melting_point)] if melting_point else []
        metrics[file.stem] = {
            "sha256": digest,
            "test": measured(folder / "test.json", ["evaluate", file, test, "--json", folder / "test.json"]),
            "check": measured(folder / "check/check.json", ["check", file, *check, "--output", folder / "check"]),
        }
        if stable:
            properties = ["properties", file, "--structure", structure, "--output", folder / "properties"]
            metrics[file.stem]["properties"] = measured(folder / "properties/properties.json", properties)["table"]
    (POTENTIALS / name / "metrics.json").write_text(json.dumps(kept(metrics), indent=1) + "\n")
    write_tables(POTENTIALS / name, metrics)


def write_license(file: Path, license: str) -> None:
    """Write the license of the card into a model file, without other changes."""
    bundle = ModelBundle.read(file)
    if bundle.manifest.license != license:
        bundle.with_license(license).save(file)


def license_of(card: str) -> str:
    """License in the table of a card."""
    return re.search(r"^\| license \| (.+) \|$", card, re.MULTILINE)[1]  # type: ignore[index]  # each card has one


def measured(result: Path, command: list[Any]) -> dict[str, Any]:
    """Read the result of a command of mlpot, which is run if there is none."""
    result.parent.mkdir(parents=True, exist_ok=True)
    if not result.exists() or not json.loads(result.read_text()).get("complete", True):
        subprocess.run([sys.executable, "-m", "mlpot", *map(str, command)], check=False)  # a check may fail
    content: dict[str, Any] = json.loads(result.read_text())
    return content


def kept(metrics: dict[str, Any]) -> dict[str, Any]:
    """Metrics without the numbers of each check and without paths."""
    result = {}
    for preset, found in metrics.items():
        test = {key: value for key, value in found["test"].items() if key not in ("model", "data")}
        check = [{key: line[key] for key in ("name", "status", "sentence")} for line in found["check"]["checks"]]
        result[preset] = {**found, "test": test, "check": check}
    return result


def write_tables(folder: Path, metrics: dict[str, Any]) -> None:
    """Write the tables into the card."""
    card = folder / "card.md"
    before, _, rest = card.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    presets = " / ".join(f"`{preset}`" for preset in metrics)
    parts = ["## Errors on test structures", f"Root mean square, {presets}; all figures are in `metrics.json`."]
    parts += [markdown(errors(metrics)), "## Error bars", "Of the force on each atom, for the same structures."]
    parts += [markdown(error_bars(metrics)), "## Checks", "Results of `mlpot check`.", markdown(checks(metrics))]
    if all("properties" in found for found in metrics.values()):
        parts += ["## Properties", markdown(properties(metrics, folder / "reference.yaml"))]
    card.write_text("\n\n".join([before + BEGIN, *parts, END + after]))


def errors(metrics: dict[str, Any]) -> Table:
    """One row for each kind of structure."""
    tests = [found["test"]["by_config_type"] for found in metrics.values()]
    labels = [label for label in LABELS if label in tests[0]["all"]]
    rows = [["config_type", *(LABELS[label][1] for label in labels)]]
    kinds = sorted(set(tests[0]) - {"all"})
    for kind in [*(kinds if len(kinds) > 1 else []), "all"]:
        rows.append([kind, *(" / ".join(error_text(test[kind], label) for test in tests) for label in labels)])
    return rows


def error_text(errors: dict[str, Any], label: str) -> str:
    """Root mean square error in the units of the table."""
    return f"{LABELS[label][0] * errors[label]['rmse']:.2g}" if label in errors else "-"


def error_bars(metrics: dict[str, Any]) -> Table:
    """Quality of the calibrated error bars."""
    bars = [found["test"]["error_bars"] for found in metrics.values()]
    return [
        ["measure", *metrics],
        ["errors inside the 90 % interval, %", *(f"{100 * bar['coverage']['0.9']:.0f}" for bar in bars)],
        ["mean sigma, meV/A", *(f"{1000 * bar['mean_sigma']:.2g}" for bar in bars)],
        ["AUROC of sigma for the worst 5 %", *(f"{bar['auroc']:.2f}" for bar in bars)],
        ["AUROC of the feature distance", *(f"{bar['distance_auroc']:.2f}" for bar in bars)],
    ]


def checks(metrics: dict[str, Any]) -> Table:
    """One row for each check."""
    rows = [["check", *metrics]]
    for lines in zip(*(found["check"]["checks"] for found in metrics.values()), strict=True):
        rows.append([lines[0]["name"], *(f"{line['status']}: {line['sentence']}" for line in lines)])
    return rows


def properties(metrics: dict[str, Any], reference: Path) -> Table:
    """One row for each quantity."""
    known = yaml.safe_load(reference.read_text()) if reference.exists() else {}
    rows = [["quantity", *metrics, *(["reference"] if known else [])]]
    for lines in zip(*(found["properties"] for found in metrics.values()), strict=True):
        quantity, unit = lines[0]["quantity"], lines[0]["unit"]
        values = [line["value"] for line in lines] + ([str(known.get(quantity, ""))] if known else [])
        rows.append([f"{quantity}, {unit}" if unit else quantity, *values])
    return rows


def markdown(rows: Table) -> str:
    """Write a table whose first row is its head."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    typer.run(main)
