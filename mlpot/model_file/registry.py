"""Potentials that ship with mlpot: from a name such as ``Si`` or ``Si/fast`` to the model file.

The files are ``potentials/<name>/<preset>.pt``, next to the package in a clone, inside of it when installed.
"""

from pathlib import Path

from mlpot.errors import ModelFileError

PRESETS_BY_ACCURACY = ("accurate", "fast")
"""Presets of a shipped potential, best first. The build of the LAMMPS plugin reads this line."""
_PACKAGE = Path(__file__).resolve().parents[1]


def known_potentials() -> dict[str, dict[str, Path]]:
    """Shipped potentials.

    Returns
    -------
    dict
        Name -> preset -> file.

    Examples
    --------
    >>> sorted(known_potentials()["Si"])
    ['accurate', 'fast']
    """
    known: dict[str, dict[str, Path]] = {}
    for folder in (_PACKAGE.parent / "potentials", _PACKAGE / "potentials"):
        for file in sorted(folder.glob("*/*.pt")):
            known.setdefault(file.parent.name, {})[file.stem] = file
    return known


def find_potential(model: str | Path, preset: str | None = None) -> Path:
    """File of a model given by path or by name; an existing file has precedence over a name.

    Parameters
    ----------
    model : str or Path
        Path, ``name`` or ``name/preset``.
    preset : str, optional
        Preset of a shipped potential, where the name has none; by default the most accurate one that ships.

    Raises
    ------
    ModelFileError
        Neither a file nor a known name and preset; the message lists the known ones.

    Examples
    --------
    >>> find_potential("Si-dft/fast").name, find_potential("Si-dft").name
    ('fast.pt', 'accurate.pt')
    """
    path = Path(model).expanduser()
    if path.is_file():
        return path
    known = known_potentials()
    name, _, chosen = str(model).partition("/")
    presets = known.get(name)
    if presets is None:
        names = ", ".join(sorted(known)) or "none"
        raise ModelFileError(
            f"no model file at {path} and no shipped potential of that name; expected a path or one of: {names}"
        )
    preset = chosen or preset or next((p for p in PRESETS_BY_ACCURACY if p in presets), PRESETS_BY_ACCURACY[0])
    if preset not in presets:
        raise ModelFileError(f"the potential {name} has the presets {', '.join(sorted(presets))}; got {preset!r}")
    return presets[preset]


def data_folder(name: str) -> Path:
    """Folder of the reference data that ship with a potential.

    Parameters
    ----------
    name : str
        Of the potential.

    Raises
    ------
    ModelFileError
        The potential has no data.
    """
    for folder in (_PACKAGE.parent / "potentials", _PACKAGE / "potentials"):
        if (folder / name / "data").is_dir():
            return folder / name / "data"
    raise ModelFileError(f"no data ship with a potential named {name!r}")
