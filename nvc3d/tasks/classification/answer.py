"""What a classifier says of a shape."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d.atomic import atomic_write
from nvc3d.geometry.mesh import Cloud, Shape, frame, normalise
from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.bottleneck import Bottleneck
from nvc3d.tasks.classification.config import ClassificationNet
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.task import evaluating


@dataclass(frozen=True, eq=False)
class ClassificationAnswer:
    """The category of a shape."""

    categories: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """(categories,)"""
    anchor: int
    """the nearest of the nebula's; 0 where there is none"""
    novelty: float | None = None
    """how unlike all that was learned from the shape is, from 0 to 1: the share of the codes last
    seen in training that are less novel (see `Nebula.novelty`); None without anchors"""
    novelty_nats: float | None = None
    """the same as minus the log density of its code, without bound: to rank what is all novel"""

    @property
    def label(self) -> int:
        """The index of the most likely category."""
        return int(self.probabilities.argmax())

    @property
    def category(self) -> str:
        """The most likely category."""
        return self.categories[self.label]

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.probabilities[self.label])

    def write(self, path: str | Path) -> list[Path]:
        """Write a JSON file: the category, its confidence, the probability of each, and how novel
        the shape is."""
        probabilities = dict(zip(self.categories, self.probabilities.tolist(), strict=True))
        values = {
            "category": self.category,
            "confidence": self.confidence,
            "anchor": self.anchor,
            "novelty": self.novelty,
            "novelty_nats": self.novelty_nats,
            "probabilities": probabilities,
        }
        with atomic_write(path) as file:
            file.write(json.dumps(values, indent=2).encode() + b"\n")
        return [Path(path)]


FAR = 5.0


def answer(
    model: ClassificationModel, config: ClassificationNet, shape: Shape, *, seed: int = 0
) -> ClassificationAnswer:
    """The category of a shape, wherever it lies and however large it is, by points drawn from it.

    A model that was told sizes takes coordinates for metres, unless a cloud has another unit; it
    warns of a shape FAR times smaller or larger than any that it learned from.

    Raises ValueError on a shape without extent.
    """
    points, _ = normalise(shape).sample(config.points, np.random.default_rng(seed))
    size = None if model.sizes is None else _size(shape, model.sizes)
    with evaluating(model) as device:
        found = model(
            torch.from_numpy(points.astype(np.float32))[None].to(device),
            None if size is None else torch.tensor([size], device=device),
        )
    probabilities = found.scores[0].float().softmax(-1)
    return answered(model.categories, probabilities, found.code.at(0), model.bottleneck)


def answered(
    categories: tuple[str, ...], probabilities: Tensor, code: Code, bottleneck: Bottleneck
) -> ClassificationAnswer:
    """The answer of probabilities (categories,) and a code, of no leading dimension."""
    chances, anchor = probabilities.cpu().numpy(), int(code.anchor)
    if not isinstance(bottleneck, Nebula):
        return ClassificationAnswer(categories, chances, anchor)
    nats, rank = (float(value) for value in bottleneck.novelty(code.mean))
    return ClassificationAnswer(categories, chances, anchor, rank, nats)


def _size(shape: Shape, learned: tuple[float, float]) -> float:
    """Metres of the radius of a shape."""
    unit = shape.unit if isinstance(shape, Cloud) else None
    size = frame(shape)[1] * (unit or 1.0)
    if not learned[0] / FAR <= size <= learned[1] * FAR:
        warnings.warn(
            f"the model learned from shapes {2 * learned[0]:.3g} to {2 * learned[1]:.3g} m large, "
            f"and this one is {2 * size:.3g} m: are its coordinates in metres?",
            stacklevel=3,
        )
    return size
