"""A real Slurm with one node, this machine, on loopback: started by root without systemd, ended with the tests."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
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
ReturnToService=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""


@contextmanager
def one_node_slurm(folder):
    """Environment in which sbatch works; skips where there is no Slurm."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'} (apt-get install slurm-wlm munge)")
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    path = folder / "slurm.conf"
    path.write_text(CONFIGURATION.format(host=socket.gethostname(), folder=folder, cores=os.cpu_count()))
    environment = {**os.environ, "SLURM_CONF": str(path)}
    with ExitStack() as stack:
        if not Path("/run/munge/munge.socket.2").exists():
            _start_munge(stack)
        for command in (["slurmctld", "-D", "-f", path], ["slurmd", "-D", "-f", path]):
            _start(stack, command, environment, folder / f"{command[0]}.log")
        _wait_for_node(environment)
        yield environment


def _start_munge(stack):
    subprocess.run(["mungekey", "-c"], capture_output=True, check=False)
    for place in ("/run/munge", "/var/log/munge", "/var/lib/munge", "/etc/munge"):
        Path(place).mkdir(exist_ok=True)
        subprocess.run(["chown", "-R", "munge:munge", place], check=True)
    Path("/run/munge").chmod(0o755)
    command = ["runuser", "-u", "munge", "--", "munged", "--foreground"]
    _start(stack, command, dict(os.environ), Path(os.devnull))
    time.sleep(1)


def _start(stack, command, environment, log):
    with log.open("ab") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _wait_for_node(environment):
    for _ in range(60):
        answer = subprocess.run(
            ["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True, check=False
        )
        if answer.stdout.strip() == "idle":
            return
        time.sleep(0.5)
    pytest.skip(f"Slurm does not come up here: {answer.stdout} {answer.stderr}")
