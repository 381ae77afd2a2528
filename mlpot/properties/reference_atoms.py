"""Whether energies relative to a potential's free atoms are cohesive energies."""

from ase.calculators.calculator import Calculator

from mlpot.calculator import MLPotCalculator
from mlpot.model_file.manifest import Manifest, read_manifest


def zero_of_energy(calculator: Calculator) -> str:
    """Name the state from which the binding energies of a calculator count.

    Returns
    -------
    str
        ``free atoms``, or ``fitted references`` where the data of a model have no isolated atoms: the energy of its
        free atoms is then a least-squares fit without physical meaning.
    """
    if not isinstance(calculator, MLPotCalculator):
        return "free atoms"
    fitted = _has_fitted_references(read_manifest(str(calculator.parameters["path"])))
    return "fitted references" if fitted else "free atoms"


def _has_fitted_references(manifest: Manifest) -> bool:
    """Read the method and the smallest structure of the training set from the record of the training."""
    method = manifest.training.get("config", {}).get("data", {}).get("reference_energies", "given")
    if method == "auto":
        smallest, _ = manifest.training["data"]["atoms_per_structure"]
        return bool(smallest > 1)
    return isinstance(method, str) and method.startswith("least_squares")
