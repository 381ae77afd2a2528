"""Identity of a process, from which another process can determine whether it is still alive.

Process ids are reused. An id together with the start time in clock ticks, the boot id of the machine and the namespace
of process ids (containers) is unique. `psutil` does not replace this: its start time is in wall-clock seconds, which
shift when the clock is adjusted, and it has neither the boot id nor the namespace.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process, identified uniquely.

    Attributes
    ----------
    host : str
    boot : str
        Boot id of the machine and namespace of process ids; empty where the system has none (not Linux).
    pid : int
    started : int
        Clock ticks from the boot to the start of the process; 0 where the system has none.
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
        """Whether the process is running; unknown for one on another machine or in another container."""
        if not self.boot or self.boot != _this_boot():
            return "unknown"
        return "alive" if _start_time(self.pid) == self.started else "dead"


def _this_boot() -> str:
    """Boot id and namespace in which process ids of this machine are valid."""
    try:
        return f"{BOOT_ID.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_time(pid: int) -> int | None:
    """Ticks from the boot to the start of a process; None if it does not exist or is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()  # the name before may contain spaces and brackets
    return None if state in "ZX" else int(fields[18])
