"""The things in a scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.data.scenes import Scene, open_scene, vote
from nvc3d.tasks.segmentation import SegmentationConfig, SegmentationModel

POSITION, COLOURED = 3, 6
"""Channels of the features of blocks without and with colours."""


class Things(NamedTuple):
    """A scene with the label of each of its points."""

    scene: Scene
    labels: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]
    """which points (n,), and their labels (n,)"""


def label_things(
    model: SegmentationModel, config: SegmentationConfig, file: Path, seed: int
) -> Things:
    """Label the points of a scene by votes of blocks that overlap; memory holds a strip of it.

    Raises ValueError where the model asks for colours that the scene does not have, and as
    `open_scene` and `vote` do.
    """
    scene = open_scene(file)
    colors = model.channels == COLOURED
    if colors and not scene.has_colors:
        raise ValueError(f"{file}: it has no colours, and the model was trained with them")

    def predict(points: Tensor, features: Tensor) -> Tensor:
        with torch.no_grad():
            return model(points, features).scores.softmax(-1)

    def labels() -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        votes = vote(scene, predict, config.points, config.block, with_colors=colors, seed=seed)
        for which, scores in votes:
            yield which, scores.argmax(1)

    return Things(scene, labels())
