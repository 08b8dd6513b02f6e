"""Completing a file with a model of clouds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d import ops
from nvc3d.checkpoint import Run
from nvc3d.files import read_shape, write_cloud
from nvc3d.geometry.mesh import Cloud, Shape, frame, normalise
from nvc3d.tasks.completion import CompletionModel

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

    completed: list[NDArray[np.floating]]
    """(N, 3) each, the best guess first. Of a cloud each begins with all of its points, just as
    they were; of a mesh with those drawn from it."""
    seen: NDArray[np.floating]
    """(P, 3): what the model was given."""
    laid: list[NDArray[np.floating]]
    """(L, 3) each: what the model laid around that."""
    turned: bool
    """Whether the model was given the scan turned by a quarter."""


def complete_file(
    run: Run, model: CompletionModel, source: Path, targets: Sequence[Path], seed: int
) -> str:
    """Write as many answers as there are targets, and a picture if they are several; says so in a
    sentence.

    Raises what `read_shape`, `write_cloud` and `draw_clouds` raise, and ValueError where a model
    has one answer only and is asked for more.
    """
    answers = complete(model, read_shape(source), run.config.input_points, seed, len(targets))
    for target, points in zip(targets, answers.completed, strict=True):
        write_cloud(target, points)
    size = len(answers.completed[0])
    turned = ", after a turn to the axes of the training shapes" if answers.turned else ""
    if len(targets) == 1:
        return f"{source}: {size} points written to {targets[0]}{turned}"

    from nvc3d.viz import draw_clouds

    # From behind and aside, where the answers differ.
    behind = answers.laid[0].mean(0) - answers.seen.mean(0)
    azimuth = float(np.rad2deg(np.arctan2(behind[1], behind[0]))) + 45
    # Not all points of the scan: there may be millions.
    shown = [answers.seen] + [np.concatenate([answers.seen, laid]) for laid in answers.laid]
    picture = draw_clouds(
        targets[0].with_name(f"{source.stem}-samples.png"),
        {"": shown},
        ["scan", "best guess", *(f"answer {i}" for i in range(2, len(targets) + 1))],
        one_scale=True,
        azimuth=azimuth,
    )
    return (
        f"{source}: {len(targets)} answers of {size} points written to {targets[0]} ... "
        f"{targets[-1].name}, shown in {picture}{turned}"
    )


def complete(
    model: CompletionModel, shape: Shape, input_points: int, seed: int, count: int = 1
) -> Answers:
    """Complete a mesh or a cloud, anywhere and of any size; see `Answers`.

    The model is given points drawn at random, outliers left out, turned up if that fits better.
    """
    rng = np.random.default_rng(seed)
    visible: Shape = shape
    if isinstance(shape, Cloud):
        points, _ = shape.sample(min(len(shape.points), LOOKED_AT * input_points), rng)
        visible = Cloud(points[inliers(points)])
    centre, radius = frame(visible)
    # In the unit ball float32 has digits enough, wherever the scan lies; in map coordinates it
    # would round away its details.
    given = torch.from_numpy(normalise(visible).sample(input_points, rng)[0])  # (P, 3)
    turn = upright(model, given)  # (3, 3)
    generator = torch.Generator().manual_seed(seed)
    answers = model.alternatives((given @ turn.mT)[None], count, generator) @ turn  # (K, 1, N, 3)
    dtype = np.float64 if np.abs(centre).max() > 1000 * radius else np.float32

    def placed(points: Tensor) -> NDArray[np.floating]:
        return (points.double().numpy() * radius + centre).astype(dtype)

    laid = [placed(points) for points in answers[:, 0, input_points:]]  # (L, 3) each
    seen = placed(given)
    kept = shape.points if isinstance(shape, Cloud) else seen
    completed = [np.concatenate([kept, points]) for points in laid]
    return Answers(completed, seen, laid, turned=not torch.equal(turn, TURNS[0]))


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
