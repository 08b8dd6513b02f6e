"""The parts of a shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.data.scenes import Scene, score_points
from nvc3d.data.scenes.scene import Rows
from nvc3d.files import read_shape
from nvc3d.geometry.mesh import Cloud, Mesh, drawn, frame
from nvc3d.metrics import confined_argmax
from nvc3d.tasks.segmentation import SegmentationModel

DRAWN = 20000
"""Points that a mesh is looked at by."""


class Parts(NamedTuple):
    """A shape with the part of each of its points."""

    scene: Scene
    labels: Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]
    """which points (n,), and their labels (n,)"""
    category: str
    chosen: bool
    """whether the model chose the category"""


def label_parts(
    model: SegmentationModel, file: Path, category: str | None, points: int, seed: int
) -> Parts:
    """Label the points of a cloud, or those drawn from a mesh.

    All are looked at, some at a time; the best label is taken among those of the category. Without
    one, it is the category that the model contradicts least; see `likeliest`.

    Raises ValueError on a category that the model does not know, a cloud without the normals that
    the model asks for, and as `read_shape` does.
    """
    if category is not None and category not in model.categories:
        known = ", ".join(model.categories)
        raise ValueError(f"the model knows no category {category!r}; it knows {known}")
    shape = read_shape(file)
    rng = np.random.default_rng(seed)
    centre, radius = frame(shape)
    cloud = drawn(shape, DRAWN, rng) if isinstance(shape, Mesh) else shape
    own = cloud.points
    features = _features(model, cloud, file)
    given = ((own - centre) / radius).astype(np.float32)
    chosen = category is None
    if category is None:
        some = rng.permutation(len(given))[:points]
        if len(some) < points:
            some = some[rng.integers(len(some), size=points)]
        seen = torch.from_numpy(given[some])
        category = likeliest(model, seen, torch.from_numpy(features[some]))
    number = model.categories.index(category)

    def predict(some: Tensor, described: Tensor) -> Tensor:
        told = torch.full((len(some),), number)
        with torch.no_grad():
            return model(some, described, told).scores.softmax(-1)

    scores = score_points(predict, given, features, points, rng)
    labels = confined_argmax(scores, model.vocabulary.of_group[category]).numpy()

    def read(start: int, stop: int) -> Rows:
        return Rows(own[start:stop], {k: v[start:stop] for k, v in cloud.columns.items()})

    scene = Scene(file, len(own), frozenset(cloud.columns), read)
    return Parts(scene, iter([(np.arange(len(own)), labels)]), category, chosen)


def _features(model: SegmentationModel, cloud: Cloud, file: Path) -> NDArray[np.float32]:
    """What the model sees of each point beside where it lies, (N, 3) or (N, 0)."""
    if not model.channels:
        return np.zeros((len(cloud.points), 0), np.float32)
    if cloud.normals is None:
        raise ValueError(
            f"{file}: it has no normals, and the model was trained with them; one trained with "
            "--no-attributes asks for none"
        )
    return cloud.normals


@torch.no_grad()
def likeliest(model: SegmentationModel, points: Tensor, features: Tensor) -> str:
    """The category that, told it, a model gives to points (N, 3) with features (N, C) as well: by
    the probability that their labels, taken from among all, are parts of it. (The doubt between its
    own parts tells nothing: a thing of one part has none.)"""
    likely = []
    for number, category in enumerate(model.categories):
        told = torch.tensor([number])
        scores = model(points[None], features[None], told).scores[0]  # (N, P)
        own = scores.log_softmax(-1)[:, list(model.vocabulary.of_group[category])]
        likely.append(float(own.logsumexp(1).mean()))
    return model.categories[int(np.argmax(likely))]
