"""How far the joints of hands are from the truth, in the unit of both, millimetres by custom.

All take `prediction` and `truth` (N, J, 3), N hands with J joints, and `mask` (N, J), which of them
the truth has; None: all. Joints outside the mask count nowhere and may be NaN. All reckon in
float64, carry no gradient, give nan where nothing is left to measure, and raise ValueError on
shapes that do not fit and on values that are not finite where the mask is True.
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def joint_errors_mm(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """The distance of every joint from its truth, (N, J) float64; nan outside the mask."""
    prediction, truth, there = _checked(prediction, truth, mask)
    distance = torch.linalg.vector_norm(prediction - truth, dim=-1)
    return torch.where(there, distance, torch.nan)


def mean_error_mm(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """The mean error of all joints of all hands, where they are (MPJPE, absolute)."""
    return float(joint_errors_mm(prediction, truth, mask).nanmean())


def root_relative_mm(
    prediction: Tensor, truth: Tensor, mask: Tensor | None = None, *, root: int
) -> float:
    """The mean error once each hand is moved so that joint `root` is right; that joint's 0 counts.

    Whether it is lower than the absolute error hangs on which joint that is: a fingertip is found
    less well than most. Hands whose truth lacks it are left out.
    """
    moved, there = root_aligned(prediction, truth, mask, root=root)
    return mean_error_mm(moved, truth, there)


def pa_mm(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """The mean error once each hand is turned, scaled and moved to fit best (Procrustes)."""
    return mean_error_mm(procrustes_aligned(prediction, truth, mask), truth, mask)


def pa_reflect_mm(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """As `pa_mm`, but hands may be mirrored, too, as FreiHAND's evaluation allows: a left hand is
    as good as a right one there."""
    aligned = procrustes_aligned(prediction, truth, mask, reflect=True)
    return mean_error_mm(aligned, truth, mask)


def auc_0_50(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """The area under the share of joints within 0 to 50 mm, in 100 steps, as FreiHAND, HO-3D and
    DexYCB have it. It is 1 - mean(min(error, 50)) / 50 but for the steps."""
    return auc(prediction, truth, mask, low=0, high=50, steps=100)


def auc_20_50(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """The area under the share of joints within 20 to 50 mm, in 20 steps, as on STB and RHD."""
    return auc(prediction, truth, mask, low=20, high=50, steps=20)


def auc(
    prediction: Tensor,
    truth: Tensor,
    mask: Tensor | None = None,
    *,
    low: float,
    high: float,
    steps: int,
) -> float:
    """The area under a joint's share of errors <= t, for `steps` thresholds t from `low` to `high`,
    over that range; the mean of the joints that are there in any hand."""
    if not (0 <= low < high and steps >= 2):
        raise ValueError(
            f"expected 0 <= low < high and steps >= 2, got {low:g}, {high:g} and {steps}"
        )
    errors = joint_errors_mm(prediction, truth, mask)
    counts = errors.isfinite().sum(0)
    errors, counts = errors[:, counts > 0], counts[counts > 0]
    if errors.shape[1] == 0:
        return float("nan")
    thresholds = torch.linspace(low, high, steps, dtype=torch.float64, device=errors.device)
    within = torch.stack([(errors <= t).sum(0) / counts for t in thresholds])  # (steps, J)
    return float(torch.trapezoid(within.double(), thresholds, dim=0).mean() / (high - low))


def frames_mean_within(
    prediction: Tensor, truth: Tensor, mask: Tensor | None = None, *, threshold: float
) -> float:
    """The share of hands whose mean error is at most `threshold`, of those with any joint."""
    means = joint_errors_mm(prediction, truth, mask).nanmean(1)
    return float((means[~means.isnan()] <= threshold).double().mean())


def frames_max_within(
    prediction: Tensor, truth: Tensor, mask: Tensor | None = None, *, threshold: float
) -> float:
    """The share of hands whose every joint is within `threshold`, of those with any joint."""
    errors = joint_errors_mm(prediction, truth, mask)
    some = ~errors.isnan().all(1)
    return float((errors[some].nan_to_num(0).amax(1) <= threshold).double().mean())


@torch.no_grad()
def root_aligned(
    prediction: Tensor, truth: Tensor, mask: Tensor | None = None, *, root: int
) -> tuple[Tensor, Tensor]:
    """Predictions (N, J, 3) float64 moved so that joint `root` is right, and which of them count,
    (N, J): those of the mask in hands whose truth has that joint."""
    prediction, truth, there = _checked(prediction, truth, mask)
    if not 0 <= root < truth.shape[1]:
        raise ValueError(f"root must be from 0 to {truth.shape[1] - 1}, got {root}")
    moved = prediction - prediction[:, [root]] + truth[:, [root]]
    return moved, there & there[:, [root]]


@torch.no_grad()
def procrustes_aligned(
    prediction: Tensor, truth: Tensor, mask: Tensor | None = None, *, reflect: bool = False
) -> Tensor:
    """Predictions (N, J, 3) float64 turned, scaled and moved so that the sum of squared errors of
    each hand's joints in the mask is least; with `reflect`, mirrored where that is better."""
    prediction, truth, there = _checked(prediction, truth, mask)
    count = there.sum(1).clamp_min(1)[:, None, None]
    middles = [joints.sum(1, keepdim=True) / count for joints in (prediction, truth)]
    source, target = (
        torch.where(there[..., None], joints - middle, 0)
        for joints, middle in zip((prediction, truth), middles, strict=True)
    )
    left, stretch, right = torch.linalg.svd(target.mT @ source)
    sign = torch.ones_like(stretch)
    if not reflect:
        sign[:, 2] = torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    turn = left @ (sign[..., None] * right)
    size = source.square().sum((1, 2))
    # A prediction whose joints are all in one place has no size: any scale is as good.
    scale = (stretch * sign).sum(1) / torch.where(size > 0, size, 1)
    return scale[:, None, None] * (prediction - middles[0]) @ turn.mT + middles[1]


def _checked(
    prediction: Tensor, truth: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Both in float64 with 0 outside the mask, and the mask."""
    if prediction.shape != truth.shape or truth.dim() != 3 or truth.shape[2] != 3:
        raise ValueError(
            "prediction and truth must both be (N, J, 3), "
            f"got {tuple(prediction.shape)} and {tuple(truth.shape)}"
        )
    there = torch.ones_like(truth[..., 0], dtype=torch.bool) if mask is None else mask
    if there.dtype != torch.bool or there.shape != truth.shape[:2]:
        raise ValueError(
            f"mask must be bool {tuple(truth.shape[:2])}, got {there.dtype} {tuple(there.shape)}"
        )
    for name, joints in (("prediction", prediction), ("truth", truth)):
        bad = int((~joints.isfinite().all(-1) & there).sum())
        if bad:
            raise ValueError(
                f"{bad} joints of the {name} are not finite: leave those out by the mask"
            )
    prediction, truth = (
        torch.where(there[..., None], joints.double(), 0) for joints in (prediction, truth)
    )
    return prediction, truth, there
