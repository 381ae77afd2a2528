"""Settings of a molecular dynamics run, for `dynamics`."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mlpot.errors import ConfigError

Ensemble = Literal["nve", "nvt", "npt"]


@dataclass(frozen=True)
class MDSettings:
    """Settings of a molecular dynamics run.

    Attributes
    ----------
    ensemble : {"nve", "nvt", "npt"}
        Velocity Verlet; the same with Bussi's stochastic velocity rescaling; isotropic Martyna-Tobias-Klein.
    steps : int
        Steps of the whole run, those before a restart included.
    timestep : float, fs
    temperature : float, K, or None
        Of the thermostat, and of the initial velocities of a structure that has none. None: NVE only, with the
        velocities of the structure.
    pressure : float, GPa
        NPT only.
    thermostat_time, barostat_time : float, fs
        Relaxation times of temperature and pressure.
    interval : int
        Steps between two frames, and between two lines of the log.
    seed : int
        Of the initial velocities and of the thermostat.
    lost_distance : float, A, or None
        The run stops when an atom that had a neighbor within this distance has none. None: no check.
    max_sigma : float, eV/A, or None
        Largest error bar of a force (spread, where it is not calibrated), checked for every frame.
    max_distance : float or None
        Largest feature distance, likewise.
    """

    ensemble: Ensemble
    steps: int
    timestep: float = 1.0
    temperature: float | None = None
    pressure: float = 0.0
    thermostat_time: float = 100.0
    barostat_time: float = 1000.0
    interval: int = 10
    seed: int = 0
    lost_distance: float | None = None
    max_sigma: float | None = None
    max_distance: float | None = None

    def __post_init__(self) -> None:
        """Refuse settings that cannot be run.

        Raises
        ------
        ConfigError
        """
        if self.ensemble not in get_args(Ensemble):
            raise ConfigError(f"`ensemble` must be one of {', '.join(get_args(Ensemble))}, got {self.ensemble!r}")
        if self.ensemble != "nve" and self.temperature is None:
            raise ConfigError(f"`temperature` (K) must be given for {self.ensemble}")
        if self.temperature is not None and not (np.isfinite(self.temperature) and self.temperature > 0):
            raise ConfigError(f"`temperature` must be above 0 K, got {self.temperature}")
        for name in ("timestep", "thermostat_time", "barostat_time", "interval"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise ConfigError(f"`{name}` must be above 0, got {value}")
        if self.seed < 0:
            raise ConfigError(f"`seed` must not be negative, got {self.seed}")
        if self.steps < 0 or not np.isfinite(self.pressure):
            raise ConfigError(f"expected `steps` >= 0 and a finite `pressure`, got {self.steps} and {self.pressure}")
