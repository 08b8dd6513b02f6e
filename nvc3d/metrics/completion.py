"""How far a cloud is from the truth, one number for each cloud: CD-L1, CD-L2 and F-score; what
can be measured where there is no truth: fidelity, consistency and minimal matching distance; and
how good and how different several answers are.

As the reference code of point cloud completion computes them: "L1" there is not the L1 norm. All
are measures, not losses: they carry no gradient (`ops.chamfer_distance` does).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d import ops


class Comparison(NamedTuple):
    """How clouds x (B, N, D) compare with clouds y (B, M, D); each (B,)."""

    cd_l1: Tensor
    cd_l2: Tensor
    f_score: Tensor


@torch.no_grad()
def compare(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    *,
    threshold: float = 0.01,
) -> Comparison:
    """Measure CD-L1, CD-L2 and F-score together, for the cost of one.

    Arguments, units and errors are those of `cd_l1`, `cd_l2` and `f_score`.
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be > 0, got {threshold}")
    there, back = ops.nearest_both(x, y, x_lengths, y_lengths)
    directions = ((there.squared, x_lengths), (back.squared, y_lengths))  # (B, N), (B, M)
    plain = [_mean(d.sqrt(), lengths) for d, lengths in directions]
    squared = [_mean(d, lengths) for d, lengths in directions]
    precision, recall = (_mean((d.sqrt() < threshold).to(d), n) for d, n in directions)
    both = precision + recall
    return Comparison(
        cd_l1=1000 * (plain[0] + plain[1]) / 2,
        cd_l2=1000 * (squared[0] + squared[1]),
        # precision + recall is 0 only where both are: dividing by 1 there gives the 0 wanted.
        f_score=2 * precision * recall / torch.where(both > 0, both, 1),
    )


def cd_l1(
    x: Tensor, y: Tensor, x_lengths: Tensor | None = None, y_lengths: Tensor | None = None
) -> Tensor:
    """Chamfer distance of plain distances, times 1000: half of mean |x - y| plus mean |y - x|.

    Clouds x (B, N, D) and y (B, M, D), padded beyond `lengths` (B,), give (B,). Raises ValueError
    as `ops.nearest` does: on empty clouds, NaN or inf, and shapes that do not fit together.
    """
    return compare(x, y, x_lengths, y_lengths).cd_l1


def cd_l2(
    x: Tensor, y: Tensor, x_lengths: Tensor | None = None, y_lengths: Tensor | None = None
) -> Tensor:
    """Chamfer distance of squared distances, times 1000: mean |x - y|² plus mean |y - x|².

    Clouds x (B, N, D) and y (B, M, D), padded beyond `lengths` (B,), give (B,). Raises ValueError
    as `ops.nearest` does: on empty clouds, NaN or inf, and shapes that do not fit together.
    """
    return compare(x, y, x_lengths, y_lengths).cd_l2


def f_score(
    x: Tensor,
    y: Tensor,
    x_lengths: Tensor | None = None,
    y_lengths: Tensor | None = None,
    *,
    threshold: float = 0.01,
) -> Tensor:
    """Harmonic mean of the shares of x and of y that lie nearer than `threshold` to the other.

    The threshold is a plain distance; with the default, in shapes of size about 1, this is
    F-score@1%. 0 where no point is that near. Clouds x (B, N, D) and y (B, M, D), padded beyond
    `lengths` (B,), give (B,). Raises ValueError as `ops.nearest` does, and on a threshold <= 0.
    (Knapitsch, Park, Zhou, Koltun, "Tanks and Temples", ACM Transactions on Graphics 36(4), 2017.)
    """
    return compare(x, y, x_lengths, y_lengths, threshold=threshold).f_score


@torch.no_grad()
def emd(x: Tensor, y: Tensor) -> Tensor:
    """Earth mover's distance: the least mean plain distance of a matching, times 1000.

    Clouds x (B, N, D) and y (B, N, D) give (B,). Exact up to 2048 points, above within 1 % (see
    `ops.earth_movers_distance`, which also tells the error). Raises ValueError as that does. (Fan,
    Su, Guibas, "A Point Set Generation Network", CVPR 2017.)
    """
    return 1000 * ops.earth_movers_distance(x, y).distance


@torch.no_grad()
def voxel_iou(scores: Tensor, truth: Tensor, threshold: float = 0.5) -> Tensor:
    """Intersection over union of voxel grids (B, ...), those above the threshold being filled.

    Scores are occupancies from 0 to 1, the truth is bool or 0 and 1; gives (B,), 1 where both are
    empty. The mean over shapes is what is reported. Raises ValueError on different shapes, and on a
    truth that is neither filled nor empty.
    """
    if scores.shape != truth.shape or scores.dim() < 2:
        raise ValueError(
            "scores and truth must both be (B, ...), "
            f"got {tuple(scores.shape)} and {tuple(truth.shape)}"
        )
    if not bool(((truth == 0) | (truth == 1)).all()):
        raise ValueError("truth must be 0 or 1 everywhere")
    filled, true = (scores > threshold).flatten(1), (truth > 0).flatten(1)
    both, either = (filled & true).sum(1).double(), (filled | true).sum(1).double()
    return torch.where(either > 0, both / either.clamp_min(1), 1.0)


@torch.no_grad()
def fidelity(partial: Tensor, completed: Tensor) -> Tensor:
    """How well completions keep what was seen: the mean plain distance from a point of the partial
    cloud to the nearest of the completed one, times 1000.

    Clouds partial (B, N, D) and completed (B, M, D) give (B,). Raises ValueError as `ops.nearest`
    does. (Yuan, Khot, Held, Mertz, Hebert, "PCN: Point Completion Network", 3DV 2018.)
    """
    return 1000 * ops.nearest(partial, completed)[0].sqrt().mean(1)


@torch.no_grad()
def consistency(completed: Tensor) -> Tensor:
    """How little completions of one thing change: the mean CD-L2 () of each of the clouds
    (F, N, D), one for a frame, and the next one.

    Raises ValueError with fewer than two frames, and as `ops.nearest` does. (PCN, as above.)
    """
    if completed.dim() != 3 or len(completed) < 2:
        raise ValueError(f"completed must be (F, N, D), F >= 2, got {tuple(completed.shape)}")
    return cd_l2(completed[:-1], completed[1:]).mean()


@torch.no_grad()
def minimal_matching_distance(completed: Tensor, known: Tensor) -> Tensor:
    """How much completions look like things of their kind: CD-L2 to the known cloud that is nearest
    in CD-L2.

    Clouds completed (B, N, D) and known (K, M, D) give (B,). Raises ValueError as `ops.nearest`
    does, and without known clouds. (Achlioptas, Diamanti, Mitliagkas, Guibas, "Learning
    Representations and Generative Models for 3D Point Clouds", ICML 2018; PCN, as above.)
    """
    if known.dim() != 3 or len(known) == 0:
        raise ValueError(f"known must be (K, M, D), K >= 1, got {tuple(known.shape)}")
    least = [cd_l2(cloud.expand(len(known), -1, -1), known).min() for cloud in completed]
    return torch.stack(least) if least else completed.new_zeros(0)


@torch.no_grad()
def best_of(answers: Tensor, truth: Tensor) -> Tensor:
    """The least CD-L2 of several answers to one question, as if one knew which is right.

    Answers (K, B, N, D) and truth (B, M, D) give (B,), at most the CD-L2 of any answer. Raises
    ValueError as `ops.nearest` does, and without answers.
    """
    _require_answers(answers, 1)
    return torch.stack([cd_l2(answer, truth) for answer in answers]).amin(0)


@torch.no_grad()
def total_mutual_difference(answers: Tensor) -> Tensor:
    """TMD, how different several answers are: the sum, over the answers, of the mean CD-L2 to the
    others.

    Answers (K, B, N, D), K >= 2, give (B,), in the unit of CD-L2: squared distances, times 1000.
    It grows with K, so only values of the same K compare; 0 where all answers are the same. Raises
    ValueError as `ops.nearest` does, and on fewer than two answers. (Wu, Chen, Zhuang, Chen,
    "Multimodal Shape Completion via Conditional Generative Adversarial Networks", ECCV 2020.)
    """
    _require_answers(answers, 2)
    count = len(answers)
    pairs = [cd_l2(answers[i], answers[j]) for i in range(count) for j in range(i)]
    return 2 * torch.stack(pairs).sum(0) / (count - 1)


def _require_answers(answers: Tensor, least: int) -> None:
    if answers.dim() != 4 or len(answers) < least:
        raise ValueError(f"answers must be (K, B, N, D), K >= {least}, got {tuple(answers.shape)}")


def _mean(values: Tensor, lengths: Tensor | None) -> Tensor:
    """The mean of the real entries of (B, N)."""
    if lengths is None:
        return values.mean(1)
    real = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
    return (values * real).sum(1) / lengths
