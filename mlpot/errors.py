"""Errors that mlpot raises for what a user can mend: bad data, bad input, bad files, a missing engine."""


class MLPotError(ValueError):
    """Base of every error whose message is meant for the user."""


class DataError(MLPotError):
    """Structures or labels that cannot be used: missing keys, wrong shapes, unphysical values."""


class ConfigError(MLPotError):
    """A configuration that is incomplete or contradicts itself."""


class ModelFileError(MLPotError):
    """A model file that is damaged, foreign, of another format, or that fails its own self-test structure."""


class EngineError(MLPotError):
    """An engine that is missing, cannot be built, or returned an unusable result."""


class UncertaintyError(MLPotError):
    """A run in which the potential does not know: an error bar or a feature distance is above its limit."""


class TrainingError(MLPotError):
    """A training run that cannot start, cannot be resumed, or has diverged."""


class PropertyError(MLPotError):
    """A property that cannot be computed: a structure that does not fit it, a relaxation that does not converge."""


class StoreError(MLPotError):
    """A store of active learning that cannot be read or written: not ours, newer, damaged, or the disk is full."""


class LabelError(MLPotError):
    """A label that could not be computed, or that cannot be believed."""
