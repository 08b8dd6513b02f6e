"""How well points are told apart by their planes: -1 is "no plane", in answers and in the truth.

RI, VOI and SC are measured in three ways under the same names, and the same answer has other
numbers in each, so tables must say which:

| variant | points that count | "no plane" is |
|---|---|---|
| "planercnn" | pixels that the sensor saw (`valid`) | one more segment |
| "planetr" (PlaneRecTR, ZeroPlane) | pixels on a plane in the truth | one more of the answer |
| "planarrecon" (AirPlanes) | all vertices of the true mesh | one more segment |
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from nvc3d.metrics.plane_recall import check_planes

Variant = Literal["planercnn", "planetr", "planarrecon"]


class Agreement(NamedTuple):
    """How two ways to cut the same points into segments agree."""

    rand_index: float  # the share of pairs that both join or both part; 1 is best
    variation_of_information: float  # in bits; 0 is best
    segmentation_covering: (
        float  # by the best IoU of every segment, weighted by its points; 1 is best
    )


def plane_agreement(
    predicted: Tensor, truth: Tensor, variant: Variant, *, valid: Tensor | None = None
) -> Agreement:
    """Compare planes (N,) with true ones (N,) as one of three fields does, see above.

    The covering is the mean of that of the truth by the answer and of the answer by the truth, each
    weighted by the points that count. PlaneRCNN's code weighs it by all pixels, seen or not, and
    PlanarRecon's takes the wrong segments' where no vertex is on no plane: theirs differ then.
    (Rand, "Objective criteria for the evaluation of clustering methods", JASA 66, 1971; Meilă,
    "Comparing clusterings by the variation of information", COLT 2003; Arbeláez et al., "Contour
    detection and hierarchical image segmentation", PAMI 33(5), 2011.)

    Args:
        predicted, truth: (N,) integers, the plane of each point, -1 for none.
        variant: "planercnn", "planetr" or "planarrecon".
        valid: (N,) bool, of "planercnn": where the true depth is above 0.1 mm; None: everywhere.

    Raises ValueError on planes of different shapes, numbers below -1, fewer than two points that
    count, another variant, and `valid` of another one.
    """
    check_planes(predicted, truth)
    if variant not in get_args(Variant):
        raise ValueError(f"variant must be one of {', '.join(get_args(Variant))}, got {variant!r}")
    if valid is not None and (variant != "planercnn" or valid.shape != truth.shape):
        raise ValueError(
            f"valid must be {tuple(truth.shape)} and of planercnn, got {tuple(valid.shape)} "
            f"of {variant}"
        )
    counts = torch.ones_like(truth, dtype=torch.bool) if valid is None else valid.bool()
    if variant == "planetr":
        counts = truth >= 0
    predicted, truth = predicted[counts], truth[counts]
    n = len(truth)
    if n < 2:
        raise ValueError(f"at least two points must count, got {n} of {variant}")
    both = _table(predicted, truth)  # (P, T)
    answered, true = both.sum(1), both.sum(0)
    apart = (answered.square().sum() + true.square().sum()) / 2 - both.square().sum()
    mutual = _entropy(answered / n) + _entropy(true / n) - _entropy(both / n)
    information = _entropy(answered / n) + _entropy(true / n) - 2 * mutual
    iou = both / (answered[:, None] + true - both)
    covering = (iou.amax(0) @ true + iou.amax(1) @ answered) / (2 * n)
    return Agreement(
        float(1 - apart / (n * (n - 1) / 2)), float(information.clamp(min=0)), float(covering)
    )


def _table(one: Tensor, other: Tensor) -> Tensor:
    """How many points each segment of one shares with each of the other: float64."""
    one, other = one.unique(return_inverse=True)[1], other.unique(return_inverse=True)[1]
    rows, columns = int(one.max()) + 1, int(other.max()) + 1
    return torch.bincount(one * columns + other, minlength=rows * columns).view(rows, -1).double()


def _entropy(shares: Tensor) -> Tensor:
    """In bits."""
    return -torch.special.xlogy(shares, shares).sum() / torch.log(torch.tensor(2.0).double())
