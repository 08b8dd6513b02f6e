"""What hand pose is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d.tasks.hand_pose.model import UNIT, HandPoseModel
from nvc3d.tasks.task import Batch

ROUNDED = 1e-2
"""Distances below this, in the network's unit, are rounded off to a square."""
COARSE = 0.5
"""Weight of the joints that the code alone tells, beside the answer."""
EXEMPLAR = 0.1
"""Weight of the anchors' poses."""
VOTES = 0.5
"""Weight of the votes of points near a joint."""
NEAR = 60.0
"""Points within so many mm of a joint must know where it is."""
SURENESS = 0.02
"""Weight of the log-likelihood by which the scale of errors is learned."""


def loss(model: HandPoseModel, batch: Batch) -> dict[str, Tensor]:
    """Distances to the truth, in the network's unit, of the joints, of those that the code alone
    tells and of the votes of near points; how unlikely the errors are by their scales; and the
    nebula's losses. Joints that are not known count nowhere."""
    result = model(batch["points"], batch["left"])
    truth, mask = batch["joints"], batch["joint_mask"]
    errors = distance(result.joints, truth)
    terms = {"joints": mean(errors, mask)}
    if result.palm is not None and model.palm is not None:
        terms["palm"] = mean(distance(result.palm, truth), mask & model.palm.rigid)
    if result.votes is not None:
        terms["coarse"] = COARSE * mean(distance(result.coarse, truth), mask)
        apart = torch.linalg.vector_norm(batch["points"][:, :, None] - truth[:, None], dim=-1)
        near = (apart < NEAR) & mask[:, None]  # (B, P, 21)
        terms["votes"] = VOTES * mean(distance(result.votes, truth[:, None]), near)
    if result.exemplar is not None:
        terms["exemplars"] = EXEMPLAR * mean(distance(result.exemplar, truth), mask)
    terms["sureness"] = SURENESS * mean(unlikely(errors.detach() * UNIT, result.log_scale), mask)
    terms["nebula"] = model.bottleneck.losses(result.code).total
    return {"total": torch.stack(list(terms.values())).sum(), **terms}


def distance(found: Tensor, truth: Tensor) -> Tensor:
    """Plain distances (...) of joints (..., 3) in mm, in the network's unit."""
    squared = ((found - truth) / UNIT).square().sum(-1)
    return (squared + ROUNDED**2).sqrt() - ROUNDED


def unlikely(errors: Tensor, log_scale: Tensor) -> Tensor:
    """Minus the log-likelihood of errors in mm, up to a constant, where a joint lies around its
    answer with a density that falls as exp(-error / scale)."""
    return errors * (-log_scale).exp() + 3 * log_scale


def mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean of the values in a mask of the same shape; 0 where it is empty."""
    return torch.where(mask, values, 0).sum() / mask.sum().clamp_min(1)
