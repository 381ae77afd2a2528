"""Configuration of a whole loop of active learning: `mlpot active run config.yaml`.

Data flow: YAML -> `read_loop_config` -> `LoopConfig` -> `loop.run_loop`. Only ``systems`` and ``label`` must be given.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from ase.data import atomic_numbers
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from mlpot.active_learning.settings import ExecutorSettings, LabelSettings
from mlpot.config import Duration, LossConfig, ModelSection, OptimizationConfig, ReferenceMethod, StrictModel
from mlpot.config.yaml import merge, parse_override, read_values, validated
from mlpot.errors import ConfigError


def _pair(value: object) -> object:
    return (value, value) if isinstance(value, int | float) else value


def _element(value: str) -> str:
    if atomic_numbers.get(value, 0) == 0:
        raise ValueError(f"expected the symbol of an element, as Cu, got {value!r}")
    return value


Element = Annotated[str, AfterValidator(_element)]
Positive = Annotated[float, Field(gt=0.0)]
Range = Annotated[tuple[float, float], BeforeValidator(_pair)]
PositiveRange = Annotated[tuple[Positive, Positive], BeforeValidator(_pair)]

HIGHEST_SHARE = 0.99
"""Highest level that error bars are calibrated at (`uncertainty.calibration`): no larger share is ever expected."""


class Substitution(StrictModel):
    """Atoms of one element replaced by another."""

    old: Element
    new: Element
    fractions: list[Annotated[float, Field(gt=0.0, le=1.0)]] = Field([0.1, 0.5], description="of the old element")


class System(StrictModel):
    """A material to learn, and the structures that are made of it to begin with."""

    structure: str = Field(
        description="a file that ASE reads, or FORMULA:PROTOTYPE:LATTICE_CONSTANT", examples=["Si:diamond:5.43"]
    )
    primitive: bool = Field(
        False,
        description="of a prototype: its primitive cell, not the conventional one; all supercells of it share the "
        "k-points of one density, so that their energies agree",
    )
    repeat: tuple[int, int, int] = Field((1, 1, 1), description="supercell")
    rattle: list[Positive] = Field([0.05, 0.15, 0.3], description="standard deviations of displacements, A")
    rattles: int = Field(3, ge=0, description="structures of each")
    strain: float = Field(0.05, ge=0.0, lt=0.5, description="largest component of random strains")
    strains: int = Field(4, ge=0, description="structures with random strains, rattled by the least amplitude")
    vacancies: bool = Field(False, description="one atom less, for each kind of site")
    interstitials: int = Field(0, ge=0, description="kinds of holes that take one more atom, of each element")
    substitutions: list[Substitution] = Field([], description="elements replaced at random sites")
    slabs: int = Field(0, ge=0, description="largest Miller index of surfaces; 0: none")
    slab_thickness: float = Field(6.0, gt=0.0, description="A, at least")
    slab_vacuum: float = Field(8.0, gt=0.0, description="A, at least")
    melts: int = Field(
        0, ge=0, description="random packings of the atoms in the cell: walks from them are in the liquid"
    )
    structures: list[Path] = Field([], description="files with more structures; labels in them are left aside")


class ExploreSettings(StrictModel):
    """Dynamics with the potential itself, in search of what it does not know."""

    program: Literal["ase", "lammps"] = Field(
        "ase",
        description="of the dynamics; lammps: for large cells, on several ranks; structures that are not periodic in "
        "three directions stay with ase",
    )
    ranks: int = Field(1, ge=1, description="lammps: MPI processes of a walk")
    patience: Duration = Field(600.0, description="lammps: a walk without new error bars for so long is ended")
    walks: int = Field(6, ge=1, description="trajectories in each iteration, from the systems in turn")
    time: float = Field(2.0, gt=0.0, description="length of each, ps")
    timestep: float = Field(1.0, gt=0.0, description="fs")
    temperature: PositiveRange = Field(
        (300.0, 1500.0), description="K; rises from the first to the second in each walk"
    )
    melt_temperature: PositiveRange | None = Field(
        None, description="K, likewise, of walks that begin in a melt; null: as the others"
    )
    pressure: Range | None = Field(None, description="GPa, likewise; null: fixed cells")
    interval: int = Field(20, ge=1, description="steps between two looks at the error bars")
    supercell: tuple[int, int, int] = Field((1, 1, 1), description="walks run in cells larger than those labelled")
    max_atoms: int = Field(64, ge=1, description="that DFT can afford; of larger frames a part is cut out")
    bias: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="push towards uncertainty, as a part of the forces (hyperactive learning); dearer",
    )
    trust: float = Field(
        4.0,
        gt=1.0,
        description="a walk ends where an error bar is so many times the target, or the usual one of its start if "
        "that is larger: it has left physics",
    )
    frames: int = Field(20, ge=1, description="at most so many uncertain frames are kept of a walk")

    def from_start(self, kind: str) -> "ExploreSettings":
        """Return the settings of a walk that begins in such a structure: melts may have their own temperatures."""
        if kind != "melt" or self.melt_temperature is None:
            return self
        return self.model_copy(update={"temperature": self.melt_temperature})

    @property
    def looks(self) -> int:
        """How often the error bars are looked at in a whole walk, the start apart."""
        return max(1, round(1000.0 * self.time / self.timestep / self.interval))


class SelectSettings(StrictModel):
    """Which frames are labelled."""

    batch: int = Field(
        8, ge=1, description="frames labelled in each iteration because they are uncertain and different"
    )
    control: int = Field(
        2, ge=1, description="explored frames drawn at random, labelled, never trained on: the honest error, and the "
        "data that error bars are calibrated on"
    )  # fmt: skip
    per_walk: int | None = Field(3, ge=1, description="at most so many of one trajectory")
    least_distance: float = Field(
        0.05, ge=0.0, description="frames nearer to known ones are duplicates; 1 is typical inside of the training set"
    )


class LearnSettings(StrictModel):
    """How potentials are trained."""

    model: ModelSection = Field(ModelSection(), description="as in `mlpot train`")
    loss: LossConfig = Field(LossConfig(), description="as in `mlpot train`")
    training: OptimizationConfig = Field(
        OptimizationConfig(),
        description="as in `mlpot train`, for the first potential; `seed` is that of the loop unless given",
    )
    reference_energies: dict[str, float] | ReferenceMethod = Field(
        "least_squares_min_norm", description="as data.reference_energies of `mlpot train`"
    )
    warm_start: bool = Field(True, description="begin from the last potential")
    warm_length: float = Field(0.5, gt=0.0, le=1.0, description="of a warm training, as a part of that of the first")
    warm_lr: float = Field(0.5, gt=0.0, le=1.0, description="learning rate of a warm training, likewise")
    members: int = Field(8, ge=2, le=64, description="of the shallow committee")
    held_out: float = Field(
        0.15, gt=0.0, lt=0.9, description="part of the first structures that is never trained on: the validation set"
    )

    @model_validator(mode="after")
    def _loop_decides(self) -> "LearnSettings":
        if self.training.init_from is not None or self.training.committee is not None:
            raise ValueError("training.init_from and training.committee are set by the loop: leave them out")
        return self


class StopSettings(StrictModel):
    """When it is enough."""

    force_error: float = Field(0.1, gt=0.0, description="target x, eV/A: errors of force components are to be below it")
    share: float = Field(0.9, gt=0.0, lt=1.0, description="part of them, in the explored conditions")
    labels: int = Field(1000, ge=1, description="budget: no iteration is begun when so many are there")
    cost: Duration | None = Field(None, description="budget: time of all calculations together (10h); null: none")
    wall_time: Duration | None = Field(None, description="of this start of the command (8h); null: none")
    iterations: int = Field(100, ge=1, description="at most")
    quiet_time: float | None = Field(
        None, gt=0.0, description="stop when nothing uncertain was found in so many ps; null: go on to the target"
    )

    @field_validator("share")
    @classmethod
    def _within_reach(cls, value: float) -> float:
        if value > HIGHEST_SHARE:
            raise ValueError(
                f"expected at most {HIGHEST_SHARE}, got {value:g}: no error bars are calibrated beyond that, so the "
                "target would never be reached; lower `force_error` instead"
            )
        return value


class LoopConfig(StrictModel):
    """A whole loop."""

    systems: list[System] = Field(min_length=1, description="materials")
    label: LabelSettings = Field(description="what computes labels")
    executor: ExecutorSettings = Field(ExecutorSettings(), description="where")
    explore: ExploreSettings = Field(ExploreSettings(), description="where new frames come from")
    select: SelectSettings = Field(SelectSettings(), description="which of them are labelled")
    learn: LearnSettings = Field(LearnSettings(), description="how potentials are trained")
    stop: StopSettings = Field(StopSettings(), description="when it is enough")
    store: Path = Field(
        description="of all that is found, *.db; null: beside the configuration, named like it", examples=[None]
    )
    threads: int = Field(1, ge=1, description="of training and dynamics")
    seed: int = Field(0, ge=0, description="of everything that is drawn")

    @model_validator(mode="after")
    def _consistent(self) -> "LoopConfig":
        if self.explore.bias > 0.0 and self.explore.pressure is not None:
            raise ValueError("explore.bias pushes atoms, not cells: leave explore.pressure out, or set bias: 0")
        if self.explore.bias > 0.0 and self.explore.program == "lammps":
            raise ValueError("explore.bias needs explore.program: ase, got lammps: set bias: 0")
        if self.explore.ranks > 1 and self.explore.program == "ase":
            raise ValueError(f"explore.ranks is for explore.program: lammps, got {self.explore.ranks} with ase")
        return self


def read_loop_config(source: Path, overrides: Sequence[str] = ()) -> LoopConfig:
    """Read the configuration of a loop.

    Parameters
    ----------
    source : Path
        YAML; relative paths in it are taken from its folder.
    overrides : sequence of str
        ``section.key=value`` with a YAML value.

    Raises
    ------
    ConfigError
        A file that is not there or not YAML, unknown keys, wrong values: one line each.
    """
    if not source.is_file():
        raise ConfigError(f"no such file: {source}; docs/active.md has a configuration to start from")
    values = read_values(source, LoopConfig)
    for override in overrides:
        merge(values, parse_override(override))
    values["store"] = values.get("store") or source.with_suffix(".db")
    return _in_folder(validated(LoopConfig, values), source.absolute().parent)


def _in_folder(config: LoopConfig, folder: Path) -> LoopConfig:
    systems = []
    for system in config.systems:
        changes: dict[str, Any] = {"structures": [path.absolute() for path in system.structures]}
        if (folder / system.structure).is_file():
            changes["structure"] = str(folder / system.structure)
        systems.append(system.model_copy(update=changes))
    return config.model_copy(
        update={"systems": systems, "label": config.label.in_folder(folder), "store": config.store.absolute()}
    )
