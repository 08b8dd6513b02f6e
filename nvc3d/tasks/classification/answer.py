"""What a classifier says of a shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d.atomic import atomic_write
from nvc3d.geometry.mesh import Shape, normalise
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
        """Write a JSON file: the category, its confidence, and the probability of each."""
        probabilities = dict(zip(self.categories, self.probabilities.tolist(), strict=True))
        values = {
            "category": self.category,
            "confidence": self.confidence,
            "anchor": self.anchor,
            "probabilities": probabilities,
        }
        with atomic_write(path) as file:
            file.write(json.dumps(values, indent=2).encode() + b"\n")
        return [Path(path)]


def answer(
    model: ClassificationModel, config: ClassificationNet, shape: Shape, *, seed: int = 0
) -> ClassificationAnswer:
    """The category of a shape, wherever it lies and however large it is, by points drawn from it.

    Raises ValueError on a shape without extent.
    """
    points, _ = normalise(shape).sample(config.points, np.random.default_rng(seed))
    with evaluating(model) as device:
        found = model(torch.from_numpy(points.astype(np.float32))[None].to(device))
    probabilities = found.scores[0].float().softmax(-1).cpu().numpy()
    return ClassificationAnswer(model.categories, probabilities, int(found.code.anchor[0]))
