"""How many of the true planes, and of their points, are found: recall and average precision.

A true plane is matched by the plane of the answer with which it has an IoU above 0.5; there is one
at most. Planes of points (N,) are numbered from 0 on, in any way, and -1 is "no plane". Pooled over
images, plane recall is of all their planes together and pixel recall the mean of the images'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from nvc3d.metrics.depth import check_compat

IOU = 0.5
"""What a plane of the answer and a true one must have in common, and more, to be the same."""
DEPTHS = torch.arange(13, dtype=torch.float64) * 0.05
"""Metres, from 0 to 0.6, as PlaneNet has them."""
ANGLES = torch.arange(13, dtype=torch.float64) * 2.5
"""Degrees, from 0 to 30."""
AP_DEPTHS = torch.tensor([0.2, 0.3, 0.6, 0.9], dtype=torch.float64)
"""Metres, as PlaneRCNN has them; tables mostly show the last three."""

Compat = Literal["planar-reconstruction"] | None


class PlaneRecall(NamedTuple):
    """What is found of the true planes of one image or cloud, for S thresholds."""

    planes: Tensor  # (S,): how many are found
    shared: Tensor  # (S,): points that they share with the planes that match them
    true_planes: int
    true_points: int

    @property
    def plane_recall(self) -> Tensor:
        """(S,): the share of the planes; nan where there are none."""
        return self.planes / self.true_planes if self.true_planes else self.planes * torch.nan

    @property
    def pixel_recall(self) -> Tensor:
        """(S,): the share of their points; nan where there are none."""
        return self.shared / self.true_points if self.true_points else self.shared * torch.nan


def pooled_recall(images: Sequence[PlaneRecall]) -> tuple[Tensor, Tensor]:
    """Plane recall of all planes of all images together, and the mean pixel recall of the images
    that have planes: (S,) each. Raises ValueError where there is no image."""
    if not images:
        raise ValueError("there must be an image or more, got none")
    total = sum(image.true_planes for image in images)
    planes = torch.stack([image.planes for image in images]).sum(0)
    pixels = torch.stack([image.pixel_recall for image in images]).nanmean(0)
    return (planes / total if total else planes * torch.nan), pixels


def plane_recall_by_depth(
    predicted: Tensor,
    truth: Tensor,
    difference: Tensor,
    thresholds: Tensor = DEPTHS,
    *,
    compat: Compat = None,
) -> PlaneRecall:
    """What is found where the mean |difference| over the points shared is at most a threshold.

    Args:
        predicted, truth: (N,) integers, the plane of each point, -1 for none.
        difference: (N,), of the depths of answer and truth, or how far a point is off in any way.
        thresholds: (S,).
        compat: "planar-reconstruction" for that code's numbers: it counts one plane fewer than
            there are numbers, so that the last is lost where each point lies on a plane, and so are
            planes whose numbers are beyond that.

    (Liu et al., "PlaneNet: piece-wise planar reconstruction from a single RGB image", CVPR 2018.)
    Raises ValueError on planes or differences of different shapes, and numbers below -1.
    """
    match = _Match.of(predicted, truth, compat)
    if difference.shape != truth.shape:
        raise ValueError(f"difference must be {tuple(truth.shape)}, got {tuple(difference.shape)}")
    return match.within(match.mean(difference.double().abs())[:, None] <= thresholds)


def plane_recall_by_normal(
    predicted: Tensor,
    truth: Tensor,
    normals: Tensor,
    true_normals: Tensor,
    thresholds: Tensor = ANGLES,
    *,
    compat: Compat = None,
) -> PlaneRecall:
    """What is found where the normals are at most so many degrees apart.

    Args:
        predicted, truth: (N,) integers, the plane of each point, -1 for none.
        normals, true_normals: (P, 3) and (T, 3) by the numbers of the planes, of any length but 0
            and either sign.
        thresholds: (S,), degrees.
        compat: "planar-reconstruction" for that code's numbers: of less than so many degrees, so
            that at 0 nothing is found, between normals that have a sign; planes are lost as by
            depth.

    Raises ValueError on planes of different shapes, numbers below -1, and numbers without a normal.
    """
    match = _Match.of(predicted, truth, compat)
    for name, own, rows in (("truth", truth, true_normals), ("predicted", predicted, normals)):
        if own.numel() and int(own.max()) >= len(rows):
            raise ValueError(f"{name} must be below {len(rows)}, as many normals, got {own.max()}")
    there = match.matched >= 0
    one = torch.nn.functional.normalize(true_normals.double(), dim=1)[match.planes]
    other = torch.nn.functional.normalize(normals.double(), dim=1)[match.matched[there]]
    cosine = (one[there] * other).sum(1)
    angle = torch.full((len(there),), torch.inf, dtype=torch.float64)
    angle[there] = (cosine if compat else cosine.abs()).clamp(-1, 1).arccos().rad2deg()
    # A cosine near 1 tells angles no finer than that.
    near = angle[:, None] < thresholds if compat else angle[:, None] <= thresholds + 1e-5
    return match.within(near)


def plane_average_precision(
    predicted: Tensor,
    truth: Tensor,
    difference: Tensor,
    scores: Tensor,
    thresholds: Tensor = AP_DEPTHS,
) -> Tensor:
    """The area under the precision of the planes of an answer by their recall, the surest first.

    A plane is right where it matches a true one and is, in the mean over the points shared, less
    than the threshold off. Precision is what is reached at this recall or any higher one.

    Args:
        predicted, truth, difference: as of `plane_recall_by_depth`.
        scores: (P,) how sure the answer is of each of its planes, by their numbers.
        thresholds: (S,).

    Returns:
        (S,), nan where there is no true plane. (Liu et al., "PlaneRCNN: 3D plane detection and
        reconstruction from a single image", CVPR 2019.)

    Raises ValueError as `plane_recall_by_depth`, and on planes without a score.
    """
    match = _Match.of(predicted, truth, None)
    if difference.shape != truth.shape:
        raise ValueError(f"difference must be {tuple(truth.shape)}, got {tuple(difference.shape)}")
    if predicted.numel() and int(predicted.max()) >= len(scores):
        raise ValueError(
            f"predicted must be below {len(scores)}, as many scores, got {predicted.max()}"
        )
    if not len(match.planes):
        return thresholds.double() * torch.nan
    off = match.mean(difference.double().abs())
    answered = predicted[predicted >= 0].unique()
    ranked = answered[(-scores.double()[answered]).argsort(stable=True)]
    hit = (ranked[:, None] == match.matched) & (match.matched >= 0)  # (P, T)
    right = (hit[:, :, None] & (off[None, :, None] < thresholds)).any(1).double()  # (P, S)
    recall = right.cumsum(0) / len(match.planes)
    precision = right.cumsum(0) / torch.arange(1, len(ranked) + 1)[:, None]
    best = precision.flip(0).cummax(0).values.flip(0) if len(ranked) else precision
    return (recall.diff(dim=0, prepend=recall.new_zeros(1, recall.shape[1])) * best).sum(0)


class _Match(NamedTuple):
    """The true planes, and the planes of the answer that match them."""

    predicted: Tensor
    truth: Tensor
    planes: Tensor  # (T,): the numbers of those that count
    size: Tensor  # (T,)
    matched: Tensor  # (T,): a number of the answer, -1 for none
    shared: Tensor  # (T,): points

    @classmethod
    def of(cls, predicted: Tensor, truth: Tensor, compat: Compat) -> _Match:
        check_compat(compat)
        check_planes(predicted, truth)
        planes, answers = _counted(truth, compat), _counted(predicted, compat)
        both = (truth >= 0) & (predicted >= 0)
        rows, columns = (max(int(own.max()), 0) + 1 for own in (truth, predicted))
        table = torch.bincount(truth[both] * columns + predicted[both], minlength=rows * columns)
        table = table.view(rows, columns)[planes][:, answers]
        own = torch.bincount(truth[truth >= 0], minlength=rows)[planes]
        other = torch.bincount(predicted[predicted >= 0], minlength=columns)[answers]
        if not len(planes) or not len(answers):
            nothing = torch.zeros_like(planes)
            return cls(predicted, truth, planes, own, nothing - 1, nothing)
        same = table > IOU * (own[:, None] + other - table)
        place = same.long().argmax(1)
        found = same.any(1)
        shared = table.gather(1, place[:, None])[:, 0]
        return cls(
            predicted,
            truth,
            planes,
            own,
            answers[place].where(found, -1),
            shared.where(found, 0),
        )

    def mean(self, difference: Tensor) -> Tensor:
        """The mean difference (T,) over the points shared, inf where nothing matches."""
        result = torch.full((len(self.planes),), torch.inf, dtype=torch.float64)
        for number in (self.matched >= 0).nonzero()[:, 0].tolist():
            there = self.predicted == self.matched[number]
            result[number] = difference[there & (self.truth == self.planes[number])].mean()
        return result

    def within(self, near: Tensor) -> PlaneRecall:
        """What is found, by which planes are near enough (T, S)."""
        shared = (near * self.shared[:, None]).sum(0).double()
        count = near.sum(0).double()
        return PlaneRecall(count, shared, len(self.planes), int(self.size.sum()))


def _counted(planes: Tensor, compat: Compat) -> Tensor:
    """The numbers that count as planes."""
    numbers = planes.unique()
    if compat:
        numbers = torch.arange(max(len(numbers) - 1, 0))
        return numbers[numbers <= max(int(planes.max()), 0)]
    return numbers[numbers >= 0]


def check_planes(predicted: Tensor, truth: Tensor) -> None:
    """Raise ValueError unless both number the planes of the same points."""
    if predicted.shape != truth.shape or truth.dim() != 1:
        raise ValueError(
            "predicted and truth must both be (N,), "
            f"got {tuple(predicted.shape)} and {tuple(truth.shape)}"
        )
    for name, own in (("predicted", predicted), ("truth", truth)):
        if own.is_floating_point() or not len(own):
            raise ValueError(
                f"{name} must be integers of a point or more, got {own.dtype} {len(own)}"
            )
        if int(own.min()) < -1:
            raise ValueError(f"{name} must be 0 or more, or -1 for no plane, got {int(own.min())}")
