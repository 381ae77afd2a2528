"""Report of the quickstart: one table on the terminal, one HTML page that holds its pictures itself."""

import base64
import html
from pathlib import Path

from rich.table import Table

from mlpot.cli.quickstart.steps import Results
from mlpot.plotting import new_figure, tidy

PAGE = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mlpot quickstart</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
h1 {{ font-size: 1.6rem }} h2 {{ font-size: 1.15rem; margin-top: 2rem }}
table {{ border-collapse: collapse }} td {{ padding: .25rem 1.2rem .25rem 0; border-bottom: 1px solid #ddd }}
td:nth-child(2) {{ text-align: right; font-variant-numeric: tabular-nums }} img {{ max-width: 100% }}
</style></head><body>
<h1>mlpot quickstart: a silicon potential</h1>
<p>Trained on the DFT data of <code>potentials/Si-dft/data</code>, exported to <code>training/model.pt</code>, and used
in ASE and in LAMMPS. <code>lammps/in.silicon</code> is the LAMMPS input.</p>
<table>{rows}</table>
{figures}
</body></html>
"""


def rows(results: Results) -> list[tuple[str, str]]:
    """Lines of the table: what, and its value with unit."""
    test = results.training["errors"]["test"]
    lines = [
        ("energy error on held-out DFT, rmse", f"{test['energy_rmse']:.1f} meV/atom"),
        ("force error on held-out DFT, rmse", f"{test['forces_rmse']:.0f} meV/Å"),
    ]
    if "stress_rmse" in test:
        lines.append(("stress error on held-out DFT, rmse", f"{test['stress_rmse'] / 6.2415:.2f} GPa"))
    crystal, dynamics, lammps = results.crystal, results.dynamics, results.lammps
    return [
        *lines,
        ("lattice constant", f"{crystal.lattice_constant:.3f} Å"),
        ("bulk modulus", f"{results.equation.bulk_modulus:.0f} GPa"),
        ("vacancy formation energy, 63 atoms", f"{crystal.vacancy_energy:.2f} eV"),
        (f"NVE in ASE at {dynamics.temperature:.0f} K: energy drift", f"{dynamics.drift:.1e} eV/atom/ps"),
        ("LAMMPS against ASE: energy", f"{lammps.energy_difference:.1e} eV/atom"),
        ("LAMMPS against ASE: largest force difference", f"{lammps.force_difference:.1e} eV/Å"),
        ("speed in ASE, 64 atoms, float64", f"{dynamics.rate:,.0f} atoms·steps/s"),
        (f"speed in LAMMPS, {lammps.n_atoms} atoms, two ranks", f"{lammps.rate:,.0f} atoms·steps/s"),
        ("time of this run, all steps", f"{results.seconds:.0f} s"),
    ]


def results_table(results: Results) -> Table:
    """Table for the terminal."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    for what, value in rows(results):
        table.add_row(what, value)
    return table


def write_report(results: Results, output: Path) -> Path:
    """Write the plots and the HTML page.

    Returns
    -------
    Path
        ``report.html`` in `output`.
    """
    plot_results(results, output / "results.png")
    pictures = {
        "Equation of state and energy conservation": output / "results.png",
        "Held-out DFT data: prediction against label": output / "training" / "parity_test.png",
        "Training": output / "training" / "learning_curve.png",
    }
    figures = "\n".join(f"<h2>{title}</h2>{_inline(path, title)}" for title, path in pictures.items())
    lines = "".join(f"<tr><td>{html.escape(a)}</td><td>{html.escape(b)}</td></tr>" for a, b in rows(results))
    path = output / "report.html"
    path.write_text(PAGE.format(rows=lines, figures=figures), encoding="utf-8")
    return path


def plot_results(results: Results, path: Path) -> None:
    """Plot the equation of state beside DFT, and the conserved energy of the NVE run."""
    figure = new_figure(10.0, 4.0)
    left, right = figure.subplots(1, 2)
    curve = results.equation
    lowest = curve.energy.min()
    left.plot(curve.volume, 1000 * (curve.energy - lowest), color="#1b6ca8", label="mlpot")
    left.plot(curve.dft_volume, 1000 * (curve.dft_energy - lowest), "o", ms=5, color="#c8553d", label="DFT (PBE)")
    left.set(xlabel="volume, Å³/atom", ylabel="energy, meV/atom", title="diamond silicon, energy against volume")
    left.legend(frameon=False)
    dynamics = results.dynamics
    right.plot(dynamics.time, dynamics.energy, color="#1b6ca8", lw=1.0)
    reach = max(2.0 * float(abs(dynamics.energy).max()), 0.01)
    right.set(xlabel="time, ps", ylabel="change of total energy, meV/atom", ylim=(-reach, reach))
    right.set_title(f"NVE, 64 atoms, {dynamics.temperature:.0f} K, 0.5 fs")
    for axis in (left, right):
        tidy(axis)
        axis.spines["right"].set_visible(False)
    figure.savefig(path)


def _inline(path: Path, title: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{html.escape(title)}" src="data:image/png;base64,{data}">'
