"""Runs that are probably not what the user means get one warning in the log."""

import numpy as np
import pytest
from lammps_systems import boxed, write_data

from mlpot import lammps

pytestmark = pytest.mark.lammps

START = """
clear
print "case {name}"
units metal
atom_modify map yes
read_data start.data
pair_style mlpot
pair_coeff * * "{model}" {elements}
{commands}
run 0
{again}
"""

FLUX = """
compute ke all ke/atom
compute pe all pe/atom
compute s all {stress} NULL virial
compute flux all heat/flux ke pe s
"""

CASES = {
    "as mapped": {},
    "swapped elements": {"elements": "H Si O", "again": "run 0"},
    "deuterium": {"commands": "mass 1 2.014"},
    "tritium": {"commands": "mass 1 3.016"},
    "heavy oxygen": {"commands": "mass 2 17.999"},
    "heavy hydrogen": {"commands": "mass 1 4.0"},
    "flux of one layer, centroid": {"commands": FLUX.format(stress="centroid/stress/atom")},
    "flux of one layer": {"commands": FLUX.format(stress="stress/atom"), "again": "run 0"},
    "flux of two layers": {"commands": FLUX.format(stress="stress/atom"), "deep": True},
}


@pytest.fixture(scope="module")
def warnings(tmp_path_factory, model_file, deep_model_file):
    """Warnings of each case, all from one process."""
    folder = tmp_path_factory.mktemp("warnings")
    write_data(folder / "start.data", boxed(6.0 * np.eye(3), 6, np.random.default_rng(1)))
    script = "".join(
        START.format(
            name=name,
            model=deep_model_file if case.get("deep") else model_file,
            elements=case.get("elements", "H O Si"),
            commands=case.get("commands", ""),
            again=case.get("again", ""),
        )
        for name, case in CASES.items()
    )
    output = lammps.run(script, ranks=2, directory=folder).output
    blocks = dict(block.split("\n", 1) for block in output.split("\ncase ")[1:])
    return {
        name: [line for line in text.splitlines() if line.startswith("WARNING: Pair style mlpot")]
        for name, text in blocks.items()
    }


@pytest.mark.parametrize("case", ["as mapped", "deuterium", "tritium", "heavy oxygen", "flux of one layer, centroid"])
def test_no_warning(case, warnings):
    assert warnings[case] == []


def test_masses_of_other_elements_are_listed_once(warnings):
    (line,) = warnings["swapped elements"]
    assert "type 2 has mass 15.999, its element Si has 28.085" in line
    assert "type 3 has mass 28.086, its element O has 15.999" in line
    assert "type 1" not in line


def test_a_mass_of_no_isotope_is_listed(warnings):
    (line,) = warnings["heavy hydrogen"]
    assert "type 1 has mass 4, its element H has 1.008" in line


@pytest.mark.parametrize("case", ["flux of one layer", "flux of two layers"])
def test_a_heat_flux_of_plain_stress_is_wrong(case, warnings):
    (line,) = warnings[case]
    assert "compute heat/flux with compute stress/atom is wrong for many-body potentials" in line
