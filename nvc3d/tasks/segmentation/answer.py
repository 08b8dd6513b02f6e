"""Which part, or which thing, each point of a shape belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.data.scenes import of_cloud, score_points
from nvc3d.files.fitting import write_columns
from nvc3d.geometry.mesh import Cloud, Mesh, Shape, drawn, frame
from nvc3d.metrics import confined_argmax
from nvc3d.tasks.segmentation.config import SegmentationNet
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.segmentation.whole import label_scene
from nvc3d.tasks.task import evaluating
from nvc3d.viz.palette import label_colours

DRAWN = 20000
"""Points that a mesh is looked at by."""


@dataclass(frozen=True, eq=False)
class SegmentationAnswer:
    """A cloud whose points are labelled."""

    source: Cloud
    """the points, with all that was known of them; of a mesh those drawn from it"""
    labels: NDArray[np.int64]
    """(N,)"""
    label_names: tuple[str, ...]
    category: str | None
    """of a shape with parts; None of a scene"""
    chosen: bool
    """whether the model chose the category"""

    @property
    def cloud(self) -> Cloud:
        """The points with their labels; labels that were there before are `given_label`, and points
        without colours get those of the labels."""
        columns = dict(self.source.columns)
        if "label" in columns:
            columns["given_label"] = columns.pop("label")
        if "color" not in columns:
            columns["color"] = label_colours(len(self.label_names))[self.labels]
        return Cloud(
            self.source.points,
            {**columns, "label": self.labels},
            self.label_names,
            self.source.unit,
        )

    def write(self, path: str | Path) -> list[Path]:
        """Write `cloud`; columns that the kind of file has no place for are left out."""
        write_columns(Path(path), self.cloud)
        return [Path(path)]


def answer(
    model: SegmentationModel,
    config: SegmentationNet,
    shape: Shape,
    *,
    category: str | None = None,
    seed: int = 0,
) -> SegmentationAnswer:
    """Label the points of a cloud, or those drawn from a mesh.

    All are looked at, some at a time. Of shapes with parts, the best label is taken among those of
    the category; without one, it is the category that the model contradicts least, see `likeliest`.
    A model of scenes takes the shape for one.

    Raises ValueError on a category that the model does not know, or where it knows none, and on a
    cloud without the normals or colours that the model asks for.
    """
    rng = np.random.default_rng(seed)
    cloud = drawn(shape, DRAWN, rng) if isinstance(shape, Mesh) else shape
    if not model.categories:
        if category is not None:
            raise ValueError("a model of scenes knows no category")
        labels = np.zeros(len(cloud), np.int64)
        for which, found in label_scene(model, config, of_cloud(cloud), seed):
            labels[which] = found
        return SegmentationAnswer(cloud, labels, model.vocabulary.labels, None, False)
    if category is not None and category not in model.categories:
        known = ", ".join(model.categories)
        raise ValueError(f"the model knows no category {category!r}; it knows {known}")
    # Of a mesh, the frame of all of it.
    centre, radius = frame(shape)
    given = ((cloud.points - centre) / radius).astype(np.float32)
    features = _features(model, cloud)
    chosen = category is None
    if category is None:
        some = rng.permutation(len(given))[: config.points]
        if len(some) < config.points:
            some = some[rng.integers(len(some), size=config.points)]
        seen = torch.from_numpy(given[some])
        category = likeliest(model, seen, torch.from_numpy(features[some]))
    number = model.categories.index(category)
    with evaluating(model) as device:

        def predict(some: Tensor, described: Tensor) -> Tensor:
            told = torch.full((len(some),), number, device=device)
            return model(some.to(device), described.to(device), told).scores.softmax(-1).cpu()

        scores = score_points(predict, given, features, config.points, rng)
    labels = confined_argmax(scores, model.vocabulary.of_group[category]).numpy()
    return SegmentationAnswer(cloud, labels, model.vocabulary.labels, category, chosen)


def _features(model: SegmentationModel, cloud: Cloud) -> NDArray[np.float32]:
    """What the model sees of each point beside where it lies, (N, 3) or (N, 0)."""
    if not model.channels:
        return np.zeros((len(cloud), 0), np.float32)
    if cloud.normals is None:
        raise ValueError(
            "it has no normals, and the model was trained with them; one trained with "
            "--no-attributes asks for none"
        )
    return cloud.normals


def likeliest(model: SegmentationModel, points: Tensor, features: Tensor) -> str:
    """The category that, told it, a model gives to points (N, 3) with features (N, C) as well: by
    the probability that their labels, taken from among all, are parts of it. (The doubt between its
    own parts tells nothing: a thing of one part has none.)"""
    likely = []
    with evaluating(model) as device:
        for number, category in enumerate(model.categories):
            told = torch.tensor([number], device=device)
            scores = model(points[None].to(device), features[None].to(device), told).scores[0]
            own = scores.log_softmax(-1)[:, list(model.vocabulary.of_group[category])]
            likely.append(float(own.logsumexp(1).mean()))
    return model.categories[int(np.argmax(likely))]
