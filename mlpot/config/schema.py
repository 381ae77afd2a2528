"""Configuration: pydantic models that refuse unknown keys; YAML in, JSON schema out.

`TrainConfig` holds everything that decides what a training run computes (`data`, `model`, `loss`, `training`) and
where and how it does so (`run`). `mlpot.config.yaml` reads it from YAML and words its errors; `mlpot.training` acts
on it. Every field carries its description, from which the commented example and the JSON schema are made.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from mlpot.errors import ConfigError


class StrictModel(BaseModel):
    """A configuration section in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelConfig(StrictModel):
    """Architecture of a potential: what `mlpot.model.Potential` is built from."""

    cutoff: float = Field(5.0, gt=0.5, le=15.0, description="neighbour cutoff in A")
    n_layers: int = Field(1, ge=1, le=3, description="1 is strictly local; each further layer passes messages")
    n_channels: int = Field(64, ge=1, le=1024, description="channels of the density and of the features")
    lmax: int = Field(3, ge=0, le=6, description="highest spherical harmonic of the density")
    correlation: int = Field(3, ge=1, le=4, description="highest power of the density (body order minus one)")
    vector_correlation: int = Field(
        2,
        ge=1,
        le=4,
        description="the same for vectors and tensors in messages, where high powers are the dearest part",
    )
    n_radial: int = Field(8, ge=1, le=32, description="radial basis functions")
    distance_transform: float = Field(
        1.0,
        ge=0.0,
        le=8.0,
        description="how much finer the radial functions are in bonds than at the cutoff; 0: everywhere the same",
    )
    envelope_power: int = Field(6, ge=3, le=12, description="power of the smooth cutoff envelope")
    species_embedding: int | None = Field(
        None, ge=1, le=256, description="rank of the embedding of neighbours; null: weights for each pair of elements"
    )
    message_channels: int = Field(32, ge=1, le=256, description="channels of the messages between layers")
    message_lmax: Literal[0, 1, 2] = Field(
        1, description="messages are scalars (0), vectors (1), and tensors of rank two (2), too"
    )
    readout_width: int = Field(32, ge=1, le=512, description="hidden width of the last readout")
    zbl: bool = Field(True, description="Ziegler-Biersack-Littmark repulsion of close atoms")


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


class ModelSection(ModelConfig):
    """A preset, and any field of `ModelConfig` that departs from it."""

    preset: Preset = Field(
        "fast",
        description="fast: 1 layer, strictly local; balanced: 2 small layers, messages with vectors; "
        "accurate: 2 large ones; max: and messages with tensors",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        preset = values.get("preset", "fast")
        return {**PRESETS.get(preset, {}), **values}

    def architecture(self) -> ModelConfig:
        """Return the architecture alone, without the name of the preset it started from."""
        return ModelConfig(**self.model_dump(exclude={"preset"}))


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


ReferenceMethod = Literal["auto", "isolated", "least_squares", "least_squares_min_norm"]
Files = Annotated[list[Path], BeforeValidator(_as_list), Field(min_length=1)]


class DataConfig(StrictModel):
    """Structures with labels, and how they are divided."""

    train: Files = Field(
        description="file or list of files with labelled structures: anything ASE reads, also .xz or .gz"
    )
    validation: Annotated[float, Field(ge=0.0, lt=1.0)] | Files = Field(
        0.05, description="fraction taken out of `train` by a seeded hash, or file(s) of their own; 0: none"
    )
    test: Files | None = Field(None, description="file(s) on which the final model is scored; never trained on")
    energy_key: str | None = Field(None, description="name of the energy in the files; null: found")
    forces_key: str | None = Field(None, description="name of the forces in the files; null: found")
    stress_key: str | None = Field(None, description="name of the stress in the files; null: found")
    virial_key: str | None = Field(None, description="name of the virial in the files; null: found")
    required: list[Literal["energy", "forces", "stress"]] = Field(
        [], description="labels that every structure must have; others may be missing here and there"
    )
    group_key: str = Field("config_type", description="`atoms.info` entry that names the kind of a structure")
    split_by: str | None = Field(
        None,
        description="`atoms.info` entry whose structures stay on one side of the split; null: structure by structure",
    )
    reference_energies: dict[str, float] | ReferenceMethod = Field(
        "auto",
        description="energy of each free atom in eV ({Si: -0.8}); isolated: of single atoms in `train`; least_squares; "
        "least_squares_min_norm: also where compositions do not determine them; auto: isolated, then least_squares",
    )
    in_memory: bool = Field(
        True, description="keep structures and neighbour lists in memory; false: made anew when needed, for huge sets"
    )


class LossStage(StrictModel):
    """Weight of each label, from a point of the run on."""

    start: float = Field(ge=0.0, lt=1.0, description="fraction of the run at which these weights begin")
    energy: float = Field(0.2, ge=0.0, description="weight of the energy per atom")
    forces: float = Field(1.0, ge=0.0, description="weight of the force components")
    stress: float = Field(0.2, ge=0.0, description="weight of the stress, as virial per atom")

    @model_validator(mode="after")
    def _not_all_zero(self) -> "LossStage":
        if self.energy == self.forces == self.stress == 0.0:
            raise ValueError("at least one weight must be positive")
        return self


class LossConfig(StrictModel):
    """What is minimised: sizes of the residuals of energy, force vectors and virials.

    They are divided by the rms force of the training set, so that weights carry over from one set to another.
    """

    huber_delta: float = Field(
        0.003,
        gt=0.0,
        description="sizes of residuals beyond this (eV per atom, eV/A) count linearly, smaller ones by their square; "
        "1000: mean squares",
    )
    stages: list[LossStage] = Field(
        [LossStage(start=0.0), LossStage(start=0.75, energy=15.0, forces=1.0, stress=3.0)],
        min_length=1,
        description="weights by fraction of the run; the first stage starts at 0, the optimizer starts afresh at each",
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
        "cosine", description="cosine: falls to the end of the run; plateau: falls when the validation loss does not"
    )
    warmup_steps: int = Field(
        100, ge=0, description="steps over which the rate rises from zero, also at a new stage of the loss"
    )
    final_fraction: float = Field(0.005, ge=0.0, le=1.0, description="lowest rate, as a fraction of `lr`")
    patience: int = Field(20, ge=1, description="plateau: epochs without improvement before the rate falls")
    factor: float = Field(0.5, gt=0.0, lt=1.0, description="plateau: factor by which it falls")


class CommitteeConfig(StrictModel):
    """Several models in one file, whose spread becomes an error bar."""

    kind: Literal["shallow", "deep"] = Field(
        "shallow", description="shallow: members share all but the last weights; deep: whole models, M times the cost"
    )
    members: int = Field(8, ge=2, le=64, description="number of members; 4 are usual for deep")
    bootstrap: bool = Field(
        False, description="deep: each member sees a random draw of the training structures, with repetition"
    )
    member: int | None = Field(
        None, ge=0, description="deep: train this member alone, e.g. in an array job; `mlpot committee join` joins them"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "CommitteeConfig":
        if self.kind == "shallow" and (self.bootstrap or self.member is not None):
            raise ValueError("bootstrap and member are for kind: deep")
        if self.member is not None and self.member >= self.members:
            raise ValueError(f"member must be below members, got {self.member} of {self.members}")
        return self


class DistillConfig(StrictModel):
    """Learning from trained models, too: their mean labels structures around those of the training set."""

    teachers: Files = Field(description="model.pt of a committee, or of several models trained on the same data")
    frames: int = Field(8, ge=1, le=1000, description="structures to label around each one of the training set")
    temperature: float = Field(300.0, gt=0.0, description="K, of the walk that starts at each and finds them")
    interval: float = Field(20.0, ge=1.0, description="fs between them")
    strain: float = Field(
        0.0,
        ge=0.0,
        le=0.2,
        description="largest strain, drawn for each of those whose cell is periodic in all directions, along any axes",
    )


# Where a run begins from a teacher and sees many times as many structures in an epoch.
_DISTILLED_EPOCHS, _DISTILLED_LR = 12, 0.006


class OptimizationConfig(StrictModel):
    """Optimizer, schedule and length of the run."""

    epochs: int | None = Field(
        None, ge=1, description="passes over the training set; null: 200 (12 with distill) unless steps or time_budget"
    )
    steps: int | None = Field(None, ge=1, description="optimizer steps, instead of epochs")
    time_budget: Duration | None = Field(
        None,
        description="duration (30m, 2h), instead of epochs: the number of steps is chosen by the measured speed, "
        "so that the schedule ends when the time does",
    )
    batch_atoms: int = Field(30, ge=1, description="atoms in a batch (of all devices together), about")
    lr: float = Field(0.01, gt=0.0, le=10.0, description="highest learning rate; with distill, 0.006 if not given")
    weight_decay: float = Field(5e-7, ge=0.0, description="decoupled weight decay")
    momentum: float = Field(0.95, ge=0.0, lt=1.0, description="of Muon, which moves the linear maps of the model")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.999), description="decay of the running moments of AdamW, which moves all other weights"
    )
    amsgrad: bool = Field(True, description="keep the largest second moment seen")
    gradient_clip: float | None = Field(
        None, gt=0.0, description="largest norm of the gradient of the loss; null: no limit"
    )
    ema_decay: float = Field(0.999, ge=0.0, lt=1.0, description="decay of the averaged weights, which are exported")
    schedule: ScheduleConfig = Field(ScheduleConfig(), description="course of the learning rate")
    precision: Literal["float32", "float64"] = Field("float32", description="arithmetic of the model")
    engine: Literal["auto", "native", "torch"] = Field(
        "auto", description="what computes gradients; auto: the native kernels on the cpu, torch elsewhere"
    )
    seed: int = Field(0, ge=0, description="initial weights, order of the data, split")
    start: Path | None = Field(
        None, description="model.pt to begin from, of the same elements and architecture; null: random weights"
    )
    committee: CommitteeConfig | None = Field(None, description="several models with error bars; null: one model")
    distill: DistillConfig | None = Field(
        None, description="models to learn from beside the data (teachers: committee.pt); null: the data alone"
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
    """Seed of initial weights and of the order of the data: that of the run, another for each member of a committee.

    Parameters
    ----------
    training : OptimizationConfig

    Returns
    -------
    int
    """
    member = None if training.committee is None else training.committee.member
    return training.seed + _MEMBER_STRIDE * (member or 0)


class RunConfig(StrictModel):
    """Where and how the run is carried out; may change when a run is resumed."""

    output: Path = Field(Path("mlpot-run"), description="folder of the results")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: cuda where there is one")
    devices: int = Field(1, ge=1, description="processes (CPU) or GPUs that share each batch")
    threads: int | None = Field(None, ge=1, description="CPU threads of each process; null: torch's choice")
    checkpoint_every: Duration = Field(60.0, description="longest time between checkpoints (seconds, or 5m)")
    validate_every: int = Field(1, ge=1, description="epochs between validations")
    parallel_members: int = Field(1, ge=1, description="members of a deep committee that are trained at a time")
    plots: bool = Field(True, description="draw the learning curve and predictions against labels")
    tensorboard: bool = Field(False, description="also write TensorBoard events (needs the tensorboard package)")


class TrainConfig(StrictModel):
    """A whole training run."""

    data: DataConfig = Field(description="structures with labels, and how they are divided")
    model: ModelSection = Field(ModelSection(), description="architecture: a preset and what departs from it")
    loss: LossConfig = Field(LossConfig(), description="what is minimised")
    training: OptimizationConfig = Field(OptimizationConfig(), description="optimizer, schedule and length of the run")
    run: RunConfig = Field(RunConfig(), description="where and how the run is carried out")
