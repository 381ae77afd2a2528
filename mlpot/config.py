"""Configuration: pydantic models that refuse unknown keys; YAML in, JSON schema out."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class StrictModel(BaseModel):
    """A configuration section in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelConfig(StrictModel):
    """Architecture of a potential: what `mlpot.model.Potential` is built from."""

    cutoff: float = Field(5.0, gt=0.5, le=15.0, description="neighbour cutoff in A")
    n_layers: int = Field(1, ge=1, le=3, description="1 is strictly local; each further layer passes messages")
    n_channels: int = Field(64, ge=1, le=1024, description="channels of the density and of the features")
    lmax: int = Field(3, ge=0, le=4, description="highest spherical harmonic of the density")
    correlation: int = Field(3, ge=1, le=4, description="highest power of the density (body order minus one)")
    n_radial: int = Field(8, ge=1, le=32, description="radial basis functions")
    envelope_power: int = Field(6, ge=3, le=12, description="power of the smooth cutoff envelope")
    species_embedding: int | None = Field(
        None, ge=1, le=256, description="rank of the element embedding; null: every element has its own weights"
    )
    message_channels: int = Field(16, ge=1, le=256, description="channels of the messages between layers")
    message_lmax: Literal[0, 1] = Field(1, description="0: scalar messages; 1: scalars and vectors")
    readout_width: int = Field(32, ge=1, le=512, description="hidden width of the last readout")
    zbl: bool = Field(True, description="Ziegler-Biersack-Littmark repulsion of close atoms")
