"""Pairs of a partial and a complete cloud: views of the built-in shapes or of those in a folder, or
the pairs of a data set of completion."""

from __future__ import annotations

from collections.abc import Sequence

from torch.utils.data import Subset

from nvc3d.data.folder import ShapeFolder
from nvc3d.data.pairs import StoredPairs, holds_cars, recognise
from nvc3d.data.pairs.views import PartialViews
from nvc3d.geometry.camera import DepthCamera
from nvc3d.geometry.mesh import Shape
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
    if holds_cars(config.data):
        raise ValueError(
            f"{config.data} holds KITTI's cars, whose complete clouds nobody knows: "
            "measure a trained model on them (nvc3d eval)"
        )
    sizes = config.input_points, config.points
    if pairs := recognise(config.data, *sizes, config.seed, config.difficulty):
        return _stored(*pairs, config)
    folder = ShapeFolder(config.data)
    if config.holdout == 1:
        val = _val(folder, config)
        return Splits(Subset(val, []), val, Vocabulary(folder.categories))
    train, held_out = folder.split(config.seed, (1 - config.holdout, config.holdout))
    return Splits(_train(train, config), _val(held_out, config), Vocabulary(folder.categories))


def _stored(train: StoredPairs, test: StoredPairs, config: CompletionConfig) -> Splits:
    if train.categories != test.categories:
        raise ValueError(
            f"{config.data}: the shapes to train on are of {', '.join(train.categories)}, "
            f"those to measure on of {', '.join(test.categories)}"
        )
    return Splits(
        Subset(test, []) if config.holdout == 1 else train, test, Vocabulary(test.categories)
    )


def _train(shapes: Sequence[tuple[Shape, int, str]], config: CompletionConfig) -> PartialViews:
    return PartialViews(
        shapes,
        config.input_points,
        config.points,
        views=config.views,
        seed=config.seed,
        camera=DepthCamera(noise=config.noise),
    )


def _val(shapes: Sequence[tuple[Shape, int, str]], config: CompletionConfig) -> PartialViews:
    return PartialViews(
        shapes,
        config.input_points,
        config.points,
        seed=config.seed,
        training=False,
        camera=DepthCamera(noise=config.noise),
    )
