"""Configuration of a loop: pydantic sections (`labels`, `loop`) and the YAML reader (`reading`).

Data flow: YAML -> `read_loop_config` -> `LoopConfig` -> every step of the loop takes its own section.
"""

from mlpot.active_learning.config.labels import ExecutorSettings, LabelSettings
from mlpot.active_learning.config.loop import (
    ExploreSettings,
    LearnSettings,
    LoopConfig,
    SelectSettings,
    StopSettings,
    System,
)
from mlpot.active_learning.config.reading import example_loop_config, read_loop_config

__all__ = [
    "ExecutorSettings",
    "ExploreSettings",
    "LabelSettings",
    "LearnSettings",
    "LoopConfig",
    "SelectSettings",
    "StopSettings",
    "System",
    "example_loop_config",
    "read_loop_config",
]
