"""Exponents and gains from reports."""

import io

import pytest
from rich.console import Console

from mlpot.benchmark.results import Machine, Report, Row
from mlpot.benchmark.scaling import growths, plot_scaling, speedups
from mlpot.cli.benchmark import print_scaling


def row(atoms, cost, ranks=1, threads=1, potential="fast"):
    return Row(
        potential=potential,
        mlpot=True,
        program="LAMMPS",
        engine="native (avx2)",
        precision="mixed",
        atoms=atoms,
        ranks=ranks,
        threads=threads,
        steps=10,
        us_per_atom_step=[cost, 0.9 * cost, 1.3 * cost],
        trial=False,
        list_builds=0,
        bytes_per_atom=None,
    )


def report(rows):
    machine = Machine(processor="a processor", cores=2, instructions="avx2", gflops_per_core=50.0, system="Linux")
    fixed = {"temperature": 300.0, "timestep": 0.5, "skin": 1.0, "neighbors": 28.0, "cutoff": 5.0}
    texts = {"command": "mlpot benchmark", "created": "2025-01-01", "system": "diamond Si", "versions": {"mlpot": "0"}}
    return Report(**texts, **fixed, machine=machine, rounds=3, interrupted=False, rows=rows, skipped=[], failed=[])


@pytest.mark.parametrize("power", [0.0, 0.5, -0.2])
def test_exponent_of_a_power_law(power):
    sizes = [512, 4096, 32768, 262144]
    (found,) = growths(report([row(n, 3.0 * n**power) for n in sizes]))
    assert found.exponent == pytest.approx(1.0 + power, abs=1e-10)
    if power == 0.0:
        assert found.deviation == pytest.approx(0.0, abs=1e-12)


def test_deviation_is_that_of_the_cost_of_an_atom():
    (found,) = growths(report([row(512, 2.0), row(4096, 3.0), row(32768, 4.0)]))
    assert found.deviation == pytest.approx(1.0 / 3.0)


def test_each_potential_has_its_own_exponent_and_other_ranks_none():
    rows = [row(512, 2.0), row(4096, 2.0), row(4096, 1.0, ranks=2), row(512, 9.0, potential="max")]
    assert [growth.name for growth in growths(report(rows))] == ["fast, native (avx2)"]


def test_gains_compare_medians_of_the_same_system():
    rows = [row(512, 8.0), row(4096, 3.0), row(4096, 1.5, ranks=2), row(4096, 2.0, threads=2)]
    found = speedups(report(rows))
    assert [(gain.ranks, gain.threads) for gain in found] == [(2, 1), (1, 2)]
    assert [gain.factor for gain in found] == pytest.approx([2.0, 1.5])


def test_plot_and_text(tmp_path):
    rows = [row(512, 3.0), row(4096, 3.1), row(4096, 1.6, ranks=2), row(4096, 1.7, threads=2)]
    plot_scaling(report(rows), tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
    text = io.StringIO()
    print_scaling(report(rows), Console(file=text, width=120))
    assert "time of a step ~ atoms^1.016; cost of an atom within 2 % of its mean" in text.getvalue()
    assert "2 ranks are 1.94 times as fast" in text.getvalue()
    assert "2 threads are 1.82 times as fast" in text.getvalue()


def test_the_cost_of_a_row_is_its_median():
    assert row(512, 3.0).median == 3.0
