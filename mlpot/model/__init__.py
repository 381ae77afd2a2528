"""Everything inside the exported file: edges, densities, contraction, repulsion, and the derivatives outside of it."""

from mlpot.model.derivatives import Prediction, evaluate
from mlpot.model.potential import Potential

__all__ = ["Potential", "Prediction", "evaluate"]
