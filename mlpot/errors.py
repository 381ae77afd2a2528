"""Errors with a message for the user: bad data, bad input, bad files, a missing engine."""


class MLPotError(ValueError):
    """Base of every error whose message is meant for the user."""


class DataError(MLPotError):
    """Structures or labels that cannot be used: missing keys, wrong shapes, unphysical values."""


class ConfigError(MLPotError):
    """A configuration that is incomplete or contradicts itself."""


class ModelFileError(MLPotError):
    """A model file that is damaged, foreign, of another format, or that fails its self-test."""


class EngineError(MLPotError):
    """An engine that is missing, cannot be built, or returned an unusable result."""


class UncertaintyError(MLPotError):
    """A run outside the training domain: an error bar or a feature distance is above its limit."""


class TrainingError(MLPotError):
    """A training run that cannot start, cannot be resumed, or has diverged."""


class PropertyError(MLPotError):
    """A property that cannot be computed: a structure that does not fit it, a relaxation that does not converge."""


class OutputError(MLPotError):
    """A file or folder for results that cannot be written: missing, of an unknown kind, or on a full disk."""


class StoreError(MLPotError):
    """A store of active learning that cannot be read or written: another database, newer, damaged, or a full disk."""


class LabelError(MLPotError):
    """A label that could not be computed, or that is implausible."""
