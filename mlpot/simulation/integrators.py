"""ASE's integrators as `dynamics` needs them: made from settings, started, saved and restored to the last bit."""

from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.bussi import Bussi
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.verlet import VelocityVerlet

from mlpot.errors import ConfigError
from mlpot.simulation.settings import MDSettings

# What changes from run to run without being state, or is saved in another way.
_NOT_STATE = {"max_steps", "rng", "atoms", "optimizable", "comm", "observers"}


def degrees_of_freedom(atoms: Atoms) -> int:
    """Degrees of freedom that share the kinetic energy; the center of mass, which is kept at rest, is not one.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    int
    """
    if atoms.constraints:
        return int(atoms.get_number_of_degrees_of_freedom())
    return max(3 * len(atoms) - 3, 0)


def temperature_of(atoms: Atoms) -> float:
    """Instantaneous temperature.

    Parameters
    ----------
    atoms : ase.Atoms

    Returns
    -------
    float, K
    """
    freedom = degrees_of_freedom(atoms)
    return float(2.0 * atoms.get_kinetic_energy() / (freedom * units.kB)) if freedom else 0.0


def start_velocities(atoms: Atoms, settings: MDSettings, rng: np.random.Generator) -> None:
    """Give atoms that are at rest velocities of exactly the temperature; keep the center of mass at rest.

    Parameters
    ----------
    atoms : ase.Atoms
        Changed in place. Velocities that it carries are kept, but for those of the center of mass.
    settings : MDSettings
    rng : numpy.random.Generator

    Raises
    ------
    ConfigError
        A thermostat for atoms that cannot move.
    """
    moving = atoms.has("momenta") and bool(np.any(atoms.get_momenta()))
    if not moving and settings.temperature is not None:
        widths = np.sqrt(atoms.get_masses() * units.kB * settings.temperature)
        atoms.set_momenta(rng.standard_normal((len(atoms), 3)) * widths[:, None])
    if not atoms.constraints and len(atoms) > 0:
        masses = atoms.get_masses()[:, None]
        momenta = atoms.get_momenta()
        atoms.set_momenta(momenta - masses * momenta.sum(axis=0) / masses.sum())
    if not moving and settings.temperature is not None:
        now = temperature_of(atoms)
        atoms.set_momenta(atoms.get_momenta() * (np.sqrt(settings.temperature / now) if now > 0 else 0.0))
    if settings.ensemble != "nve" and not np.any(atoms.get_momenta()):
        raise ConfigError(
            f"{settings.ensemble} needs at least two atoms, one of them free to move, for a thermostat to act on; "
            f"got {len(atoms)} atoms with {degrees_of_freedom(atoms)} degrees of freedom"
        )


def make_integrator(atoms: Atoms, settings: MDSettings, rng: np.random.Generator) -> MolecularDynamics:
    """Integrator for atoms whose velocities are set.

    Parameters
    ----------
    atoms : ase.Atoms
    settings : MDSettings
    rng : numpy.random.Generator
        Of the thermostat; the integrator keeps it.

    Returns
    -------
    ase.md.md.MolecularDynamics

    Raises
    ------
    ConfigError
        NPT for a system without a volume, or with constraints.
    """
    timestep = settings.timestep * units.fs
    if settings.ensemble == "nve" or settings.temperature is None:
        return VelocityVerlet(atoms, timestep)
    thermostat_time = settings.thermostat_time * units.fs
    if settings.ensemble == "nvt":
        bussi = Bussi(atoms, timestep, settings.temperature, thermostat_time, rng=rng)
        bussi.ndof = degrees_of_freedom(atoms)
        bussi.target_kinetic_energy = 0.5 * bussi.temp * bussi.ndof
        return bussi
    if not atoms.pbc.all() or atoms.constraints:
        raise ConfigError(
            f"npt needs three periodic directions and no constraints, got pbc = {atoms.pbc.tolist()} and "
            f"{len(atoms.constraints)} constraints; use nvt"
        )
    return IsotropicMTKNPT(
        atoms,
        timestep,
        # ASE counts the center of mass as a degree of freedom; at rest, it would heat the others.
        temperature_K=settings.temperature * degrees_of_freedom(atoms) / (3 * len(atoms)),
        pressure_au=settings.pressure * units.GPa,
        tdamp=thermostat_time,
        pdamp=settings.barostat_time * units.fs,
    )


def conserved_energy(integrator: MolecularDynamics) -> float:
    """Compute what the equations of motion conserve: total energy and what thermostat and barostat took.

    Parameters
    ----------
    integrator : ase.md.md.MolecularDynamics
        Of `make_integrator`.

    Returns
    -------
    float, eV
    """
    if isinstance(integrator, IsotropicMTKNPT):
        return float(integrator.get_conserved_energy())
    transferred = integrator.transferred_energy if isinstance(integrator, Bussi) else 0.0
    return float(integrator.atoms.get_total_energy() - transferred)


def integrator_state(integrator: MolecularDynamics) -> dict[str, Any]:
    """All numbers inside an integrator and its thermostats, by name; atoms and random numbers are not among them.

    Parameters
    ----------
    integrator : ase.md.md.MolecularDynamics

    Returns
    -------
    dict
        Name -> number or array.
    """
    return {
        f"{prefix}{name}": np.copy(value)
        for prefix, owner in _parts(integrator)
        for name, value in vars(owner).items()
        if _is_numeric(name, value)
    }


def restore_integrator(integrator: MolecularDynamics, state: dict[str, Any]) -> None:
    """Put the numbers of `integrator_state` back.

    Parameters
    ----------
    integrator : ase.md.md.MolecularDynamics
        Made with the same settings.
    state : dict

    Raises
    ------
    ConfigError
        The state belongs to another kind of integrator.
    """
    if state.keys() != integrator_state(integrator).keys():
        raise ConfigError("the checkpoint was made by another version of ASE: restart from the last frame instead")
    for prefix, owner in _parts(integrator):
        for name, value in list(vars(owner).items()):
            if _is_numeric(name, value):
                saved = state[f"{prefix}{name}"]
                setattr(owner, name, np.array(saved) if isinstance(value, np.ndarray) else type(value)(saved))


def _parts(integrator: MolecularDynamics) -> list[tuple[str, object]]:
    """Return the integrator and the thermostats and barostats inside of it, with prefixes for their names."""
    inside = [
        (f"{name}.", value) for name, value in vars(integrator).items() if type(value).__module__.startswith("ase.md.")
    ]
    return [("", integrator), *inside]


def _is_numeric(name: str, value: object) -> bool:
    if name in _NOT_STATE:
        return False
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fi"
    return isinstance(value, int | float) and not isinstance(value, bool)
