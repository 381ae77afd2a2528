"""Committees: several models in one module. Their mean is the prediction, their spread the uncertainty.

    shallow   E_m = E + scale * descriptors . deviation_m,   sum_m deviation_m = 0
    deep      E   = mean_m E_m

A shallow committee holds one `Potential`; its members differ from it only in the weights of the linear readouts. Their
mean is that potential, to the last bit, so energies and forces are those of the potential, and an evaluation without
member properties costs no more. A deep committee holds whole members with the same elements, reference energies and
core repulsion.

TorchScript compiles both modules.

References
----------
Kellner and Ceriotti, Mach. Learn.: Sci. Technol. 5, 035006 (2024): shallow ensembles; Bigi, Chong, Ceriotti and
Grasselli, ibid. 5, 045018 (2024): last weights drawn around a trained model.
"""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from mlpot.errors import ConfigError
from mlpot.model.potential import Potential
from mlpot.model.readout import last_weights


class ShallowCommittee(nn.Module):
    """A potential, and members that deviate from it in the readout.

    Parameters
    ----------
    potential : Potential
        It becomes part of the committee, and gives the predictions.
    deviations : (n_members, descriptor_width)
        Deviations of the last weights of each member; their mean is subtracted.

    Attributes
    ----------
    potential : Potential
    deviations : (n_members, descriptor_width)
        They sum to zero.

    Raises
    ------
    ConfigError
        Fewer than two members, or deviations of another width.
    """

    def __init__(self, potential: Potential, deviations: Tensor) -> None:
        super().__init__()
        if deviations.dim() != 2 or deviations.size(1) != potential.descriptor_width:
            raise ConfigError(
                f"`deviations` must have shape (n_members, {potential.descriptor_width}), got {tuple(deviations.shape)}"
            )
        _check_number(len(deviations))
        weight = next(potential.parameters())
        centered = deviations.detach().double() - deviations.detach().double().mean(0)
        self.potential = potential
        self.n_members = len(deviations)
        self.feature_width = potential.feature_width
        self.message_width = potential.message_width
        self.deviations = nn.Parameter(centered.to(device=weight.device, dtype=weight.dtype))

    def forward(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Mean energy of each atom ``(n_atoms,)``; arguments as of `Potential.forward`."""
        energies: Tensor = self.potential(species, edge_index, edge_vectors)
        return energies

    @torch.jit.export
    def member_energies(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Energy of each atom in each member; arguments as of `Potential.forward`.

        Returns
        -------
        member_energies : (n_members, n_atoms), float64, eV
        """
        atoms = self.potential.describe(species, edge_index, edge_vectors)
        weights = (self.potential.last_weights() + self.deviations).to(atoms.descriptors.dtype)
        learned = weights @ atoms.descriptors.transpose(0, 1)
        return atoms.energies + self.potential.energy_scale * learned.to(atoms.energies.dtype)

    @torch.jit.export
    def descriptors(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Descriptors of the potential ``(n_atoms, descriptor_width)``."""
        return self.potential.descriptors(species, edge_index, edge_vectors)

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
        """One layer of the potential, as `Potential.forward_layer`."""
        return self.potential.forward_layer(layer, n_local, species, edge_index, edge_vectors, features, messages)


class DeepCommittee(nn.Module):
    """Whole potentials of one architecture, elements and reference energies.

    Messages and features of `forward_layer` are those of the members side by side.

    Parameters
    ----------
    members : sequence of Potential
        At least two. They become part of the committee.

    Raises
    ------
    ConfigError
        Members with different elements, architecture or constants.
    """

    def __init__(self, members: Sequence[Potential]) -> None:
        super().__init__()
        _check_number(len(members))
        first = members[0]
        for member in members[1:]:
            _check_alike(first, member)
        self.members = nn.ModuleList(members)
        self.n_members = len(members)
        self.member_feature_width = first.feature_width
        self.member_message_width = first.message_width
        self.feature_width = self.n_members * first.feature_width
        self.message_width = self.n_members * first.message_width

    def forward(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Mean energy of each atom ``(n_atoms,)``; arguments as of `Potential.forward`."""
        return self.member_energies(species, edge_index, edge_vectors).mean(0)

    @torch.jit.export
    def member_energies(self, species: Tensor, edge_index: Tensor, edge_vectors: Tensor) -> Tensor:
        """Energy of each atom in each member: ``(n_members, n_atoms)``, float64, eV."""
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
        """One layer of the mean, as `Potential.forward_layer`."""
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
AnyPotential = Potential | Committee
"""What a model file can hold."""


def main_potential(model: AnyPotential) -> Potential:
    """Potential with the architecture and constants that all members of a model share.

    Parameters
    ----------
    model : Potential or committee

    Returns
    -------
    potential : Potential
        The model itself, the potential of a shallow committee, or the first member of a deep one; not a copy.
    """
    if isinstance(model, ShallowCommittee):
        return model.potential
    return cast(Potential, model.members[0]) if isinstance(model, DeepCommittee) else model


def members_of(committee: Committee) -> list[Potential]:
    """Members of a committee as single potentials; copies."""
    if isinstance(committee, DeepCommittee):
        return [copy.deepcopy(cast(Potential, member)) for member in committee.members]
    members = []
    for deviation in committee.deviations.detach():
        member = copy.deepcopy(committee.potential)
        weights = member.state_dict()
        for name, place in last_weights(member.config).items():
            weights[name] = weights[name] + deviation[place].view_as(weights[name])
        member.load_state_dict(weights)
        members.append(member)
    return members


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
