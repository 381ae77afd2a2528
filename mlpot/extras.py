"""Optional dependencies: one sentence that names the extra of mlpot where a package is missing.

`pip install .` brings the requirements of `mlpot.load` and `pair_style mlpot`. Modules with others import them so::

    with needs("train"):
        from mlpot.training.run import train
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from mlpot.errors import MLPotError

Extra = Literal["lammps", "train", "properties", "all"]


class MissingExtraError(ImportError, MLPotError):
    """A package that belongs to an extra of mlpot is not installed."""


def install_command(extra: Extra) -> str:
    """Command that installs an extra.

    >>> install_command("lammps")
    "pip install '.[lammps]' (in a clone of mlpot)"
    """
    return f"pip install '.[{extra}]' (in a clone of mlpot)"


@contextmanager
def needs(extra: Extra) -> Iterator[None]:
    """Name the extra where an import in the block fails.

    Raises
    ------
    MissingExtraError
        A package other than mlpot is not installed.
    """
    try:
        yield
    except (ModuleNotFoundError, MissingExtraError) as error:  # the outermost block names the extra
        package = (error.name or "").partition(".")[0]
        if package in ("", "mlpot"):
            raise
        raise MissingExtraError(
            f"the package {package} is not installed; install it with: {install_command(extra)}", name=error.name
        ) from error
