"""A Slurm with one node, this machine, on the loopback interface: started by root without systemd for the tests."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

CONFIGURATION = """
ClusterName=loop
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=16827
SlurmdPort=16828
SlurmdTimeout=8
ReturnToService=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""


class OneNodeSlurm:
    """Daemons of a Slurm, which can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        path = folder / "slurm.conf"
        path.write_text(CONFIGURATION.format(host=socket.gethostname(), folder=folder, cores=os.cpu_count()))
        self.environment = {**os.environ, "SLURM_CONF": str(path)}
        self._daemons = {}
        if not Path("/run/munge/munge.socket.2").exists():
            self._start_munge()

    def start_controller(self):
        self._start("slurmctld", ["slurmctld", "-D"])

    def start_node(self):
        """Start slurmd and wait until jobs can run."""
        self._start("slurmd", ["slurmd", "-D"])
        for _ in range(120):
            if self.node_state() in ("idle", "mix", "alloc"):
                return
            time.sleep(0.5)
        pytest.skip(f"Slurm does not come up here: {self.ask('sinfo')}")

    def kill_controller(self):
        """kill -9."""
        self._end("slurmctld", signal.SIGKILL)

    def kill_slurmd(self):
        """kill -9 of slurmd alone: its jobs continue, unknown to Slurm."""
        self._end("slurmd", signal.SIGKILL)

    def kill_node(self):
        """kill -9 of slurmd and of all processes of its jobs, as in a power cut."""
        self.kill_slurmd()
        for process in self._processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def node_state(self):
        return self.ask("sinfo", "-h", "-o", "%t").strip()

    def ask(self, *command):
        result = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return result.stdout or result.stderr

    def close(self):
        for name in ("slurmd", "slurmctld", "munged"):
            self._end(name, signal.SIGTERM)
        self.kill_node()  # processes that jobs left behind

    def _processes(self):
        """Processes of jobs and their steps, found by their environment."""
        mark = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (path / "environ").read_bytes().split(b"\0")
                stepd = (path / "comm").read_text().strip() == "slurmstepd"
                if mark in words and (stepd or any(word.startswith(b"SLURM_JOB_ID=") for word in words)):
                    yield int(path.name)

    def _start_munge(self):
        subprocess.run(["mungekey", "-c"], capture_output=True, check=False)
        for place in ("/run/munge", "/var/log/munge", "/var/lib/munge", "/etc/munge"):
            Path(place).mkdir(exist_ok=True)
            subprocess.run(["chown", "-R", "munge:munge", place], check=True)
        Path("/run/munge").chmod(0o755)
        self._start("munged", ["runuser", "-u", "munge", "--", "munged", "--foreground"])
        time.sleep(1)

    def _start(self, name, command):
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def _end(self, name, number):
        daemon = self._daemons.pop(name, None)
        if daemon is not None:
            daemon.send_signal(number)
            daemon.wait()


@contextmanager
def one_node_slurm(folder):
    """A running Slurm; skips if it cannot be started."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'} (apt-get install slurm-wlm munge)")
    slurm = OneNodeSlurm(folder)
    try:
        slurm.start_controller()
        slurm.start_node()
        yield slurm
    finally:
        slurm.close()
