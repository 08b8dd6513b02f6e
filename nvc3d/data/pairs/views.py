"""Shapes as a single look at them shows them, beside what they are."""

from __future__ import annotations

import operator
import warnings
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from nvc3d.data.draws import resample
from nvc3d.data.epochs import Epochs
from nvc3d.geometry.camera import DepthCamera, random_direction
from nvc3d.geometry.mesh import Shape

# A flat shape shows nothing from its edge; so a view of fewer points than these is not taken while
# there may be a better one.
_ENOUGH = 16
_TRIES = 32


class Indexed(Protocol):
    """Shapes, each with the index of its category and its name."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Shape, int, str]: ...


class PartialViews(Dataset[dict[str, Any]]):
    """Pairs of a partial and a complete cloud of each shape, for completion.

    All randomness of an item comes from (seed, epoch, index) alone, so neither the number of
    workers nor a resumed run changes the data.

    Args:
        shapes: anything indexable of (shape, label, name): a ShapeFolder, BuiltinShapes, a list.
        partial_points: points of a partial cloud: what one depth image sees, thinned at random;
            if it sees fewer, all of them and random ones of them again.
        complete_points: points of the complete cloud, drawn from the whole shape.
        views: items of each shape; item i is view `i % views` of shape `i // views`.
        seed: of all views and points.
        training: views and points are new in each epoch (see `set_epoch`); otherwise fixed, and
            others than those of training.
        camera: who looks, from a random direction.

    Raises:
        ValueError: no shapes, or a number that is out of range.
    """

    def __init__(
        self,
        shapes: Indexed,
        partial_points: int = 512,
        complete_points: int = 2048,
        views: int = 1,
        seed: int = 0,
        training: bool = True,
        camera: DepthCamera | None = None,
    ) -> None:
        counts = {"partial_points": partial_points, "complete_points": complete_points}
        for name, value in (counts | {"views": views, "number of shapes": len(shapes)}).items():
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}")
        self.shapes = shapes
        self.partial_points = partial_points
        self.complete_points = complete_points
        self.views = views
        self.camera = camera or DepthCamera()
        self._epochs = Epochs(seed, training)

    def set_epoch(self, epoch: int) -> None:
        """Choose the views of the epoch to come; of no effect outside of training."""
        self._epochs.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.shapes) * self.views

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item as a dict of

        - partial: (partial_points, 3) float32, in the coordinates of the shape,
        - complete: (complete_points, 3) float32,
        - label: () int64,
        - name: str.
        """
        index = range(len(self))[operator.index(index)]
        rng = self._epochs.rng(index)
        shape, label, name = self.shapes[index // self.views]
        seen = self._look(shape, name, rng)  # (V, 3)
        complete, _ = shape.sample(self.complete_points, rng)
        return {
            "partial": torch.from_numpy(resample(seen, self.partial_points, rng)),
            "complete": torch.from_numpy(complete),
            "label": torch.tensor(label, dtype=torch.int64),
            "name": name,
        }

    def _look(self, shape: Shape, name: str, rng: np.random.Generator) -> NDArray[np.float32]:
        """What a random view sees (V, 3); of a shape that shows little, the fullest of several."""
        fullest = np.empty((0, 3), np.float32)
        for _ in range(_TRIES):
            seen = self.camera.view(shape, random_direction(rng), rng)
            fullest = max(fullest, seen, key=len)
            if len(fullest) >= _ENOUGH:
                return fullest
        if len(fullest) == 0 or not np.ptp(fullest, axis=0).any():
            warnings.warn(
                f"{name}: too thin for the camera, so it is given whole as its own partial view",
                stacklevel=3,
            )
            fullest, _ = shape.sample(self.partial_points, rng)
        return fullest
