"""Jobs with small cells of copper, settings of codes that fail, and drivers in processes of their own."""

import subprocess
import sys

from ase.build import bulk

from mlpot.active_learning.config import ExecutorSettings, LabelSettings


def rattled_copper(count, seed=0):
    """Small cells of 4 and 8 atoms in turn."""
    frames = []
    for index in range(count):
        atoms = bulk("Cu", cubic=True) * (1 + index % 2, 1, 1)
        atoms.rattle(0.1, seed=seed + index)
        frames.append(atoms)
    return frames


def add_jobs(store, settings, count=4, seed=0):
    """Add jobs with rattled copper, and return the hash of the settings."""
    identity = store.add_settings(settings.identity())
    structures = [store.add_structure(atoms, {"kind": "rattle"}) for atoms in rattled_copper(count, seed)]
    store.add_jobs(structures, identity)
    return identity


def faulty(factory, fallbacks=(), **limits):
    """Settings of a code of `faulty_codes`, given as `name` or `(name, parameters)`."""
    name, parameters = factory if isinstance(factory, tuple) else (factory, {})
    return LabelSettings(
        code=f"faulty_codes:{name}", parameters=parameters, fallback_settings=list(fallbacks), **limits
    )


DRIVER = """
import sys
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.config import ExecutorSettings, LabelSettings
from mlpot.active_learning.store.store import Store
settings, executor = LabelSettings.model_validate_json(sys.argv[2]), ExecutorSettings.model_validate_json(sys.argv[3])
with Store(sys.argv[1]) as store:
    label_waiting(store, settings, executor)
"""


def start(store, settings, executor=None):
    """Start a driver in a process of its own, which can be killed."""
    executor = executor or ExecutorSettings(workers=2)
    arguments = [str(store.path), settings.model_dump_json(), executor.model_dump_json()]
    return subprocess.Popen([sys.executable, "-c", DRIVER, *arguments], start_new_session=True)
