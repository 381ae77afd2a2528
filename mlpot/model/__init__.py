"""Energies from a graph: edges, densities, contraction, readout, core repulsion; and their derivatives.

Data flow: `graph` -> `edges`, `radial` -> `density` -> `contraction`, `clebsch_gordan` -> `potential` -> `derivatives`.
`committee` holds several potentials in one module. TorchScript compiles these modules for the model file.
"""

from mlpot.extras import needs

with needs("train"):
    from mlpot.model.committee import (
        AnyPotential,
        Committee,
        DeepCommittee,
        ShallowCommittee,
        main_potential,
        members_of,
    )
    from mlpot.model.derivatives import MemberPredictions, Prediction, evaluate, evaluate_members
    from mlpot.model.potential import Potential

__all__ = [
    "AnyPotential",
    "Committee",
    "DeepCommittee",
    "MemberPredictions",
    "Potential",
    "Prediction",
    "ShallowCommittee",
    "evaluate",
    "evaluate_members",
    "main_potential",
    "members_of",
]
