"""Pairs of a partial and a complete cloud: views of the built-in shapes or of those in a folder, or
the pairs of a data set of completion."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import Subset

from nvc3d.data.labelled.scans import Shapes, shapes_in
from nvc3d.data.pairs.views import PartialViews
from nvc3d.data.registry import Wanted, find
from nvc3d.geometry.camera import DepthCamera
from nvc3d.shapes import BuiltinShapes
from nvc3d.tasks.completion.config import CompletionConfig
from nvc3d.tasks.task import Splits
from nvc3d.tasks.vocabulary import Vocabulary

TEST_SHAPES = 230
"""How many built-in shapes are measured on: ten of each category."""


def data(config: CompletionConfig) -> Splits:
    """The views to train on, new in each epoch, and those to measure on, which stay.

    Raises ValueError or FileNotFoundError where the folder holds no shapes that can be used.
    """
    if config.data is None:
        builtin = BuiltinShapes("train", config.shapes, config.seed)
        test = BuiltinShapes("test", TEST_SHAPES, config.seed)
        return Splits(_train(builtin, config), _val(test, config), Vocabulary(builtin.categories))
    known = find(config.data, "pairs", "shapes", "parts", "cars")
    wanted = Wanted(
        config.seed,
        config.holdout,
        config.points,
        config.input_points,
        difficulty=config.difficulty,
    )
    if known is None or known.gives in ("shapes", "parts"):
        own, held_out = shapes_in(config.data, known, wanted)
        val = _val(held_out, config)
        train = Subset(val, []) if own is None else _train(own, config)
        return Splits(train, val, Vocabulary(held_out.categories))
    measured = known.open(Path(config.data), False, wanted)
    if config.holdout == 1:
        return Splits(Subset(measured, []), measured, Vocabulary(measured.categories))
    learned = known.open(Path(config.data), True, wanted)
    if learned.categories != measured.categories:
        raise ValueError(
            f"{config.data}: the shapes to train on are of {', '.join(learned.categories)}, "
            f"those to measure on of {', '.join(measured.categories)}"
        )
    return Splits(learned, measured, Vocabulary(measured.categories))


def _train(shapes: Shapes, config: CompletionConfig) -> PartialViews:
    return PartialViews(
        shapes,
        config.input_points,
        config.points,
        views=config.views,
        seed=config.seed,
        camera=DepthCamera(noise=config.noise),
    )


def _val(shapes: Shapes, config: CompletionConfig) -> PartialViews:
    return PartialViews(
        shapes,
        config.input_points,
        config.points,
        seed=config.seed,
        training=False,
        camera=DepthCamera(noise=config.noise),
    )
