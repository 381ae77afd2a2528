"""Start from a pymatgen `Structure`: relax it, then the formation energy of a vacancy.

    python examples/from_pymatgen.py
    python examples/from_pymatgen.py --model run/model.pt --supercell 3

For several relaxations, make the calculator once: it loads the model.
"""

import argparse

from pymatgen.core import Lattice, Structure

import mlpot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="Si-dft", help="model.pt, or the name of a shipped potential")
    parser.add_argument("--supercell", type=int, default=2, help="cubic cells of 8 atoms along each direction")
    options = parser.parse_args()
    calculator = mlpot.load(options.model)

    crystal = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]])
    crystal = crystal.relax(calculator, fmax=0.005)
    energy = crystal.calc.get_potential_energy()
    print(f"lattice constant {crystal.lattice.a:.4f} A, energy {energy / len(crystal):.4f} eV/atom")

    supercell = crystal.make_supercell(options.supercell, in_place=False)
    perfect = supercell.calculate(calculator).get_potential_energy()
    vacancy = supercell.copy()
    vacancy.remove_sites([0])
    vacancy = vacancy.relax(calculator, relax_cell=False, fmax=0.02)
    defect = vacancy.calc.get_potential_energy()
    formation = defect - perfect * len(vacancy) / len(supercell)
    print(f"vacancy in {len(supercell)} atoms: formation energy {formation:.2f} eV")


if __name__ == "__main__":
    main()
