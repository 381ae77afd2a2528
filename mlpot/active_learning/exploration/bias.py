"""Forces with a bias towards structures that the members of a committee disagree on.

    F_biased = F + tau grad(sigma_E),    sigma_E = standard deviation of the energies of the members
    grad(sigma_E) = - sum_m (E_m - <E>) F_m / ((M - 1) sigma_E)

``tau`` makes the bias a fixed fraction of the forces, in running averages over the frames so far.

References
----------
van der Oord et al., npj Comput. Mater. 9, 168 (2023), hyperactive learning, eqs. 6 and 7.
"""

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from mlpot.calculator import MLPotCalculator
from mlpot.data.structure import FloatArray

MEMORY = 0.98
"""Weight of the past in the running averages, at each step."""

PROPERTIES = ("energy", "forces", "energy_members", "forces_members")


class BiasedCalculator(Calculator):  # type: ignore[misc]  # ASE carries no types
    """Biased energies and forces of a committee.

    Parameters
    ----------
    committee : MLPotCalculator
    strength : float
        Mean absolute component of the bias over that of the forces.
    """

    implemented_properties = ("energy", "free_energy", "forces")

    def __init__(self, committee: MLPotCalculator, strength: float) -> None:
        super().__init__()
        self._committee, self._strength = committee, strength
        self._sizes: FloatArray | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results`, with one evaluation of the committee; ASE calls this."""
        super().calculate(atoms, properties, system_changes)
        self._committee.calculate(self.atoms, PROPERTIES)
        energy, forces, energies, members = (self._committee.results[name] for name in PROPERTIES)
        sigma = float(energies.std(ddof=1))
        bias = np.zeros_like(forces)
        if sigma > 0.0:
            bias = -np.tensordot(energies - energies.mean(), members, axes=1) / ((len(energies) - 1) * sigma)
        sizes = np.array([np.abs(forces).mean(), np.abs(bias).mean()])
        self._sizes = sizes if self._sizes is None else MEMORY * self._sizes + (1.0 - MEMORY) * sizes
        tau = self._strength * self._sizes[0] / self._sizes[1] if self._sizes[1] > 0.0 else 0.0
        biased = float(energy) - tau * sigma
        self.results = {"energy": biased, "free_energy": biased, "forces": forces + tau * bias}
