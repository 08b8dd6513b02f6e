"""What a completion model is worth, by the options of `nvc3d eval`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nvc3d.data.pairs import KittiCars, holds_cars
from nvc3d.data.registry import data_sets
from nvc3d.tasks.completion.cars import known_cars, measure_cars
from nvc3d.tasks.evaluation import Evaluation
from nvc3d.tasks.task import Measured, Option

OPTIONS = (
    Option("emd", "the earth mover's distance too: a second for a cloud of 2,048 points"),
    Option(
        "difficulty",
        "of ShapeNet-55's shapes: how much is cut away (default: as in training)",
        ("simple", "moderate", "hard"),
    ),
)


def evaluate(asked: Evaluation, emd: bool = False, difficulty: str | None = None) -> Measured:
    """The task's metrics; of KITTI's cars, whose complete clouds nobody knows, what can be measured
    without them.

    Raises ValueError on options that do not fit the data, and where there is nothing to measure.
    """
    if difficulty is not None:
        _check_difficulty(asked.data or asked.config.data)
        asked = replace(asked, config=replace(asked.config, difficulty=difficulty))
    if asked.data is None or not holds_cars(asked.data):
        return asked.measured(emd=emd)
    if emd:
        raise ValueError("--emd needs complete clouds, and nobody knows those of KITTI's cars")
    config, cars = asked.config, KittiCars(asked.data)
    known, kind = known_cars(asked.task.splits(config), config.seed)
    table = measure_cars(asked.model, cars, known, config.input_points, config.seed)
    return Measured(table, note=f"{len(cars)} cars of KITTI; MMD is to {kind}.")


def _check_difficulty(data: Path | str | None) -> None:
    """Raise ValueError unless the data know a difficulty."""
    path = None if data is None else Path(data)
    known = next((some for some in data_sets() if path and some.holds(path)), None)
    if known is None or not known.name.startswith("ShapeNet-55"):
        what = "the built-in shapes" if data is None else known.name if known else str(data)
        raise ValueError(f"--difficulty is of ShapeNet-55's shapes; {what} know none")
