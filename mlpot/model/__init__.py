"""Everything inside the exported file (edges, densities, contraction, core repulsion), and its derivatives."""

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
