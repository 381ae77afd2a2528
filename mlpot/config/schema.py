"""Keys of the configuration of a training, with defaults and limits.

`TrainConfig` holds everything that decides what a run computes (`data`, `model`, `loss`, `training`) and where and how
(`run`). The descriptions of the fields make the commented example (`mlpot train --example`) and the JSON schema.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mlpot.errors import ConfigError


class StrictModel(BaseModel):
    """A section of a configuration; an unknown key is an error.

    Attributes
    ----------
    renamed_keys : mapping
        Former name of a key -> current name, for the error message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    renamed_keys: ClassVar[Mapping[str, str]] = {}


class ModelConfig(StrictModel):
    """Architecture of a potential: what `mlpot.model.Potential` is built from."""

    renamed_keys = {"stretch": "distance_transform"}

    cutoff: float = Field(5.0, gt=0.5, le=15.0, description="radius of the neighbor list, A")
    n_layers: int = Field(1, ge=1, le=3, description="interaction layers; 1: strictly local, more: message passing")
    n_channels: int = Field(64, ge=1, le=1024, description="channels of the atomic basis and of the node features")
    lmax: int = Field(3, ge=0, le=6, description="largest degree l of the spherical harmonics in the atomic basis")
    correlation: int = Field(3, ge=1, le=4, description="correlation order of the product basis: body order minus one")
    vector_correlation: int = Field(
        2,
        ge=1,
        le=4,
        description="correlation order for vectors and tensors in messages, the most expensive part",
    )
    n_radial: int = Field(8, ge=1, le=32, description="number of radial basis functions")
    distance_transform: float = Field(
        1.0,
        ge=0.0,
        le=8.0,
        description="how much finer the radial basis resolves short distances than long ones; 0: uniformly",
    )
    envelope_power: int = Field(6, ge=3, le=12, description="exponent p of the polynomial cutoff envelope")
    species_embedding: int | None = Field(
        None,
        ge=1,
        le=256,
        description="share weights between elements: size of an element's embedding; null: each element, and each pair "
        "of them, has weights of its own",
    )
    n_radial_functions: int = Field(
        16, ge=1, le=64, description="radial functions of each element with species_embedding, mixed from the basis"
    )
    message_channels: int = Field(32, ge=1, le=256, description="channels of the messages between layers")
    message_lmax: Literal[0, 1, 2] = Field(
        1, description="largest degree l of messages: 0 scalars, 1 vectors too, 2 tensors of rank two too"
    )
    readout_width: int = Field(32, ge=1, le=512, description="hidden units of the readout of the last layer")
    zbl: bool = Field(True, description="add the Ziegler-Biersack-Littmark (ZBL) repulsion at short distances")


Preset = Literal["fast", "balanced", "accurate", "max"]

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"n_layers": 1, "n_channels": 32, "lmax": 4, "correlation": 3, "n_radial": 12},
    "balanced": {
        "n_layers": 2,
        "n_channels": 32,
        "lmax": 3,
        "correlation": 3,
        "n_radial": 12,
        "message_channels": 16,
    },
    "accurate": {"n_layers": 2, "n_channels": 64, "lmax": 4, "correlation": 3, "n_radial": 8},
    "max": {"n_layers": 2, "n_channels": 64, "lmax": 4, "correlation": 3, "n_radial": 8, "message_lmax": 2},
}


SHARED_FROM: Final = 5
"""Number of elements from which they share weights by default."""

SHARED_EMBEDDING: Final = 16


class ModelSection(ModelConfig):
    """A preset, and the fields of `ModelConfig` that override it."""

    preset: Preset = Field(
        "fast",
        description="fast: one layer, strictly local; balanced: two layers of 32 channels with vector messages; "
        "accurate: two layers of 64 channels; max: accurate with tensor messages",
    )
    species_embedding: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] | None = Field(  # type: ignore[assignment]
        "auto",
        description=f"{ModelConfig.model_fields['species_embedding'].description}; auto: {SHARED_EMBEDDING} from "
        f"{SHARED_FROM} elements on, else null",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        preset = values.get("preset", "fast")
        return {**PRESETS.get(preset, {}), **values}

    def architecture(self, n_elements: int) -> ModelConfig:
        """Return the architecture of a model of this number of elements."""
        fields = self.model_dump(exclude={"preset"})
        if self.species_embedding == "auto":
            fields["species_embedding"] = SHARED_EMBEDDING if n_elements >= SHARED_FROM else None
        return ModelConfig(**fields)


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


ReferenceMethod = Literal["auto", "isolated", "least_squares", "least_squares_min_norm"]
Files = Annotated[list[Path], BeforeValidator(_as_list), Field(min_length=1)]


class DataConfig(StrictModel):
    """Labelled structures and their division into training, validation and test sets."""

    train: Annotated[list[Path], BeforeValidator(_as_list)] = Field(
        description="file or list of files with labelled structures: any format of ASE, also .xz or .gz",
        examples=["train.extxyz"],
    )
    validation: Annotated[float, Field(ge=0.0, lt=1.0)] | Files = Field(
        0.05, description="fraction taken out of `train` by a seeded hash, or separate file(s); 0: none"
    )
    test: Files | None = Field(None, description="file(s) to score the final model on; never trained on")
    energy_key: str | None = Field(None, description="name of the energy in the files; null: found automatically")
    forces_key: str | None = Field(None, description="name of the forces in the files; null: found automatically")
    stress_key: str | None = Field(None, description="name of the stress in the files; null: found automatically")
    virial_key: str | None = Field(None, description="name of the virial in the files; null: found automatically")
    required: list[Literal["energy", "forces", "stress"]] = Field(
        [], description="labels that every structure must have; other labels may be missing"
    )
    group_key: str = Field("config_type", description="entry of `atoms.info` with the kind of a structure")
    split_by: str | None = Field(
        None,
        description="entry of `atoms.info`; structures that share its value stay together; null: each on its own",
    )
    reference_energies: dict[str, float] | ReferenceMethod = Field(
        "auto",
        description="energies of free atoms in eV ({Si: -0.8}), or a method: isolated (single atoms in `train`), "
        "least_squares, least_squares_min_norm (also where compositions do not determine them), auto (isolated, else "
        "least_squares)",
    )
    in_memory: bool = Field(
        True, description="keep neighbor lists in memory; false: compute them again in each epoch, for large sets"
    )


class LossStage(StrictModel):
    """Weights of energy, forces and stress from some point of the run on."""

    start: float = Field(ge=0.0, lt=1.0, description="fraction of the run at which this stage begins")
    energy: float = Field(0.2, ge=0.0, description="weight of the energy per atom")
    forces: float = Field(1.0, ge=0.0, description="weight of the force components")
    stress: float = Field(0.2, ge=0.0, description="weight of the stress, as virial per atom")

    @model_validator(mode="after")
    def _not_all_zero(self) -> "LossStage":
        if self.energy == self.forces == self.stress == 0.0:
            raise ValueError("at least one weight must be positive")
        return self


class LossConfig(StrictModel):
    """Huber loss on the norms of the residuals of energy per atom, force vectors and virials per atom.

    Residuals are divided by the rms force of the training set: the same weights suit different data sets.
    """

    huber_delta: float = Field(
        0.003,
        gt=0.0,
        description="norm of a residual (eV/atom, eV/A) above which the loss is linear, quadratic below; 1000: mean "
        "squared error",
    )
    stages: list[LossStage] = Field(
        [LossStage(start=0.0), LossStage(start=0.75, energy=15.0, forces=1.0, stress=3.0)],
        min_length=1,
        description="weights by fraction of the run; the first stage starts at 0; each resets the optimizer's moments",
    )

    @model_validator(mode="after")
    def _ordered(self) -> "LossConfig":
        starts = [stage.start for stage in self.stages]
        if starts[0] != 0.0 or starts != sorted(set(starts)):
            raise ValueError(f"stages must start at 0 and increase, got starts {starts}")
        return self


_DURATION_PART = re.compile(r"(\d+\.?\d*(?:e[+-]?\d+)?)([smhd]?)")
_DURATION_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: str | float) -> float:
    """Seconds in a duration such as ``90``, ``"45s"``, ``"30m"``, ``"1.5h"`` or ``"1h30m"``.

    Raises
    ------
    ConfigError
        Not a positive duration.
    """
    text = str(value).strip().lower()
    parts = _DURATION_PART.findall(text)
    total = sum(float(number) * _DURATION_UNITS[unit or "s"] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not 0.0 < total < float("inf"):
        raise ConfigError(f"expected a duration such as 90, 45s, 30m or 1h30m, got {value!r}")
    return total


Duration = Annotated[float, BeforeValidator(parse_duration)]


class ScheduleConfig(StrictModel):
    """Course of the learning rate."""

    kind: Literal["cosine", "plateau"] = Field(
        "cosine", description="cosine: decay to the end of the run; plateau: decay when validation stops improving"
    )
    warmup_steps: int = Field(100, ge=0, description="steps of linear warm-up, also at each stage of the loss")
    final_fraction: float = Field(0.005, ge=0.0, le=1.0, description="lowest learning rate, as a fraction of `lr`")
    patience: int = Field(20, ge=1, description="plateau: epochs without improvement before the rate is lowered")
    factor: float = Field(0.5, gt=0.0, lt=1.0, description="plateau: factor on the rate")


class CommitteeConfig(StrictModel):
    """Several models in one file; their spread, calibrated, is the error bar."""

    kind: Literal["shallow", "deep"] = Field(
        "shallow", description="shallow: members differ in the last weights only; deep: independent models"
    )
    members: int = Field(8, ge=2, le=64, description="number of members; 4 is usual for deep")
    bootstrap: bool = Field(
        False, description="deep: train each member on a bootstrap sample of the training structures"
    )
    member: int | None = Field(
        None, ge=0, description="deep: train only this member, as in an array job; then `mlpot committee join`"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "CommitteeConfig":
        if self.kind == "shallow" and (self.bootstrap or self.member is not None):
            raise ValueError("bootstrap and member are for kind: deep")
        if self.member is not None and self.member >= self.members:
            raise ValueError(f"member must be below members, got {self.member} of {self.members}")
        return self


class DistillConfig(StrictModel):
    """Distillation: pseudo-labels from trained models, in addition to the data."""

    teachers: Files = Field(description="model.pt of a committee, or of several models; their mean labels structures")
    frames: int = Field(8, ge=1, le=1000, description="structures to label around each one of the training set")
    temperature: float = Field(300.0, gt=0.0, description="K, of the MD that samples them")
    interval: float = Field(20.0, ge=1.0, description="time between two of them, fs")
    strain: float = Field(
        0.0,
        ge=0.0,
        le=0.2,
        description="largest random strain of sampled structures that are periodic in three directions",
    )


# A distillation begins from a teacher, and an epoch has many times as many structures.
_DISTILLED_EPOCHS, _DISTILLED_LR = 12, 0.006


class OptimizationConfig(StrictModel):
    """Optimizer, schedule and length of the run."""

    renamed_keys = {"start": "init_from"}

    epochs: int | None = Field(
        None, ge=1, description="passes over the training set; null: 200 (12 with distill), or by steps or time_budget"
    )
    steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    time_budget: Duration | None = Field(
        None,
        description="duration (30m, 2h), instead of epochs; the number of steps follows from the measured speed",
    )
    batch_atoms: int = Field(30, ge=1, description="approximate number of atoms in a batch, over all devices")
    lr: float = Field(0.01, gt=0.0, le=10.0, description="highest learning rate; 0.006 with distill, unless given")
    weight_decay: float = Field(5e-7, ge=0.0, description="decoupled weight decay")
    momentum: float = Field(0.95, ge=0.0, lt=1.0, description="momentum of Muon, the optimizer of the linear maps")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), description="decay of the moments of AdamW, the optimizer of all other weights"
    )
    amsgrad: bool = Field(True, description="use the AMSGrad variant of AdamW")
    gradient_clip: float | None = Field(
        None, gt=0.0, description="largest norm of the gradient of the loss; null: no limit"
    )
    ema_decay: float = Field(0.999, ge=0.0, lt=1.0, description="decay of the exponential average of the weights")
    schedule: ScheduleConfig = Field(ScheduleConfig(), description="course of the learning rate")
    precision: Literal["float32", "float64"] = Field("float32", description="arithmetic of the model")
    engine: Literal["auto", "native", "torch"] = Field(
        "auto", description="engine of the gradients; auto: native on the CPU, torch elsewhere"
    )
    seed: int = Field(0, ge=0, description="seed of initial weights, order of the data, split")
    init_from: Path | None = Field(
        None, description="fine-tuning: model.pt of the same elements and architecture; null: random initial weights"
    )
    committee: CommitteeConfig | None = Field(None, description="a committee, with error bars; null: a single model")
    distill: DistillConfig | None = Field(
        None, description="distil trained models ({teachers: committee.pt}); null: train on the data alone"
    )

    @model_validator(mode="before")
    @classmethod
    def _length_and_rate(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        given = [key for key in ("epochs", "steps", "time_budget") if values.get(key) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of epochs, steps, time_budget, got {' and '.join(given)}")
        distilled = values.get("distill") is not None
        if not given:
            values = {**values, "epochs": _DISTILLED_EPOCHS if distilled else 200}
        return {"lr": _DISTILLED_LR, **values} if distilled else values


_MEMBER_STRIDE = 1_000_003


def member_seed(training: OptimizationConfig) -> int:
    """Seed of initial weights and of the order of the data: the seed of the run, shifted for members of a committee."""
    member = None if training.committee is None else training.committee.member
    return training.seed + _MEMBER_STRIDE * (member or 0)


class RunConfig(StrictModel):
    """Where and how the run is carried out; may change when a run is resumed."""

    output: Path = Field(Path("mlpot-run"), description="folder of the results")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda if available, else cpu")
    devices: int = Field(1, ge=1, description="processes (CPU) or GPUs that share each batch")
    threads: int | None = Field(None, ge=1, description="CPU threads of each process; null: the cores it may use")
    checkpoint_every: Duration = Field(60.0, description="longest time between checkpoints (seconds, or 5m)")
    validate_every: int = Field(1, ge=1, description="epochs between validations")
    parallel_members: int = Field(1, ge=1, description="deep committee: members to train at the same time")
    plots: bool = Field(True, description="draw the learning curve and parity plots")
    tensorboard: bool = Field(False, description="also write TensorBoard events (needs the tensorboard package)")


class TrainConfig(StrictModel):
    """A whole training run."""

    data: DataConfig = Field(description="labelled structures, and their division")
    model: ModelSection = Field(ModelSection(), description="architecture: a preset, and keys that override it")
    loss: LossConfig = Field(LossConfig(), description="Huber loss on energies, forces and stresses")
    training: OptimizationConfig = Field(OptimizationConfig(), description="optimizer, schedule and length of the run")
    run: RunConfig = Field(RunConfig(), description="where and how the run is carried out")
