"""PySCF as the DFT code for molecules: `label: {code: molecules_pyscf:density_functional}`, see water-pyscf.yaml.

Any function that returns an ASE calculator can be used; `parameters` are its arguments. Needs `pip install pyscf`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from pyscf import dft, gto


class DensityFunctional(Calculator):
    """Closed-shell molecules by density functional theory in Gaussian bases."""

    implemented_properties: ClassVar = ["energy", "forces"]

    def __init__(self, xc: str, basis: str, grid: int, log: Path) -> None:
        super().__init__()
        self.xc, self.basis, self.grid, self.log = xc, basis, grid, log

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute energy (eV) and forces (eV/A); they can be used if `converged` is true."""
        super().calculate(atoms, properties, system_changes)
        atoms = self.atoms
        molecule = gto.M(
            atom=list(zip(atoms.symbols, atoms.positions, strict=True)),
            basis=self.basis,
            verbose=4,
            output=str(self.log),
        )
        method = dft.RKS(molecule, xc=self.xc).density_fit()
        method.grids.level = self.grid
        energy = method.kernel()
        self.converged = method.converged
        forces = -method.nuc_grad_method().kernel()
        self.results = {"energy": energy * units.Hartree, "forces": forces * units.Hartree / units.Bohr}


def density_functional(directory: Path, xc: str = "pbe", basis: str = "def2-svp", grid: int = 3) -> Calculator:
    """Make the calculator; `directory` is the folder of one calculation, whose outputs are kept."""
    return DensityFunctional(xc, basis, grid, Path(directory) / "pyscf.log")
