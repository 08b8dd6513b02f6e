"""`nvc3d eval`: measure a trained model."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from nvc3d.commands.arguments import parser
from nvc3d.commands.saying import shown

if TYPE_CHECKING:
    from torch import nn

    from nvc3d.checkpoint import Run
    from nvc3d.tasks import Measured
    from nvc3d.tasks.completion import CompletionModel
    from nvc3d.tasks.segmentation import SegmentationModel
    from nvc3d.tasks.segmentation.data import LabelledPoints


# Options that mean something to the runs of one task only.
OF_TASK = {"emd": "completion", "difficulty": "completion", "whole": "segmentation"}


def main(arguments: Sequence[str]) -> int:
    """Print the metrics of a checkpoint."""
    options = parser("eval", "Measure a trained model on shapes that it was not trained on.")
    options.add_argument("--checkpoint", type=Path, required=True, help="run folder of the model")
    options.add_argument(
        "--data",
        type=Path,
        help="folder of shapes, all of which are measured; without it, or with the folder that "
        "the model was trained on: those shapes that were kept out of training; of KITTI's cars, "
        "what can be measured without a truth",
    )
    options.add_argument(
        "--emd",
        action="store_true",
        help="of completed clouds, the earth mover's distance too: a second for 2,048 points",
    )
    options.add_argument(
        "--difficulty",
        choices=["simple", "moderate", "hard"],
        help="of ShapeNet-55's shapes: how much is cut away (default: as in training)",
    )
    options.add_argument(
        "--whole",
        action="store_true",
        help="of segmented scenes: every point of them, by votes of blocks that overlap, as the "
        "field reports it, and not blocks drawn at random; a million points take minutes",
    )
    options.add_argument("--json", action="store_true", help="print JSON instead of tables")
    given = options.parse_args(arguments)

    # Here, so that --help does not wait for torch.
    from nvc3d.checkpoint import load_run
    from nvc3d.commands.results import print_tables
    from nvc3d.data.pairs import holds_cars

    asked = [name for name in OF_TASK if getattr(given, name)]
    run, model = load_run(given.checkpoint)
    for name in asked:
        if run.task.name != OF_TASK[name]:
            raise ValueError(
                f"--{name} is for runs of {OF_TASK[name]}, and {shown(given.checkpoint)} is one of "
                f"{run.task.name}"
            )
    if given.difficulty is not None:
        _check_difficulty(given.data or run.config.data)
        config = dataclasses.replace(run.config, difficulty=given.difficulty)
        run = dataclasses.replace(run, config=config)
    if run.task.name == "completion" and given.data is not None and holds_cars(given.data):
        if given.emd:
            raise ValueError("--emd needs complete clouds, and nobody knows those of KITTI's cars")
        tables, note = _cars(run, model, given.data)
    else:
        tables, note = _tables(run, model, given.data, given.emd, given.whole), ""
    if given.json:
        print(json.dumps(tables.to_dict(), indent=2))
    else:
        print_tables(tables)
        print(note, end="")
    return 0


def _check_difficulty(data: Path | str | None) -> None:
    """Raise ValueError unless the data know a difficulty."""
    from nvc3d.data.registry import data_sets

    path = None if data is None else Path(data)
    known = next((some for some in data_sets() if path and some.holds(path)), None)
    if known is None or not known.name.startswith("ShapeNet-55"):
        what = "the built-in shapes" if data is None else known.name if known else shown(data)
        raise ValueError(f"--difficulty is of ShapeNet-55's shapes; {what} know none")


def _tables(run: Run, model: nn.Module, data: Path | None, emd: bool, whole: bool) -> Measured:
    """The task's own metrics, on a folder or on what was kept out of training."""
    from nvc3d.train import evaluation_batches

    config = run.config
    if data is not None and not (
        config.data is not None and data.resolve() == Path(config.data).resolve()
    ):
        config = dataclasses.replace(config, data=str(data), holdout=1.0)
    splits = dataclasses.replace(run, config=config).splits()
    if whole:
        from nvc3d.tasks import Measured
        from nvc3d.tasks.segmentation.whole import measure_scenes, scenes_of

        scenes = scenes_of(cast("LabelledPoints", splits.val))
        return Measured(measure_scenes(cast("SegmentationModel", model), config, scenes))
    if len(splits.val) == 0:
        raise ValueError("there is nothing to measure: no shapes were kept out of training")
    batches = evaluation_batches(splits.val, run.training)
    if emd:
        from nvc3d.tasks.completion.metrics import metrics

        return metrics(cast("CompletionModel", model), batches, splits.vocabulary.groups, emd=True)
    return run.task.metrics(model, batches, splits.vocabulary.groups)


def _cars(run: Run, model: nn.Module, data: Path) -> tuple[Measured, str]:
    """What can be measured of KITTI's cars, and what they were compared with."""
    from nvc3d.data.pairs import KittiCars
    from nvc3d.tasks import Measured
    from nvc3d.tasks.completion.cars import known_cars, measure_cars

    config, cars = run.config, KittiCars(data)
    known, kind = known_cars(run.splits(), config.seed)
    table = measure_cars(
        cast("CompletionModel", model), cars, known, config.input_points, config.seed
    )
    return Measured(table), f"\n{len(cars)} cars of KITTI; MMD is to {kind}.\n"
