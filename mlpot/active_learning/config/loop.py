"""Sections of the configuration of a whole loop: `mlpot active run config.yaml`.

Only ``systems`` and ``label`` must be given.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from ase.data import atomic_numbers
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from mlpot.active_learning.config.labels import ExecutorSettings, LabelSettings
from mlpot.config import Duration, LossConfig, ModelSection, OptimizationConfig, ReferenceMethod, StrictModel


def _pair(value: object) -> object:
    return (value, value) if isinstance(value, int | float) else value


def _element(value: str) -> str:
    if atomic_numbers.get(value, 0) == 0:
        raise ValueError(f"expected the symbol of an element, such as Cu, got {value!r}")
    return value


Element = Annotated[str, AfterValidator(_element)]
Positive = Annotated[float, Field(gt=0.0)]
Range = Annotated[tuple[float, float], BeforeValidator(_pair)]
PositiveRange = Annotated[tuple[Positive, Positive], BeforeValidator(_pair)]

HIGHEST_FRACTION = 0.99
"""Highest level of the calibration of error bars (`uncertainty.calibration`): no larger fraction is ever expected."""


class Substitution(StrictModel):
    """Atoms of one element replaced by another."""

    old: Element
    new: Element
    fractions: list[Annotated[float, Field(gt=0.0, le=1.0)]] = Field([0.1, 0.5], description="of the old element")


class System(StrictModel):
    """A material, and the initial structures that are made of it."""

    renamed_keys: ClassVar = {"melts": "random_packings"}

    structure: str = Field(
        description="a file that ASE reads, or FORMULA:PROTOTYPE:LATTICE_CONSTANT", examples=["Si:diamond:5.43"]
    )
    primitive: bool = Field(
        False,
        description="of a prototype: use the primitive cell instead of the conventional one; all supercells of it "
        "share the k-points of one density, so that their energies agree",
    )
    repeat: tuple[int, int, int] = Field((1, 1, 1), description="supercell")
    rattle: list[Positive] = Field([0.05, 0.15, 0.3], description="standard deviations of displacements, A")
    rattles: int = Field(3, ge=0, description="structures for each standard deviation")
    strain: float = Field(0.05, ge=0.0, lt=0.5, description="largest component of random strains")
    strains: int = Field(4, ge=0, description="structures with random strains, rattled by the smallest amplitude")
    vacancies: bool = Field(False, description="remove one atom, for each kind of site")
    interstitials: int = Field(0, ge=0, description="kinds of voids that take one more atom, of each element")
    substitutions: list[Substitution] = Field([], description="elements replaced at random sites")
    slabs: int = Field(0, ge=0, description="largest Miller index of surfaces; 0: none")
    slab_thickness: float = Field(6.0, gt=0.0, description="A, at least")
    slab_vacuum: float = Field(8.0, gt=0.0, description="A, at least")
    random_packings: int = Field(
        0, ge=0, description="random packings of the atoms in the cell; trajectories that start there are in the liquid"
    )
    structures: list[Path] = Field([], description="files with more structures; labels in them are not used")


class ExploreSettings(StrictModel):
    """Molecular dynamics with the current potential, to find structures with a large uncertainty."""

    renamed_keys: ClassVar = {
        "melt_temperature": "random_packing_temperature",
        "patience": "timeout",
        "trust": "max_uncertainty_factor",
        "walks": "trajectories",
    }

    program: Literal["ase", "lammps"] = Field(
        "ase",
        description="of the dynamics; lammps: for large cells, on several ranks; structures that are not periodic in "
        "three directions always use ase",
    )
    ranks: int = Field(1, ge=1, description="lammps: MPI processes of a trajectory")
    timeout: Duration = Field(600.0, description="lammps: a trajectory that writes nothing for so long is ended")
    trajectories: int = Field(6, ge=1, description="in each iteration, starting from the systems in turn")
    time: float = Field(2.0, gt=0.0, description="length of each, ps")
    timestep: float = Field(1.0, gt=0.0, description="fs")
    temperature: PositiveRange = Field(
        (300.0, 1500.0), description="K; rises from the first to the second along each trajectory"
    )
    random_packing_temperature: PositiveRange | None = Field(
        None, description="K, likewise, of trajectories that start from a random packing; null: as the others"
    )
    pressure: Range | None = Field(None, description="GPa, likewise; null: fixed cells")
    interval: int = Field(20, ge=1, description="steps between two checks of the uncertainty")
    supercell: tuple[int, int, int] = Field((1, 1, 1), description="repetition of the cells that trajectories run in")
    max_atoms: int = Field(64, ge=1, description="largest DFT calculation; of larger frames a part is cut out")
    bias: float = Field(
        0.0,
        ge=0.0,
        lt=1.0,
        description="bias force along the gradient of the uncertainty (hyperactive learning), as a fraction of the "
        "forces",
    )
    max_uncertainty_factor: float = Field(
        4.0,
        gt=1.0,
        description="a trajectory ends where a force interval exceeds this multiple of the target, or of the median of "
        "its first frame if that is larger",
    )
    frames: int = Field(20, ge=1, description="uncertain frames kept of a trajectory, at most")

    def from_start(self, kind: str) -> "ExploreSettings":
        """Return the settings of a trajectory that starts from such a structure."""
        if kind != "random_packing" or self.random_packing_temperature is None:
            return self
        return self.model_copy(update={"temperature": self.random_packing_temperature})

    @property
    def n_checks(self) -> int:
        """Checks of the uncertainty along a whole trajectory, that of the first frame not counted."""
        return max(1, round(1000.0 * self.time / self.timestep / self.interval))


class SelectSettings(StrictModel):
    """Which frames are labelled."""

    renamed_keys: ClassVar = {
        "control": "random_validation",
        "least_distance": "min_distance",
        "per_walk": "per_trajectory",
    }

    batch: int = Field(8, ge=1, description="frames labelled in each iteration that are uncertain and different")
    random_validation: int = Field(
        2,
        ge=1,
        description="frames drawn at random from the trajectories and labelled; held out of training: unbiased errors, "
        "and data for the calibration",
    )
    per_trajectory: int | None = Field(3, ge=1, description="frames of one trajectory, at most")
    min_distance: float = Field(
        0.05,
        ge=0.0,
        description="frames nearer to labelled ones, in feature space, are duplicates; 1 is typical within the "
        "training set",
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
    warm_start: bool = Field(True, description="fine-tune the last potential")
    warm_length: float = Field(0.5, gt=0.0, le=1.0, description="of a warm start, as a fraction of the first training")
    warm_lr: float = Field(0.5, gt=0.0, le=1.0, description="learning rate of a warm start, likewise")
    members: int = Field(8, ge=2, le=64, description="of the shallow committee")
    held_out: float = Field(
        0.15, gt=0.0, lt=0.9, description="fraction of the initial structures that is held out of training: validation"
    )

    @model_validator(mode="after")
    def _loop_decides(self) -> "LearnSettings":
        if self.training.init_from is not None or self.training.committee is not None:
            raise ValueError("training.init_from and training.committee are set by the loop: leave them out")
        return self


class StopSettings(StrictModel):
    """When the loop ends."""

    renamed_keys: ClassVar = {"quiet_time": "converged_time", "share": "target_fraction"}

    force_error: float = Field(0.1, gt=0.0, description="target, eV/A, for the errors of force components")
    target_fraction: float = Field(
        0.9, gt=0.0, lt=1.0, description="fraction of the errors that must be below it, in the explored conditions"
    )
    labels: int = Field(1000, ge=1, description="budget: no iteration begins with this many labels")
    cost: Duration | None = Field(None, description="budget: time of all calculations together (10h); null: none")
    wall_time: Duration | None = Field(None, description="of this start of the command (8h); null: none")
    iterations: int = Field(100, ge=1, description="at most")
    converged_time: float | None = Field(
        None, gt=0.0, description="end when no uncertain frame was found in this many ps; null: only at the target"
    )

    @field_validator("target_fraction")
    @classmethod
    def _within_reach(cls, value: float) -> float:
        if value > HIGHEST_FRACTION:
            raise ValueError(
                f"expected at most {HIGHEST_FRACTION}, got {value:g}: no error bars are calibrated beyond that, so the "
                "target could never be reached; lower `force_error` instead"
            )
        return value


class LoopConfig(StrictModel):
    """A whole loop."""

    systems: list[System] = Field(min_length=1, description="materials")
    label: LabelSettings = Field(description="code that computes labels")
    executor: ExecutorSettings = Field(ExecutorSettings(), description="where calculations run")
    explore: ExploreSettings = Field(ExploreSettings(), description="molecular dynamics that finds new frames")
    select: SelectSettings = Field(SelectSettings(), description="which frames are labelled")
    learn: LearnSettings = Field(LearnSettings(), description="how potentials are trained")
    stop: StopSettings = Field(StopSettings(), description="when the loop ends")
    store: Path = Field(
        description="database of the loop, *.db; null: beside the configuration, named like it", examples=[None]
    )
    threads: int = Field(1, ge=1, description="of training and dynamics")
    seed: int = Field(0, ge=0, description="of all random numbers")

    @model_validator(mode="after")
    def _consistent(self) -> "LoopConfig":
        if self.explore.bias > 0.0 and self.explore.pressure is not None:
            raise ValueError("explore.bias acts on atoms, not on cells: leave explore.pressure out, or set bias: 0")
        if self.explore.bias > 0.0 and self.explore.program == "lammps":
            raise ValueError("explore.bias requires explore.program: ase, got lammps: set bias: 0")
        if self.explore.ranks > 1 and self.explore.program == "ase":
            raise ValueError(f"explore.ranks is for explore.program: lammps, got {self.explore.ranks} with ase")
        return self
