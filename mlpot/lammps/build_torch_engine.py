"""Compiles the torch engine of LAMMPS, which evaluates a model with libtorch, and stores it in a cache.

A build requirement on torch would download gigabytes, so ``plugins/torch`` is compiled once, after the installation,
against the installed torch with the C++ compiler of the user. The pair style of ``plugins/lammps`` opens it with
dlopen. Its folder is named by the version of torch and hashes of the sources and of torch's path, so that Python and
the pair style open only an engine that matches them.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple

from mlpot.errors import EngineError
from mlpot.extras import install_command
from mlpot.lammps.torch_engine_sources import source_files, source_hash

LIBRARY = "libmlpot_torch.so"
_PACKAGE = Path(__file__).resolve().parents[1]


class Torch(NamedTuple):
    """Version and folder of the installed torch, without importing it."""

    version: str
    folder: Path

    @property
    def libraries(self) -> Path:
        """Folder of libtorch."""
        return self.folder / "lib"


def has_torch() -> bool:
    """Whether torch is installed."""
    spec = util.find_spec("torch")
    return spec is not None and spec.origin is not None  # None: a folder of that name


def installed_torch() -> Torch:
    """Find the installed torch.

    Raises
    ------
    EngineError
        Torch is not installed.
    """
    spec = util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise EngineError(f"torch is not installed; install it with: {install_command('train')}")
    return Torch(metadata.version("torch"), Path(spec.origin).resolve().parent)


def source_folder() -> Path:
    """Folder with ``engine`` and ``torch``: inside the installed package, next to it in a clone."""
    for folder in (_PACKAGE.parent / "plugins", _PACKAGE / "plugins"):
        if (folder / "torch").is_dir():
            return folder
    raise EngineError(f"the sources of the torch engine are missing next to {_PACKAGE}; install mlpot again")


def cache_folder() -> Path:
    """Folder of all engines: ``mlpot`` in ``XDG_CACHE_HOME`` or ``~/.cache``."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "mlpot"


def engine_path() -> Path:
    """Path of the engine for this mlpot and this torch, built or not."""
    torch = installed_torch()
    path_hash = hashlib.sha256(str(torch.folder).encode()).hexdigest()[:8]
    return cache_folder() / f"torch-engine-{torch.version}-{source_hash(source_folder())}-{path_hash}" / LIBRARY


def find() -> Path | None:
    """Find the engine for this mlpot and this torch; None if it is not built."""
    path = engine_path()
    return path if path.is_file() else None


def ensure() -> Path:
    """Find the engine for this mlpot and this torch; build it if necessary. Raises as `build`."""
    return find() or build()


def build() -> Path:
    """Compile the engine and move it into the cache, atomically.

    Raises
    ------
    EngineError
        No torch, no compiler, or the compiler fails; the message ends with its last lines.
    """
    path = engine_path()
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".torch-engine-") as folder:
        built = Path(folder) / LIBRARY
        _run([_compiler(), *_compiler_arguments(), "-o", str(built)], Path(folder))
        path.parent.mkdir(exist_ok=True)
        # the plugin prefers the engine of the torch in its own environment
        (path.parent / "torch_lib.txt").write_text(str(installed_torch().libraries))
        os.replace(built, path)
    return path


def _compiler() -> str:
    chosen = os.environ.get("CXX")
    compiler = shutil.which(chosen) if chosen else shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        missing = f"the compiler of the variable CXX, {chosen}," if chosen else "a C++ compiler (g++)"
        raise EngineError(f"{missing} was not found; install one, for example with: apt install g++")
    return compiler


def _compiler_arguments() -> list[str]:
    torch = installed_torch()
    headers = torch.folder / "include"
    names = ["torch", "torch_cpu", "c10"]
    if (torch.libraries / "libtorch_cuda.so").exists():
        names += ["torch_cuda", "c10_cuda"]
    return [
        *("-shared", "-fPIC", "-O2", "-fvisibility=hidden", _language_standard(), _string_abi()),
        *(f"-I{source_folder() / 'engine'}", "-isystem", str(headers)),
        *("-isystem", str(headers / "torch" / "csrc" / "api" / "include")),
        *(str(file) for file in source_files(source_folder(), ".cpp")),
        *(f"-L{torch.libraries}", f"-Wl,-rpath,{torch.libraries}", "-Wl,--no-as-needed"),
        *(f"-l{name}" for name in names),
    ]


def _language_standard() -> str:
    """C++ standard with which torch builds its own extensions."""
    recipe = (installed_torch().folder / "utils" / "cpp_extension.py").read_text()
    return f"-std=c++{max(re.findall(r'-std=c[+][+]([12][0-9])', recipe), default='17')}"


def _string_abi() -> str:
    """Macro for the string class of torch: wheels before 2.6 use that of the older C++ library."""
    names_of_new_strings = b"7__cxx11" in (installed_torch().libraries / "libc10.so").read_bytes()
    return f"-D_GLIBCXX_USE_CXX11_ABI={int(names_of_new_strings)}"


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise EngineError(
            f"the torch engine does not compile with {command[0]} against torch {installed_torch().version}; "
            f"a newer compiler may help (set CXX). Output of the compiler:\n{_tail(result.stderr, 12)}"
        )


def _tail(text: str, n_lines: int) -> str:
    return "\n".join(text.strip().splitlines()[-n_lines:])
