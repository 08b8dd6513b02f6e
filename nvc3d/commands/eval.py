"""`nvc3d eval`: measure a trained model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nvc3d.commands.arguments import Parser, parser
from nvc3d.commands.saying import shown

if TYPE_CHECKING:
    from nvc3d.tasks.task import Option


def main(arguments: Sequence[str]) -> int:
    """Print the metrics of a checkpoint."""
    options = parser("eval", "Measure a trained model on shapes that it was not trained on.")
    options.epilog = "The options of a task are listed by nvc3d eval --checkpoint RUN --help."
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--data",
        type=Path,
        help="folder of shapes, all of which are measured; without it, or with the folder that "
        "the model was trained on: those shapes that were kept out of training",
    )
    options.add_argument("--json", action="store_true", help="print JSON instead of tables")
    checkpoint = _checkpoint(arguments)
    if checkpoint is None:
        options.parse_known_args(arguments)  # help, or an error
        return 0

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import load_config, load_run
    from nvc3d.commands.results import print_tables
    from nvc3d.tasks.evaluation import Evaluation
    from nvc3d.train import evaluation_batches

    task = load_config(checkpoint).task
    for option in task.options:
        if option.choices:
            options.add_argument(f"--{option.name}", choices=option.choices, help=option.help)
        else:
            options.add_argument(f"--{option.name}", action="store_true", help=option.help)
    given, unknown = options.parse_known_args(arguments)
    if unknown:
        raise ValueError(_unfit(unknown[0], checkpoint, task.name))
    asked = {o.name: value for o in task.options if (value := getattr(given, o.name))}
    run, model = load_run(checkpoint)
    evaluation = Evaluation(
        task, model, run.config, given.data, lambda items: evaluation_batches(items, run.training)
    )
    measured = task.evaluate(evaluation, **asked) if task.evaluate else evaluation.measured()
    if given.json:
        print(json.dumps(measured.to_dict(), indent=2))
    else:
        print_tables(measured)
        if measured.note:
            print(f"\n{measured.note}")
    return 0


def _checkpoint(arguments: Sequence[str]) -> Path | None:
    """The run that is asked for, before all else is looked at; None where none is."""
    first = Parser(add_help=False, allow_abbrev=False)
    first.add_argument("--checkpoint", type=Path)
    found: Path | None = first.parse_known_args(arguments)[0].checkpoint
    return found


def _unfit(argument: str, checkpoint: Path, own: str) -> str:
    """What is wrong with an argument that the task of a run does not know."""
    from nvc3d.tasks import TASKS

    name = argument.removeprefix("--").partition("=")[0]
    others: dict[str, tuple[Option, ...]] = {other: TASKS[other].options for other in TASKS}
    knowing = [other for other, known in others.items() if name in {o.name for o in known}]
    if argument.startswith("--") and knowing:
        return f"--{name} is for runs of {knowing[0]}, and {shown(checkpoint)} is one of {own}"
    return f"unrecognized arguments: {argument} (see nvc3d eval --help)"
