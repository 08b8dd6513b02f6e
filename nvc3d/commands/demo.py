"""`nvc3d demo`: train on the built-in shapes, complete shapes never seen, show the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nvc3d.commands.arguments import parser

if TYPE_CHECKING:
    from nvc3d.train import Outcome

FOLDER = Path("runs/demo")
CLOUDS = 8  # shapes of which clouds are written


def main(arguments: Sequence[str]) -> int:
    """Run the demo; exit code 130 where Ctrl-C ended it early."""
    options = parser("demo", "Train a completion model on built-in shapes and show what it does.")
    options.add_argument(
        "--output", type=Path, default=FOLDER, help=f"run folder (default: {FOLDER})"
    )
    options.add_argument(
        "--minutes", type=float, default=4.0, help="of training, at most (default: 4)"
    )
    given = options.parse_args(arguments)

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import Run
    from nvc3d.claim import claimed
    from nvc3d.commands.results import finish, interrupted, rehearsal
    from nvc3d.config import TrainConfig
    from nvc3d.tasks import TASKS
    from nvc3d.train import train

    task = TASKS["completion"]
    # The views are drawn in a process of their own, beside the training.
    training = TrainConfig(max_minutes=given.minutes, workers=1)
    run = Run(task, task.config(), training)
    # The demo's own folder is written anew each time; a folder of the user's never is.
    with claimed(given.output):
        outcome = train(
            run, given.output, overwrite=given.output == FOLDER, rehearsal=rehearsal(run)
        )
        if not outcome.finished:
            return interrupted(run, given.output, outcome)
        write_clouds(outcome, given.output / "clouds")
        finish(run, given.output, outcome)
    return 0


def write_clouds(outcome: Outcome, folder: Path) -> None:
    """Write what is seen, what is completed and what is true of a few shapes, as PLY."""
    import torch

    from nvc3d.files import write_cloud

    folder.mkdir(exist_ok=True)
    device = next(outcome.model.parameters()).device
    val, categories = outcome.splits.val, outcome.splits.vocabulary.groups
    # The categories follow one another in turn.
    stride = len(categories) // CLOUDS
    for i in range(CLOUDS):
        item = val[i * stride]
        with torch.no_grad():
            completed = outcome.model(item["partial"][None].to(device)).points[0].cpu()
        name = f"{i}-{categories[int(item['label'])]}"
        for kind, points in (
            ("partial", item["partial"]),
            ("completed", completed),
            ("truth", item["complete"]),
        ):
            write_cloud(folder / f"{name}-{kind}.ply", points)
