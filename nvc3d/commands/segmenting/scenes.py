"""The things in a scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.scenes import Scene, open_scene
from nvc3d.tasks.segmentation import SegmentationConfig, SegmentationModel
from nvc3d.tasks.segmentation.whole import label_scene


class Things(NamedTuple):
    """A scene with the label of each of its points."""

    scene: Scene
    labels: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]
    """which points (n,), and their labels (n,)"""


def label_things(
    model: SegmentationModel, config: SegmentationConfig, file: Path, seed: int
) -> Things:
    """Raises as `open_scene` does; the labels, when they are asked for, as `label_scene` does."""
    scene = open_scene(file)
    return Things(scene, label_scene(model, config, scene, seed))
