"""ASE calculators by name, made from the parameters of one attempt.

The function of each code only passes the folder and the command to it; the parameters are those of ASE's
documentation. Only the code in use is imported.
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
"""Messages of Quantum ESPRESSO, CP2K and GPAW without convergence; ASE does not raise for all of them."""


def make_calculator(code: str, parameters: Mapping[str, Any], command: str | None, folder: Path) -> Calculator:
    """Make the calculator of a DFT code.

    Parameters
    ----------
    code : str
        One of `config.labels.CODES`, or ``module:factory``.
    parameters : mapping
        As the calculator takes them.
    command : str, optional
        That runs the code.
    folder : Path
        For the files of the code.

    Raises
    ------
    ConfigError
        The code is not installed, or rejects its parameters.
    """
    make = MAKERS.get(code, _from_factory)
    try:
        return make(code, dict(parameters), command, folder)
    except ImportError as error:
        raise ConfigError(f"the code {code} is not installed: {error}") from error
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise ConfigError(f"the code {code} rejects its parameters: {type(error).__name__}: {error}") from error


def code_version(code: str) -> str:
    """Versions of ASE and, if the code is a Python package, of that."""
    packages = ["ase", *([code] if code in ("gpaw", "mlpot") else [])]
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)


def unconverged(calculator: Calculator, folder: Path) -> str | None:
    """Reason why a calculation that raised no error did not converge, or None.

    Parameters
    ----------
    calculator : ase.calculators.calculator.Calculator
        After the calculation.
    folder : Path
        With its outputs.
    """
    if getattr(calculator, "converged", None) is False:
        return "the calculation did not converge"
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".out", ".pwo", ".txt", ".log") and path.is_file():
            text = path.read_bytes()
            for mark in UNCONVERGED:
                if mark in text:
                    return f"{path.name} contains: {mark.decode()}"
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
    """Call a function of the user; its parameter `directory`, if it has one, is the folder."""
    module, _, name = code.partition(":")
    factory = getattr(importlib.import_module(module), name)
    place = {"directory": folder} if "directory" in inspect.signature(factory).parameters else {}
    return factory(**place, **parameters)


MAKERS: dict[str, Callable[[str, dict[str, Any], str | None, Path], Calculator]] = {
    "gpaw": _gpaw,
    "espresso": _espresso,
    "cp2k": _with_command,
    "vasp": _with_command,
    "emt": _emt,
    "mlpot": _mlpot,
}
