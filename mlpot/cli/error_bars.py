"""Commands around error bars, which `cli` adds to its own: `mlpot calibrate`, `mlpot committee`, `mlpot ood`."""

from pathlib import Path
from typing import Annotated, Any

import typer

Device = Annotated[str, typer.Option(help="cpu or cuda")]


def calibrate(
    model: Annotated[Path, typer.Argument(help="model.pt with a committee")],
    data: Annotated[Path, typer.Argument(help="labelled structures that it was not trained on")],
    output: Annotated[Path | None, typer.Option(help="new file; by default the model is replaced")] = None,
    training_data: Annotated[list[Path], typer.Option(help="fit the feature distance to these anew")] = [],  # noqa: B006
    device: Device = "cpu",
) -> None:
    """Calibrate the error bars of a committee on held-out data."""
    from mlpot.uncertainty.command import calibrate_file  # noqa: PLC0415  # each command loads only what it needs

    calibrate_file(model, data, output or model, training_data=training_data, device=device)


def ood(
    data: Annotated[list[Path], typer.Argument(help="labelled structures; one data set")],
    holdout: Annotated[str, typer.Option(help="temperature, composition, phase, pressure or config_type")] = "",
    value: Annotated[str | None, typer.Option(help="what to hold out; by default each in turn, or the highest")] = None,
    test: Annotated[Path | None, typer.Option(help="structures of another kind, instead of --holdout")] = None,
    output: Annotated[Path, typer.Option(help="folder of the results; a second call goes on")] = Path("ood"),
    preset: Annotated[str, typer.Option(help="fast, balanced, accurate or max")] = "accurate",
    kind: Annotated[str, typer.Option(help="of the committee: shallow or deep")] = "shallow",
    members: Annotated[int, typer.Option(help="of the committee")] = 8,
    group_key: Annotated[str, typer.Option(help="key of the config_type")] = "config_type",
    settings: Annotated[list[str], typer.Option("--set", help="of the training: section.key=value")] = [],  # noqa: B006
) -> None:
    """Train without one kind of data, and see whether the model knows that it does not know them."""
    from mlpot.ood import Settings, run_ood  # noqa: PLC0415  # each command loads only what it needs

    how: dict[str, Any] = {"preset": preset, "kind": kind, "members": members, "group_key": group_key}
    run_ood(data, Settings(holdout=holdout, value=value, test=test, overrides=tuple(settings), **how), output)


committee_app = typer.Typer(no_args_is_help=True, help="Make committees: several models in one file.")


@committee_app.command("attach")
def committee_attach(
    model: Annotated[str, typer.Argument(help="model.pt, or the name of a shipped potential")],
    data: Annotated[list[Path], typer.Argument(help="the data that it was trained on")],
    output: Annotated[Path, typer.Option(help="the new model file")],
    members: Annotated[int, typer.Option(help="number of members")] = 8,
    held_out: Annotated[Path | None, typer.Option(help="calibrate on these; else on the validation part")] = None,
) -> None:
    """Give a trained model a shallow committee, with error bars; its predictions stay what they are."""
    from mlpot.model_file.registry import find_potential  # noqa: PLC0415
    from mlpot.training.committee.assemble import attach  # noqa: PLC0415  # each command loads only what it needs

    attach(find_potential(model), data, output, members, held_out=held_out)


@committee_app.command("join")
def committee_join(
    models: Annotated[list[Path], typer.Argument(help="single models, trained with different seeds")],
    output: Annotated[Path, typer.Option(help="the new model file")],
    training_data: Annotated[list[Path], typer.Option(help="fit the feature distance to these")] = [],  # noqa: B006
    held_out: Annotated[Path | None, typer.Option(help="calibrate on these")] = None,
) -> None:
    """Join single models into a deep committee, whose mean is the prediction."""
    from mlpot.training.committee.assemble import join_files  # noqa: PLC0415  # each command loads only what it needs

    join_files(models, output, training_data, held_out)
