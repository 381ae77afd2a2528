"""Feature distance and calibration of a model in memory.

Data flow: `ModelBundle` + training data -> feature distance; + held-out data -> calibration; both in a new bundle. The
scripted module, and with it every prediction, does not change.
"""

from collections.abc import Callable, Sequence

from mlpot.data import LabelledStructure, dataset_hash
from mlpot.engines.opening import open_engine
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.manifest import DistanceInfo
from mlpot.uncertainty.calibration import calibrate
from mlpot.uncertainty.collection import collect_errors, distance_of_training_set

Structures = Sequence[LabelledStructure]
OnProgress = Callable[[str, int, int], None]
"""Called with the name of a task, the number of structures done and their total."""


def no_progress(task: str, done: int, total: int) -> None:
    """Show nothing."""


def add_error_bars(
    bundle: ModelBundle,
    training: Structures | None,
    held_out: Structures | None,
    *,
    device: str = "cpu",
    on_progress: OnProgress = no_progress,
) -> ModelBundle:
    """Model with a feature distance, a calibration, or both.

    Parameters
    ----------
    bundle : ModelBundle
    training : sequence of LabelledStructure, optional
        For the distance. An earlier calibration is dropped, since it refers to another distance.
    held_out : sequence of LabelledStructure, optional
        For the calibration of a committee.
    device : str
    on_progress : callable
    """
    if training is not None:
        bundle = add_distance(bundle, training, device=device, on_progress=on_progress)
    if held_out is not None:
        bundle = add_calibration(bundle, held_out, device=device, on_progress=on_progress)
    return bundle


def add_distance(
    bundle: ModelBundle, training: Structures, *, device: str = "cpu", on_progress: OnProgress = no_progress
) -> ModelBundle:
    """Model with the feature distance from its training data; without calibration."""
    engine = open_engine(bundle, device=device, precision="double")
    advance = _counter("feature distance", len(training), on_progress)
    distance, n_atoms = distance_of_training_set(engine, training, on_structure=advance)
    info = DistanceInfo(n_structures=len(training), n_atoms=n_atoms, data_hash=dataset_hash(training))
    return bundle.with_distance(distance, info)


def add_calibration(
    bundle: ModelBundle, held_out: Structures, *, device: str = "cpu", on_progress: OnProgress = no_progress
) -> ModelBundle:
    """Committee with error bars that are calibrated on held-out data."""
    engine = open_engine(bundle, device=device)
    advance = _counter("calibrate", len(held_out), on_progress)
    table = collect_errors(engine, held_out, on_structure=advance)
    return bundle.with_calibration(calibrate(table, len(bundle.manifest.atomic_numbers), dataset_hash(held_out)))


def _counter(task: str, total: int, on_progress: OnProgress) -> Callable[[], None]:
    """Count structures, and report each."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        on_progress(task, done, total)

    return advance
