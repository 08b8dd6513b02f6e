"""A scan with what it misses, wherever it lies: shapes in, points out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d import ops
from nvc3d.files.fitting import write_columns
from nvc3d.files.written import numbered
from nvc3d.geometry.laid import with_laid
from nvc3d.geometry.mesh import Cloud, Mesh, Shape, frame, normalise
from nvc3d.tasks.completion.config import CompletionNet
from nvc3d.tasks.completion.model import CompletionModel

NEIGHBOURS = 8
"""A group of fewer points, away from all others, is taken for outliers."""
AWAY = 8.0
"""How many times as far as is usual an outlier's eighth neighbour is."""
LOOKED_AT = 8
"""Points looked at for outliers, for each that the model is given."""
TURNS = torch.stack([torch.eye(3).roll(places, 1) for places in (0, -1, 1)])
"""(3, 3, 3): a scan as it is, and with its y or its x turned up to z."""
BETTER = 0.8
"""Of the misfit of a scan as it is: only a turned one with less than that is believed."""


class Answers(NamedTuple):
    """What a model makes of a shape, in the coordinates of that."""

    scan: Cloud
    """What stays: of a cloud all of it, just as it was; of a mesh the points drawn from it."""
    laid: list[NDArray[np.float64]]
    """(L, 3) each, what the model laid around that; the best guess first."""
    seen: NDArray[np.float64]
    """(P, 3): what the model was given."""
    turned: bool
    """Whether the model was given the scan turned by a quarter."""

    def completed(self, index: int = 0) -> Cloud:
        """The scan and what was laid in one of the answers; see `with_laid`."""
        return with_laid(self.scan, self.laid[index])

    def write(self, path: str | Path) -> list[Path]:
        """Write the completed clouds: one to `path`, several to NAME-1, NAME-2, ...; columns that
        the kind of file has no place for are left out."""
        paths = numbered(Path(path), len(self.laid))
        for index, target in enumerate(paths):
            write_columns(target, self.completed(index))
        return paths


def answer(
    model: CompletionModel, config: CompletionNet, shape: Shape, *, samples: int = 1, seed: int = 0
) -> Answers:
    """What `complete` gives, in `samples` plausible ways."""
    return complete(model, shape, config.input_points, seed, samples)


def complete(
    model: CompletionModel, shape: Shape, input_points: int, seed: int = 0, count: int = 1
) -> Answers:
    """Complete a mesh or a cloud, anywhere and of any size, in `count` plausible ways.

    The model is given points drawn at random, outliers left out, turned up if that fits better.

    Raises ValueError where the code has one answer only and is asked for more.
    """
    rng = np.random.default_rng(seed)
    visible: Shape = shape
    if isinstance(shape, Cloud):
        points, _ = shape.sample(min(len(shape.points), LOOKED_AT * input_points), rng)
        visible = Cloud(points[inliers(points)])
    centre, radius = frame(visible)
    # In the unit ball float32 has digits enough, wherever the scan lies; in map coordinates it
    # would round away its details.
    drawn, labels = normalise(visible).sample(input_points, rng)
    given = torch.from_numpy(drawn)  # (P, 3)
    turn = upright(model, given)  # (3, 3)
    generator = torch.Generator().manual_seed(seed)
    answers = model.alternatives((given @ turn.mT)[None], count, generator) @ turn  # (K, 1, N, 3)

    def placed(points: Tensor) -> NDArray[np.float64]:
        return points.double().numpy() * radius + centre

    laid = [placed(points) for points in answers[:, 0, input_points:]]  # (L, 3) each
    seen = placed(given)
    scan = shape
    if isinstance(scan, Mesh):
        known = {} if scan.face_labels is None else {"label": labels}
        scan = Cloud(seen, known, scan.label_names)
    return Answers(scan, laid, seen, turned=not torch.equal(turn, TURNS[0]))


@torch.no_grad()
def upright(model: CompletionModel, given: Tensor) -> Tensor:
    """The turn (3, 3) of a scan (P, 3) after which it best fits what the model knows: the coarse
    cloud, which is made of the code alone, then runs through the scan.

    Scans come with y up or with z up, and a model has learned one of both.
    """
    turned = given @ TURNS.mT  # (3, P, 3)
    misfit = ops.nearest(turned, model(turned).coarse[0])[0].sqrt().mean(1)  # (3,)
    best = int(misfit.argmin())
    return TURNS[best if misfit[best] < BETTER * misfit[0] else 0]


def inliers(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of the points (N, 3) lie among others, (N,).

    An outlier's eighth neighbour is eight times as far away as is usual in the cloud. A stray point
    would else set the scale of all that the model sees.
    """
    rows = torch.from_numpy(points.astype(np.float64))[None]  # (1, N, 3)
    k = min(NEIGHBOURS + 1, len(points))  # every point is its own first neighbour
    far = ops.knn(rows, rows, k)[0][0, :, -1].sqrt().numpy()  # (N,)
    usual = np.median(far)
    # Where most points are there many times over, nothing is usual.
    return far <= AWAY * usual if usual > 0 else np.ones(len(points), bool)
