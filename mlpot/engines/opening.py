"""Choice of the engine for a model: native on the CPU, torch elsewhere, unless one is named."""

import logging
from pathlib import Path

from mlpot.engines.interface import Engine, EngineName
from mlpot.engines.native import NOT_BUILT, NativeEngine, is_built
from mlpot.errors import EngineError
from mlpot.extras import needs
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import Precision

LOGGER = logging.getLogger("mlpot")


def open_engine(
    model: str | Path | ModelBundle,
    engine: EngineName | None = None,
    *,
    device: str = "cpu",
    precision: Precision | None = None,
    threads: int | None = None,
    skin: float = 0.0,
) -> Engine:
    """Open a model in an engine, and log the engine.

    Parameters
    ----------
    model : str, Path or ModelBundle
    engine : {"native", "torch"}, optional
        None: native on the CPU where it is built, else torch.
    device : str
        Device of torch; the native engine runs on ``cpu``.
    precision : {"mixed", "double"}, optional
        By default that of the training.
    threads : int, optional
        Of the native engine, as `NativeEngine`; torch has its own setting.
    skin : float, A
        Margin of the neighbor list; 0 builds a new list at every call.

    Raises
    ------
    ModelFileError
        A file that is missing, damaged or not a model.
    EngineError
        An engine that is not available, or settings that it does not have.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from mlpot.model_file.registry import find_potential
    >>> engine = open_engine(find_potential("Si-dft/fast"), "native")
    >>> results = engine.compute(bulk("Si"), ["descriptors"])
    >>> results.forces.shape, len(results.descriptors)
    ((2, 3), 2)
    """
    opened = _open(model, engine, device, precision, threads, skin)
    LOGGER.info("%s: %s", opened.path, opened.description)
    return opened


def _open(
    model: str | Path | ModelBundle,
    engine: EngineName | None,
    device: str,
    precision: Precision | None,
    threads: int | None,
    skin: float,
) -> Engine:
    if engine not in (None, "native", "torch"):
        raise EngineError(f"`engine` must be native or torch, got {engine!r}")
    if threads is not None and threads < 1:
        raise EngineError(f"`threads` must be at least 1, got {threads}")
    if engine == "native" and device != "cpu":
        raise EngineError(f"the native engine runs on the cpu, got device {device!r}: choose engine='torch'")
    if engine == "native" or (engine is None and device == "cpu" and is_built()):
        return NativeEngine(model, precision, threads, skin)
    if threads is not None:
        raise EngineError("`threads` is for the native engine; those of torch are set by torch.set_num_threads")
    if engine is None and device == "cpu":
        LOGGER.warning("%s; torch computes instead, many times slower (engine='torch' chooses it)", NOT_BUILT)
    with needs("train"):
        from mlpot.engines.torch import TorchEngine  # noqa: PLC0415  # the native engine runs without torch

    return TorchEngine(model, device, precision, skin)
