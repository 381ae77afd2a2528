"""Copper to be labelled, and settings of codes that fail."""

import subprocess
import sys

from ase.build import bulk

from mlpot.active_learning.settings import ExecutorSettings, LabelSettings


def shaken_copper(count, seed=0):
    """Small cells of 4 and 8 atoms in turn."""
    frames = []
    for index in range(count):
        atoms = bulk("Cu", cubic=True) * (1 + index % 2, 1, 1)
        atoms.rattle(0.1, seed=seed + index)
        frames.append(atoms)
    return frames


def ask(store, settings, count=4, seed=0):
    """Jobs for shaken copper; the hash of the settings."""
    identity = store.add_settings(settings.identity())
    structures = [store.add_structure(atoms, {"kind": "rattle"}) for atoms in shaken_copper(count, seed)]
    store.add_jobs(structures, identity)
    return identity


def faulty(factory, ladder=(), **limits):
    """Settings of a code of `faulty_codes`, called as `name` or `name, parameters`."""
    name, parameters = factory if isinstance(factory, tuple) else (factory, {})
    return LabelSettings(code=f"faulty_codes:{name}", parameters=parameters, ladder=list(ladder), **limits)


DRIVER = """
import sys
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.settings import ExecutorSettings, LabelSettings
from mlpot.active_learning.store.store import Store
settings, executor = LabelSettings.model_validate_json(sys.argv[2]), ExecutorSettings.model_validate_json(sys.argv[3])
with Store(sys.argv[1]) as store:
    label_waiting(store, settings, executor)
"""


def start(store, settings, executor=None):
    """Start a driver in a process of its own, which may be killed."""
    executor = executor or ExecutorSettings(workers=2)
    arguments = [str(store.path), settings.model_dump_json(), executor.model_dump_json()]
    return subprocess.Popen([sys.executable, "-c", DRIVER, *arguments], start_new_session=True)
