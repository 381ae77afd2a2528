"""Small loops of active learning with EMT as the DFT code: a few seconds each."""

import yaml

from mlpot.active_learning.config import read_loop_config

SMALL = {
    "systems": [{"structure": "Cu:fcc:3.6", "rattle": [0.05, 0.2], "rattles": 3, "strains": 2, "vacancies": True}],
    "label": {"code": "emt", "check_every": 0, "keep_outputs": False},
    "explore": {"walks": 2, "time": 0.06, "timestep": 2.0, "temperature": [300, 1200], "interval": 5, "trust": 50.0},
    "select": {"batch": 2, "control": 1},
    "learn": {
        "model": {
            "cutoff": 4.0,
            "n_channels": 4,
            "lmax": 1,
            "correlation": 2,
            "n_radial": 4,
            "readout_width": 4,
            "zbl": False,
        },
        "training": {"steps": 40, "batch_atoms": 12},
        "members": 3,
    },
    "stop": {"force_error": 0.02, "iterations": 2},
}


def written(folder, **sections):
    """YAML of a small loop; `sections` are laid over it."""
    values = {name: dict(section) if isinstance(section, dict) else section for name, section in SMALL.items()}
    for name, section in sections.items():
        values[name] = {**values[name], **section} if isinstance(section, dict) else section
    path = folder / "loop.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def loop_config(folder, **sections):
    """The same, read."""
    return read_loop_config(written(folder, **sections))
