"""ASE calculators by name, made from the parameters of one rung of the ladder.

Each code's own function says how files and commands are passed to it, and nothing else: the parameters are those of
ASE's documentation. `importlib` is asked only for the code that is used.
"""

import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ase.calculators.calculator import Calculator

from mlpot.errors import ConfigError

UNCONVERGED = (b"convergence NOT achieved", b"SCF run NOT converged", b"Did not converge!")
"""What Quantum ESPRESSO, CP2K and GPAW write when they give up; ASE does not raise for all of them."""


def make_calculator(code: str, parameters: Mapping[str, Any], command: str | None, folder: Path) -> Calculator:
    """Make the calculator of a DFT code.

    Parameters
    ----------
    code : str
        A name of `settings.CODES`, or ``module:factory``.
    parameters : mapping
        In the words of the calculator.
    command : str, optional
        How the code is started.
    folder : Path
        Where it may write.

    Returns
    -------
    ase.calculators.calculator.Calculator

    Raises
    ------
    ConfigError
        The code is not installed, or refuses its parameters.
    """
    make = MAKERS.get(code, _from_factory)
    try:
        return make(code, dict(parameters), command, folder)
    except ImportError as error:
        raise ConfigError(f"the code {code} is not installed: {error}") from error
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise ConfigError(f"the code {code} refuses its parameters: {type(error).__name__}: {error}") from error


def code_version(code: str) -> str:
    """Version of the Python package behind a code, and of ASE.

    Parameters
    ----------
    code : str

    Returns
    -------
    str
    """
    packages = ["ase", *([code] if code in ("gpaw", "mlpot") else [])]
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


def unconverged(calculator: Calculator, folder: Path) -> str | None:
    """Say whether a calculation that ended without an error did not converge.

    Parameters
    ----------
    calculator : ase.calculators.calculator.Calculator
        After the calculation.
    folder : Path
        With its outputs.

    Returns
    -------
    str or None
        The reason.
    """
    if getattr(calculator, "converged", None) is False:
        return "the calculation did not converge"
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".out", ".pwo", ".txt", ".log") and path.is_file():
            text = path.read_bytes()
            for mark in UNCONVERGED:
                if mark in text:
                    return f"{path.name} says: {mark.decode()}"
    return None


def _gpaw(_code: str, parameters: dict[str, Any], _command: str | None, folder: Path) -> Calculator:
    module = importlib.import_module("gpaw")
    return module.GPAW(txt=str(folder / "gpaw.txt"), **parameters)


def _espresso(_code: str, parameters: dict[str, Any], command: str | None, folder: Path) -> Calculator:
    module = importlib.import_module("ase.calculators.espresso")
    profile = module.EspressoProfile(command=command or "pw.x", pseudo_dir=parameters.pop("pseudo_dir"))
    return module.Espresso(profile=profile, directory=folder, **parameters)


def _with_command(code: str, parameters: dict[str, Any], command: str | None, folder: Path) -> Calculator:
    name = {"cp2k": "CP2K", "vasp": "Vasp"}[code]
    make = getattr(importlib.import_module(f"ase.calculators.{code}"), name)
    return make(directory=str(folder), **({"command": command} if command else {}), **parameters)


def _emt(_code: str, parameters: dict[str, Any], _command: str | None, _folder: Path) -> Calculator:
    return importlib.import_module("ase.calculators.emt").EMT(**parameters)


def _mlpot(_code: str, parameters: dict[str, Any], _command: str | None, _folder: Path) -> Calculator:
    return importlib.import_module("mlpot").load(parameters.pop("model"), **parameters)


def _from_factory(code: str, parameters: dict[str, Any], _command: str | None, folder: Path) -> Calculator:
    """Call a function of the user, with the folder if it has a parameter `directory`."""
    module, _, name = code.partition(":")
    factory = getattr(importlib.import_module(module), name)
    wanted = {"directory": folder} if "directory" in inspect.signature(factory).parameters else {}
    return factory(**wanted, **parameters)


MAKERS: dict[str, Callable[[str, dict[str, Any], str | None, Path], Calculator]] = {
    "gpaw": _gpaw,
    "espresso": _espresso,
    "cp2k": _with_command,
    "vasp": _with_command,
    "emt": _emt,
    "mlpot": _mlpot,
}
