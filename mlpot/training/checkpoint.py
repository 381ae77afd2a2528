"""Checkpoints: everything that a resumed run depends on, in one file that is replaced atomically.

They hold no random state: initial weights follow from the seed, and the order of the data from (seed, epoch).
"""

import io
import time
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mlpot.config import TrainConfig
from mlpot.errors import TrainingError
from mlpot.running.atomic_write import replace_atomically

CHECKPOINT_NAME = "checkpoint.pt"
_FORMAT = 2
# Fields that may differ in a resumed run: those of `run`, and paths of data and models (contents are compared by hash).
_FREE_FIELDS = (
    *("run.", "data.train[", "data.validation[", "data.test", "data.in_memory"),
    *("training.init_from", "training.distill.teachers["),
)


class Checkpointer:
    """Writes the checkpoints of a run.

    Parameters
    ----------
    path : Path or None
        None: nothing is written (all processes but the first).
    content : callable
        Makes the content of a checkpoint.
    interval : float, s
        Longest time between checkpoints.
    """

    def __init__(self, path: Path | None, content: Callable[[], Mapping[str, Any]], interval: float) -> None:
        self.path, self.content, self.interval = path, content, interval
        self._last = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint now."""
        if self.path is not None:
            write_checkpoint(self.path, self.content())
        self._last = time.monotonic()

    def save_if_due(self) -> None:
        """Write a checkpoint if the interval is over."""
        if time.monotonic() - self._last >= self.interval:
            self.save()


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write atomically: after a crash at any moment there is the old file or the new one."""
    buffer = io.BytesIO()  # torch hides the reason where a file cannot be written
    torch.save({"format": _FORMAT, **content}, buffer)
    try:
        with replace_atomically(path) as partial:
            partial.write_bytes(buffer.getbuffer())
    except OSError as error:
        raise TrainingError(
            f"the checkpoint {path} cannot be written ({error.strerror}): free space, then continue with --resume from "
            "the last checkpoint that is there"
        ) from error


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint; no pickled code is ever executed.

    Raises
    ------
    TrainingError
        No file, a damaged one, or one of another format.
    """
    if not path.is_file():
        raise TrainingError(f"nothing to resume: {path} does not exist; run without --resume")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged archive
        raise TrainingError(
            f"{path} is not a readable checkpoint ({type(error).__name__}): start a new run in another folder"
        ) from error
    stored = content.get("format") if isinstance(content, dict) else None
    if not isinstance(stored, int) or stored != _FORMAT:
        raise not_a_checkpoint(path)
    return typing.cast(dict[str, Any], content)


def not_a_checkpoint(path: Path) -> TrainingError:
    """Error for a file of another program or version."""
    return TrainingError(
        f"{path} is not a checkpoint of this version (format {_FORMAT}): start a new run in another folder"
    )


def refuse_changes(stored: Mapping[str, Any], config: TrainConfig, hashes: Mapping[str, str | None]) -> None:
    """Check that a run is resumed with the data and configuration that it began with.

    Parameters
    ----------
    stored : mapping
        The checkpoint's entries ``config`` and ``data``.
    config : TrainConfig
    hashes : mapping of split to hash

    Raises
    ------
    TrainingError
        Names every field that changed, with its old and new value.
    """
    old = dict(_flatten(stored["config"]))
    new = dict(_flatten(config.model_dump(mode="json")))
    changes = [
        f"{key}: {old.get(key)!r} -> {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(_FREE_FIELDS)
    ]
    for split in ("train", "validation", "pseudo_labels"):
        before, now = stored["data"].get(split), hashes.get(split)
        if before != now:
            changes.append(f"content of the {split} data: {_short(before)} -> {_short(now)}")
    if changes:
        raise TrainingError(
            "cannot resume with other settings than those of the checkpoint:\n  "
            + "\n  ".join(changes)
            + "\nrestore them, or start a new run in another folder (run.output)"
        )


def _short(content_hash: str | None) -> str:
    return "none" if content_hash is None else content_hash[:12]


def _flatten(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted path and value of every leaf."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(item, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _flatten(item, f"{prefix}[{index}]")
    else:
        yield prefix, value
