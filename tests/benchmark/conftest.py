"""One small benchmark, with real processes, that several tests read; scripts of `benchmarks` as modules."""

import importlib.util
import io
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console

from mlpot.benchmark.results import Report, read_report
from mlpot.benchmark.settings import Settings
from mlpot.cli.benchmark import run_benchmark

SCRIPTS = Path(__file__).parents[2] / "benchmarks"

# The peers of other packages are named whether they are installed or not; here they are to cost nothing.
PEERS = ("sw", "snap-2j6")


class Finished(NamedTuple):
    """What a benchmark left."""

    status: int
    report: Report
    output: str
    plot: bytes


@pytest.fixture(scope="session")
def load_script():
    def load(name):
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    settings = Settings(
        presets=("fast",),
        atoms=(64,),
        engines=("native",),
        peers=PEERS,
        rounds=1,
        seconds=1e-6,
    )
    text = io.StringIO()
    status = run_benchmark(
        settings,
        json_path=folder / "report.json",
        plot=folder / "plot.png",
        console=Console(file=text, width=140),
    )
    return Finished(status, read_report(folder / "report.json"), text.getvalue(), (folder / "plot.png").read_bytes())
