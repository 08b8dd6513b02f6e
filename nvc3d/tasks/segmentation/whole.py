"""Scenes as a whole, of any size: every point of them, by votes of blocks that overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.data.scenes import Scene, vote
from nvc3d.data.scenes.scene import as_labels
from nvc3d.metrics import Confusion
from nvc3d.tasks.segmentation.config import SegmentationConfig, SegmentationNet
from nvc3d.tasks.segmentation.data import NONE, LabelledPoints
from nvc3d.tasks.segmentation.metrics import of_scenes
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.task import Table

COLOURED = 6
"""Channels of the features of blocks that have colours."""


def label_scene(
    model: SegmentationModel, config: SegmentationNet, scene: Scene, seed: int = 0
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Which points of a scene (n,), and their labels (n,), until all have one; memory holds a strip
    of the scene one block wide.

    Raises ValueError where the model asks for colours that the scene does not have, and as `vote`
    does.
    """
    colors = model.channels == COLOURED
    if colors and not scene.has_colors:
        raise ValueError(f"{scene.path}: it has no colours, and the model was trained with them")
    device = next(model.parameters()).device

    def predict(points: Tensor, features: Tensor) -> Tensor:
        with torch.no_grad():
            scores = model(points.to(device), features.to(device)).scores
        return scores.float().softmax(-1).cpu()

    votes = vote(scene, predict, config.points, config.block, with_colors=colors, seed=seed)
    for which, scores in votes:
        yield which, scores.argmax(1)


@runtime_checkable
class OfScenes(Protocol):
    """A source whose items are blocks of scenes."""

    def scenes(self) -> Iterator[Scene]:
        """All of them, one after the other."""


def scenes_of(points: LabelledPoints) -> Iterator[Scene]:
    """The scenes whose blocks are handed out. Raises ValueError where they are shapes."""
    if not isinstance(points.source, OfScenes):
        raise ValueError("whole scenes can be measured only of a model of scenes, not of parts")
    return points.source.scenes()


def measure_scenes(
    model: SegmentationModel, config: SegmentationConfig, scenes: Iterable[Scene]
) -> Table:
    """mIoU, accuracy and mean accuracy of all points of scenes that have a label, summed over them.

    Raises ValueError where no point has a label, on labels that the model does not know, and as
    `label_scene` does.
    """
    confusion = Confusion(len(model.vocabulary.labels), ignored=NONE)
    for scene in scenes:
        found = np.zeros(scene.count, np.int64)
        for which, labels in label_scene(model, config, scene, config.seed):
            found[which] = labels
        first = 0
        for rows in scene.stretches():
            if rows.labels is None:
                raise ValueError(f"{scene.path}: it has no labels")
            truth = torch.from_numpy(as_labels(scene.path, rows.labels))
            confusion.add(torch.from_numpy(found[first : first + len(truth)]), truth)
            first += len(truth)
    if not bool(confusion.counts.any()):
        raise ValueError("there is nothing to measure: no point of the scenes has a label")
    return {"whole scenes": of_scenes(confusion)}
