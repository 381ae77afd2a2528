"""Forces that also push towards what the committee disagrees on.

    F_biased = F + tau grad(sigma_E),    sigma_E = standard deviation of the members' energies
    grad(sigma_E) = - sum_m (E_m - <E>) F_m / ((M - 1) sigma_E)

``tau`` makes the push a fixed part of the forces, on the average over the frames so far.

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


class BiasedCalculator(Calculator):  # type: ignore[misc]  # ASE carries no types
    """Energies and forces of a committee, with a push.

    Parameters
    ----------
    committee : MLPotCalculator
    strength : float
        Of the push, as a part of the forces.
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
        """Fill `results`; ASE calls this."""
        super().calculate(atoms, properties, system_changes)
        energies = self._committee.get_property("energy_members", self.atoms)
        members = self._committee.get_property("forces_members", self.atoms)
        energy = self._committee.get_property("energy", self.atoms)
        forces = self._committee.get_property("forces", self.atoms)
        deviations = energies - energies.mean()
        sigma = float(energies.std(ddof=1))
        push = np.zeros_like(forces)
        if sigma > 0.0:
            push = -np.tensordot(deviations, members, axes=1) / ((len(energies) - 1) * sigma)
        sizes = np.array([np.abs(forces).mean(), np.abs(push).mean()])
        self._sizes = sizes if self._sizes is None else MEMORY * self._sizes + (1.0 - MEMORY) * sizes
        tau = self._strength * self._sizes[0] / self._sizes[1] if self._sizes[1] > 0.0 else 0.0
        biased = float(energy) - tau * sigma
        self.results = {"energy": biased, "free_energy": biased, "forces": forces + tau * push}
