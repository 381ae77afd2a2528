"""Last, linear weights of a potential."""

from mlpot.config import ModelConfig


def last_weights(config: ModelConfig) -> dict[str, slice]:
    """Names of the last, linear weights of a potential, and the columns of the descriptors that they multiply."""
    width, n_layers = config.n_channels, config.n_layers
    places = {f"layers.{index}.readout": slice(index * width, (index + 1) * width) for index in range(n_layers)}
    name = f"layers.{n_layers - 1}.readout_output.weight"
    return {**places, name: slice(n_layers * width, n_layers * width + config.readout_width)}
