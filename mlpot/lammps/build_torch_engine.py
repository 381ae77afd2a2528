"""The engine for LAMMPS that runs a model with libtorch: compiled on this machine, kept in a cache.

Torch cannot be asked for when mlpot is built (it would pull gigabytes into the build), so ``plugins/torch`` is
compiled afterwards against the torch that is installed, once, with the user's own C++ compiler. The pair style of
``plugins/lammps`` opens the result with dlopen; the name of the folder carries the version of torch, the hash of the
sources and the place of torch, so that neither ever opens an engine that does not belong to it.
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

LIBRARY = "libmlpot_torch.so"
_PACKAGE = Path(__file__).resolve().parents[1]


class Torch(NamedTuple):
    """The torch that is installed, found without importing it."""

    version: str
    folder: Path

    @property
    def libraries(self) -> Path:
        """Folder of libtorch."""
        return self.folder / "lib"


def installed_torch() -> Torch:
    """Version and place of torch.

    Returns
    -------
    Torch

    Raises
    ------
    EngineError
        There is none.
    """
    spec = util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise EngineError("torch is not installed in this environment; install it with: pip install torch")
    return Torch(metadata.version("torch"), Path(spec.origin).resolve().parent)


def source_folder() -> Path:
    """Folder with ``engine`` and ``torch``: in the package when installed, beside it in a checkout.

    Returns
    -------
    Path
    """
    for folder in (_PACKAGE.parent / "plugins", _PACKAGE / "plugins"):
        if (folder / "torch").is_dir():
            return folder
    raise EngineError(f"the sources of the torch engine are missing beside {_PACKAGE}; install mlpot again")


def cache_folder() -> Path:
    """Where engines are kept: ``mlpot`` in ``XDG_CACHE_HOME`` or ``~/.cache``.

    Returns
    -------
    Path
    """
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "mlpot"


def engine_path() -> Path:
    """Where the engine for this mlpot and this torch belongs, built or not.

    Returns
    -------
    Path
    """
    torch = installed_torch()
    place = hashlib.sha256(str(torch.folder).encode()).hexdigest()[:8]
    return cache_folder() / f"torch-engine-{torch.version}-{_source_hash()}-{place}" / LIBRARY


def find() -> Path | None:
    """Find the engine for this mlpot and this torch.

    Returns
    -------
    Path or None
        None if it has not been built.
    """
    path = engine_path()
    return path if path.is_file() else None


def ensure() -> Path:
    """Find the engine for this mlpot and this torch, build it if need be.

    Returns
    -------
    Path

    Raises
    ------
    EngineError
        As for `build`.
    """
    return find() or build()


def build() -> Path:
    """Compile the engine and put it into the cache, atomically.

    Returns
    -------
    Path

    Raises
    ------
    EngineError
        No torch, no compiler, or the compiler fails; the message has the end of its output.
    """
    path = engine_path()
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".torch-engine-") as folder:
        built = Path(folder) / LIBRARY
        _run([_compiler(), *_compiler_arguments(), "-o", str(built)], Path(folder))
        path.parent.mkdir(exist_ok=True)
        # The plugin reads where the torch of an engine lies, and takes its own one first.
        (path.parent / "torch_lib.txt").write_text(str(installed_torch().libraries))
        os.replace(built, path)
    return path


def _source_hash() -> str:
    """First digits of the hash of all sources, as plugins/lammps/plugin.cmake computes it."""
    root = source_folder()
    files = sorted(_sources(".h") + _sources(".cpp"))
    lines = [f"{file.relative_to(root).as_posix()} {_sha256(file)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:12]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _sources(ending: str) -> list[Path]:
    root = source_folder()
    return [file for part in ("engine", "torch") for file in (root / part).glob(f"*{ending}")]


def _compiler() -> str:
    wanted = os.environ.get("CXX")
    compiler = shutil.which(wanted) if wanted else shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        asked = f"the compiler that CXX names, {wanted}," if wanted else "a C++ compiler (g++)"
        raise EngineError(f"{asked} was not found; install one, for example with: apt install g++")
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
        *(str(file) for file in sorted(_sources(".cpp"))),
        *(f"-L{torch.libraries}", f"-Wl,-rpath,{torch.libraries}", "-Wl,--no-as-needed"),
        *(f"-l{name}" for name in names),
    ]


def _language_standard() -> str:
    """Find the standard that torch itself gives to the compiler when it builds extensions."""
    recipe = (installed_torch().folder / "utils" / "cpp_extension.py").read_text()
    return f"-std=c++{max(re.findall(r'-std=c[+][+]([12][0-9])', recipe), default='17')}"


def _string_abi() -> str:
    """Choose the string class of torch: its wheels before 2.6 were compiled with that of the older C++ library."""
    names_of_new_strings = b"7__cxx11" in (installed_torch().libraries / "libc10.so").read_bytes()
    return f"-D_GLIBCXX_USE_CXX11_ABI={int(names_of_new_strings)}"


def _run(command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise EngineError(
            f"the torch engine does not compile with {command[0]} against torch {installed_torch().version}; "
            f"a newer compiler may help (set CXX). The compiler says:\n{_tail(result.stderr, 12)}"
        )


def _tail(text: str, n_lines: int) -> str:
    return "\n".join(text.strip().splitlines()[-n_lines:])
