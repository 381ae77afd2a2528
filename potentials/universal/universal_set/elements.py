"""The elements that the teacher knows, and what the generators need to know about them.

Covalent radii come from ASE (Cordero et al., Dalton Trans. 2008, 2832); electronegativities are Pauling's, with
Allen's for the noble gases.
"""

import numpy as np
from ase.data import atomic_numbers, covalent_radii

ELEMENTS = (*range(1, 84), *range(89, 95))  # atomic numbers: H to Bi, Ac to Pu
RADII = covalent_radii  # A, by atomic number
MOLECULAR = {1, 7, 8, 9, 16, 17, 34, 35, 53}  # whose covalent radius is too short for a lattice
NOBLE_GASES = {2: 2.95, 10: 3.10, 18: 3.75, 36: 4.00, 54: 4.35}  # A, nearest neighbors of their crystals

# fmt: off
_PAULING = (
    2.20, 4.16,
    0.98, 1.57, 2.04, 2.55, 3.04, 3.44, 3.98, 4.79,
    0.93, 1.31, 1.61, 1.90, 2.19, 2.58, 3.16, 3.24,
    0.82, 1.00, 1.36, 1.54, 1.63, 1.66, 1.55, 1.83, 1.88, 1.91, 1.90, 1.65, 1.81, 2.01, 2.18, 2.55, 2.96, 3.00,
    0.82, 0.95, 1.22, 1.33, 1.60, 2.16, 1.90, 2.20, 2.28, 2.20, 1.93, 1.69, 1.78, 1.96, 2.05, 2.10, 2.66, 2.60,
    0.79, 0.89, 1.10, 1.12, 1.13, 1.14, 1.13, 1.17, 1.20, 1.20, 1.10, 1.22, 1.23, 1.24, 1.25, 1.10, 1.27,
    1.30, 1.50, 2.36, 1.90, 2.20, 2.20, 2.28, 2.54, 2.00, 1.62, 2.33, 2.02,
    1.10, 1.30, 1.50, 1.38, 1.36, 1.28,
)
_FAMILIES = (
    "H Li Na K Rb Cs", "Be Mg Ca Sr Ba", "Sc Y La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Ac", "Ti Zr Hf Th",
    "V Nb Ta Pa", "Cr Mo W U", "Mn Tc Re Np", "Fe Ru Os Co Rh Ir Ni Pd Pt Pu", "Cu Ag Au", "Zn Cd Hg",
    "B Al Ga In Tl", "C Si Ge Sn Pb", "N P As Sb Bi", "O S Se Te", "F Cl Br I", "He Ne Ar Kr Xe",
)
# fmt: on

ELECTRONEGATIVITY = dict(zip(ELEMENTS, _PAULING, strict=True))
METALS = tuple(z for z in ELEMENTS if ELECTRONEGATIVITY[z] < 2.45 and z not in (1, 5, 6, 14, 15, 32, 33, 34, 52))


def _relatives() -> dict[int, tuple[int, ...]]:
    """Elements that may stand for each element: its column, or its neighbors in the rows of metals."""
    families = [[atomic_numbers[symbol] for symbol in family.split()] for family in _FAMILIES]
    return {z: tuple(other for other in family if other != z) for family in families for z in family}


RELATIVES = _relatives()


def bond_length(first: int, second: int) -> float:
    """Sum of the covalent radii of two elements, in A."""
    return float(RADII[first] + RADII[second])


def crystal_distance(number: int, rng: np.random.Generator) -> float:
    """Guess of the distance of nearest neighbors in a crystal of one element, in A; wide for molecular ones."""
    spread = rng.uniform(0.85, 1.5 if number in MOLECULAR else 1.12)
    return spread * NOBLE_GASES.get(number, bond_length(number, number))
