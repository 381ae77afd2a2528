"""Ziegler-Biersack-Littmark (ZBL) repulsion of close atoms, always in float64, switched to the learned part.

It keeps atoms apart where there are no data. An envelope switches the repulsion off between zero distance and the
switching radius, with two continuous derivatives. In the learned density a neighbor has the complementary weight:
otherwise a polynomial of a large density could be attractive and exceed the repulsion.

References
----------
Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Solids (1985), eqs. 2-60 and 2-61.
Cordero et al., Dalton Trans. 2832 (2008): covalent radii, as tabulated in ASE.
"""

from collections.abc import Sequence
from typing import Final

import torch
from ase.data import covalent_radii
from torch import Tensor, nn

from mlpot.model.radial import envelope

SWITCHING_RADIUS: Final = 0.7
"""Radius where the repulsion reaches zero, in sums of the covalent radii; below all bonds, triple ones included."""

COULOMB: Final = 14.399645
"""e^2 / (4 pi epsilon_0) in eV A."""

BOHR: Final = 0.529177211


class ZBLRepulsion(nn.Module):
    """Screened nuclear repulsion; each atom of a pair has half of its energy."""

    charge: Tensor
    radius: Tensor

    def __init__(self, atomic_numbers: Sequence[int], cutoff: float) -> None:
        super().__init__()
        # Plain attributes, not buffers: they stay float64 when the module is cast to float32.
        self.charge = torch.tensor([float(z) for z in atomic_numbers], dtype=torch.float64)
        radii = [SWITCHING_RADIUS * float(covalent_radii[z]) for z in atomic_numbers]
        self.radius = torch.tensor(radii, dtype=torch.float64)
        self.cutoff = cutoff
        self.inverse_length = 1.0 / (0.8854 * BOHR)
        self.half_coulomb = 0.5 * COULOMB

    def forward(
        self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor, n_centers: int
    ) -> tuple[Tensor, Tensor]:
        """Energies ``(n_centers,)`` in eV, and the weight ``(n_edges, 1)`` of each neighbor in the learned density."""
        radius = self.radius.to(edge_vectors.device)[species]
        switching = (radius[edge_index[0]] + radius[edge_index[1]]).clamp(max=self.cutoff)
        distance = edge_vectors.square().sum(1).sqrt()
        closeness = envelope(distance / switching, 6)
        close = torch.nonzero(closeness.detach()).flatten()
        center = edge_index[0][close]
        pair = closeness[close] * self.pair_energy(species[center], species[edge_index[1][close]], distance[close])
        energies = torch.zeros(n_centers, dtype=edge_vectors.dtype, device=edge_vectors.device)
        return energies.index_add(0, center, pair), (1.0 - closeness).unsqueeze(1)

    def pair_energy(self, first: Tensor, second: Tensor, distance: Tensor) -> Tensor:
        """Half of the screened repulsion of pairs of species at distances in A."""
        charge = self.charge.to(distance.device)
        z_first, z_second = charge[first], charge[second]
        scaled = distance * (z_first.pow(0.23) + z_second.pow(0.23)) * self.inverse_length
        screening = (
            0.18175 * torch.exp(-3.1998 * scaled)
            + 0.50986 * torch.exp(-0.94229 * scaled)
            + 0.28022 * torch.exp(-0.4029 * scaled)
            + 0.028171 * torch.exp(-0.20162 * scaled)
        )
        return self.half_coulomb * z_first * z_second / distance * screening
