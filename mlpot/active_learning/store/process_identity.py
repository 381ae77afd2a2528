"""Which process is at work, so that another one can tell, at once and surely, whether it still is.

A process id alone is used again sooner or later; together with its start time, the boot of the machine and the
namespace of ids (containers) it is not. Of processes on other machines nothing is known but their last sign of life.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """One process, for ever.

    Attributes
    ----------
    host : str
    boot : str
        Boot of the machine and namespace of process ids; empty where the system does not tell.
    pid : int
    started : int
        Clock ticks from the boot to the start of the process; 0 where the system does not tell.
    """

    host: str
    boot: str
    pid: int
    started: int

    @classmethod
    def current(cls) -> "ProcessIdentity":
        """Identity of this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _this_boot(), pid, _start_time(pid) or 0)

    def liveness(self) -> Literal["alive", "dead", "unknown"]:
        """Whether the process is there; unknown from another machine or container.

        Returns
        -------
        str
        """
        if not self.boot or self.boot != _this_boot():
            return "unknown"
        return "alive" if _start_time(self.pid) == self.started else "dead"


def _this_boot() -> str:
    """Boot and namespace that process ids refer to."""
    try:
        return f"{BOOT_ID.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_time(pid: int) -> int | None:
    """Ticks from the boot to the start of a process; None where there is none, or only its corpse."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # the name before may hold anything
    return None if state in "ZX" else int(fields[18])
