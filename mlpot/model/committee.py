"""Committees: several models in one module, whose mean is the prediction and whose spread says how sure it is.

    shallow   E_m = E + scale * descriptors . deviation_m,   sum_m deviation_m = 0
    deep      E   = mean_m E_m

A shallow committee is one `Potential`, and members that differ from it in the last, linear weights alone. Their
mean is that potential itself, to the last bit: a committee changes no energy and no force, and whoever does not ask for
the members pays nothing for them. A deep committee has whole members, each with weights of its own; they share
elements, reference energies and core repulsion.

TorchScript compiles both modules.

References
----------
Kellner and Ceriotti, Mach. Learn.: Sci. Technol. 5, 035006 (2024): shallow ensembles; Bigi, Chong, Ceriotti and
Grasselli, ibid. 5, 045018 (2024): last weights drawn around a trained model.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlpot.config import ModelConfig
from mlpot.errors import ConfigError
from mlpot.model.potential import Potential
from mlpot.model.readout import last_weights


class ShallowCommittee(Potential):
    """A potential, and members that deviate from it in the readout.

    Parameters
    ----------
    config, atomic_numbers, reference_energies, energy_scale, average_neighbors
        As of `Potential`.
    n_members : int

    Attributes
    ----------
    deviations : (n_members, descriptor_width)
        Of the last weights of each member; they sum to zero.
    """

    def __init__(
        self,
        config: ModelConfig,
        atomic_numbers: Sequence[int],
        reference_energies: Sequence[float],
        energy_scale: float,
        average_neighbors: float,
        n_members: int,
    ) -> None:
        super().__init__(config, atomic_numbers, reference_energies, energy_scale, average_neighbors)
        _check_number(n_members)
        self.n_members = n_members
        self.deviations = nn.Parameter(torch.zeros(n_members, self.descriptor_width, dtype=torch.float64))

    @torch.jit.export
    def member_energies(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Energy of each atom as each member has it; arguments as of `Potential.forward`.

        Returns
        -------
        member_energies : (n_members, n_atoms), float64, eV
        """
        energies, descriptors, _ = self.describe(species, edge_index, edge_vectors)
        parts: list[Tensor] = []
        for layer in self.layers:
            parts.append(layer.last_weights())  # type: ignore[operator]
        weights = torch.cat(parts) + self.deviations
        return energies + self.energy_scale * (weights @ descriptors.transpose(0, 1)).to(energies.dtype)


class DeepCommittee(nn.Module):
    """Whole potentials of one architecture, elements and reference energies.

    Messages and features of `forward_layer` are those of the members side by side.

    Parameters
    ----------
    members : sequence of Potential
        At least two; they become part of the committee.

    Raises
    ------
    ConfigError
        Members that do not fit together.
    """

    def __init__(self, members: Sequence[Potential]) -> None:
        super().__init__()
        _check_number(len(members))
        first = members[0]
        for member in members[1:]:
            _check_alike(first, member)
        self.members = nn.ModuleList(members)
        self.n_members = len(members)
        self.config = first.config
        self.cutoff = first.cutoff
        self.atomic_numbers = first.atomic_numbers
        self.n_layers = first.n_layers
        self.member_feature_width = first.feature_width
        self.member_message_width = first.message_width
        self.feature_width = self.n_members * first.feature_width
        self.message_width = self.n_members * first.message_width
        self.descriptor_width = first.descriptor_width
        self.energy_scale = first.energy_scale
        self.average_neighbors = first.average_neighbors
        self.reference_energies = first.reference_energies

    def forward(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Mean energy of each atom ``(n_atoms,)``; arguments as of `Potential.forward`."""
        return self.member_energies(species, edge_index, edge_vectors).mean(0)

    @torch.jit.export
    def member_energies(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Energy of each atom as each member has it: ``(n_members, n_atoms)``, float64, eV."""
        energies: list[Tensor] = []
        for member in self.members:
            energies.append(member(species, edge_index, edge_vectors))
        return torch.stack(energies)

    @torch.jit.export
    def descriptors(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Descriptors of the first member ``(n_atoms, descriptor_width)``."""
        result: Tensor = self.members[0].descriptors(species, edge_index, edge_vectors)  # type: ignore[operator]
        return result

    @torch.jit.export
    def forward_layer(
        self,
        layer: int,
        n_local: int,
        species: Tensor,
        edge_index: Tensor,
        edge_vectors: Tensor,
        features: Tensor,
        messages: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One layer of the mean on its own, as `Potential.forward_layer`."""
        energies: list[Tensor] = []
        outgoing_features: list[Tensor] = []
        outgoing: list[Tensor] = []
        own_features, own_messages = features, messages
        for index, member in enumerate(self.members):
            if layer > 0:
                own_features = features.narrow(1, index * self.member_feature_width, self.member_feature_width)
                own_messages = messages.narrow(1, index * self.member_message_width, self.member_message_width)
            part, next_features, sent = member.forward_layer(  # type: ignore[operator]
                layer, n_local, species, edge_index, edge_vectors, own_features, own_messages
            )
            energies.append(part)
            outgoing_features.append(next_features)
            outgoing.append(sent)
        return torch.stack(energies).mean(0), torch.cat(outgoing_features, 1), torch.cat(outgoing, 1)


Committee = ShallowCommittee | DeepCommittee
AnyPotential = Potential | DeepCommittee
"""What a model file can hold; a `ShallowCommittee` is a `Potential`."""


def shallow_committee(potential: Potential, deviations: Tensor) -> ShallowCommittee:
    """Committee around a trained potential.

    Parameters
    ----------
    potential : Potential
        Copied; its predictions stay those of the committee.
    deviations : (n_members, descriptor_width)
        Their mean is taken off.

    Returns
    -------
    ShallowCommittee
        On the device and in the dtype of the potential.
    """
    if deviations.dim() != 2 or deviations.size(1) != potential.descriptor_width:
        raise ConfigError(
            f"`deviations` must have shape (n_members, {potential.descriptor_width}), got {tuple(deviations.shape)}"
        )
    arguments = (potential.config, potential.atomic_numbers, potential.reference_energies.tolist())
    with torch.random.fork_rng(devices=[]):
        committee = ShallowCommittee(
            *arguments, potential.energy_scale, potential.average_neighbors, n_members=len(deviations)
        )
    centered = deviations.detach().double() - deviations.detach().double().mean(0)
    committee.load_state_dict({**potential.state_dict(), "deviations": centered})
    weight = next(potential.parameters())
    return committee.to(device=weight.device, dtype=weight.dtype)


def members_of(committee: Committee) -> list[Potential]:
    """Each member of a committee as a potential of its own.

    Parameters
    ----------
    committee : ShallowCommittee or DeepCommittee

    Returns
    -------
    list of Potential
        Copies.
    """
    if isinstance(committee, DeepCommittee):
        return [copy.deepcopy(member) for member in committee.members if isinstance(member, Potential)]
    weights = committee.state_dict()
    deviations = weights.pop("deviations")
    arguments = (committee.config, committee.atomic_numbers, committee.reference_energies.tolist())
    result = []
    for deviation in deviations:
        with torch.random.fork_rng(devices=[]):
            member = Potential(*arguments, committee.energy_scale, committee.average_neighbors)
        member.to(device=deviation.device, dtype=deviation.dtype)
        own = dict(weights)
        for name, place in last_weights(committee.config).items():
            own[name] = weights[name] + deviation[place].view_as(weights[name])
        member.load_state_dict(own)
        result.append(member)
    return result


def _check_number(n_members: int) -> None:
    if n_members < 2:
        raise ConfigError(f"a committee must have at least 2 members, got {n_members}")


def _check_alike(first: Potential, other: Potential) -> None:
    for name in ("config", "atomic_numbers", "energy_scale", "average_neighbors"):
        if getattr(first, name) != getattr(other, name):
            raise ConfigError(
                f"members of a committee must have the same {name}, got {getattr(first, name)} and "
                f"{getattr(other, name)}: train them on the same data with the same model section"
            )
    if not torch.equal(first.reference_energies, other.reference_energies):
        raise ConfigError(
            "members of a committee must have the same reference energies, got "
            f"{first.reference_energies.tolist()} and {other.reference_energies.tolist()}"
        )
