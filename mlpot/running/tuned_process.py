"""Restart of a command with a memory allocator that is tuned for torch.

torch frees and allocates large blocks in every step; glibc then returns them to the system and gets them back page
by page, which costs up to half of the time. Its thresholds are read when a process starts, so `mlpot train` starts
itself once more with them set, before torch is loaded. Done for that command only, never where mlpot is a library.
"""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

# Keep up to 4 GB in the heap instead of mapping and unmapping it; grow the heap by 64 MB at a time.
MALLOC_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
    "MALLOC_TOP_PAD_": str(1 << 26),
}
# Before glibc 2.35 a mapping threshold above 32 MB is refused, and then the smallest one stays: worse than nothing.
_FIRST_WITHOUT_LIMIT = (2, 35)
_OLD_LIMIT = {"MALLOC_MMAP_THRESHOLD_": str(1 << 25)}
# Marks the second start, so that there is no third.
_MARK = "MLPOT_MALLOC_TUNED"


def tuned_environment(environment: Mapping[str, str], libc: tuple[str, str]) -> dict[str, str] | None:
    """Environment to start again with, or None if there is nothing to gain.

    Parameters
    ----------
    environment : mapping
        Of this process; what the user has set is kept.
    libc : tuple of str
        Name and version of the C library; only glibc has the variables.
    """
    name, version = libc
    if name != "glibc" or _MARK in environment or all(key in environment for key in MALLOC_SETTINGS):
        return None
    number = tuple(int(part) for part in version.split(".")[:2])
    limit = {} if number >= _FIRST_WITHOUT_LIMIT else _OLD_LIMIT
    return {**MALLOC_SETTINGS, **limit, **environment, _MARK: "1"}


def restart_tuned(verbose: bool) -> None:
    """Replace this process by itself with glibc's thresholds set; returns if that is done or of no use.

    Does nothing in a process that is not the `mlpot` command, such as a test that calls it as a function.
    """
    environment = tuned_environment(os.environ, platform.libc_ver())
    if environment is None or not _is_command(Path(sys.argv[0])):
        return
    if verbose:
        settings = " ".join(f"{name}={environment[name]}" for name in MALLOC_SETTINGS)
        sys.stderr.write(f"starting again with {settings}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _is_command(program: Path) -> bool:
    """Whether this process is `mlpot` or `python -m mlpot`."""
    return program.name == "mlpot" or program.parts[-2:] == ("mlpot", "__main__.py")
