"""The palm of a hand, which is looked for first: joints are told in its frame."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d.encoders import EncoderName, make
from nvc3d.geometry.hand_joints import JOINTS
from nvc3d.tasks.hand_pose.heads import VoteHead

PALM = (0, 1, 5, 9, 13, 17)
"""The wrist and the first joint of each finger, which hardly move against each other."""
LEAST = 5
"""Of these training must tell so many; else all joints that it tells take their place."""
ROUNDS = 10
"""In which the mean palm of training is found."""


class Palm(nn.Module):
    """A first look at hands: by votes of their points, where the joints of the palm are.

    Points (B, P, 3) in any frame give joints (B, 21, 3) in the same; those that are not of the palm
    are not trained. Its `mean` is the mean hand of training, laid so that palms lie on each other,
    about the middle of its palm.
    """

    mean: Tensor  # (21, 3)
    rigid: Tensor  # (21,) bool: the joints by which hands are laid

    def __init__(self, encoder: EncoderName, dim: int, hidden: int) -> None:
        super().__init__()
        self.encoder = make(encoder, 3, dim)
        self.votes = VoteHead(self.encoder.point_dim, dim, hidden)
        self.register_buffer("mean", torch.zeros(len(JOINTS), 3))
        self.register_buffer("rigid", torch.ones(len(JOINTS), dtype=torch.bool))

    def forward(self, points: Tensor) -> Tensor:
        feature, of_points = self.encoder(points)
        return self.votes(points, of_points, feature).joints

    def frame(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """The axes (B, 3, 3), as columns, and the middles (B, 3) of the palms of joints
        (B, 21, 3)."""
        return laid(self.mean, joints, self.rigid.to(joints))

    @torch.no_grad()
    def remember(self, joints: Tensor, known: Tensor) -> None:
        """Let it know hands of training, joints (N, 21, 3) of which some are known (N, 21)."""
        told, wanted = known.any(0), torch.zeros_like(self.rigid)
        wanted[list(PALM)] = True
        rigid = told & wanted
        self.rigid.copy_(rigid if int(rigid.sum()) >= LEAST else told)
        weights = (known & self.rigid).to(joints)
        hands = torch.where(known[..., None], joints, 0)
        mean = hands[weights.sum(1).argmax()]
        # Each hand is laid on the mean of those laid before (generalised Procrustes).
        for _ in range(ROUNDS):
            turn, middle = laid(mean, hands, weights)
            own = (hands - middle[:, None]) @ turn
            mean = torch.where(known[..., None], own, torch.nan).nanmean(0).nan_to_num(0)
        self.mean.copy_(mean - mean[self.rigid].mean(0))


def laid(rest: Tensor, joints: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The turns (B, 3, 3) and the middles (B, 3) that best lay places (J, 3) or (B, J, 3) on joints
    (B, J, 3): `(rest - its middle) @ turn.mT + middle`. Places count by weights (J,) or (B, J),
    which are not below 0.

    (Horn, "Closed-form solution of absolute orientation using unit quaternions", JOSA A 1987.)
    """
    share = (weights / weights.sum(-1, keepdim=True).clamp_min(1e-9))[..., None]  # (..., J, 1)
    middle = (share * joints).sum(-2, keepdim=True)
    both = (share * (rest - (share * rest).sum(-2, keepdim=True))).mT @ (joints - middle)
    one = torch.eye(3).to(both)
    trace = (both * one).sum((1, 2), keepdim=True)
    skew = both - both.mT
    off = torch.stack([skew[:, 1, 2], skew[:, 2, 0], skew[:, 0, 1]], -1)[..., None]  # (B, 3, 1)
    first = torch.cat([trace, off.mT], 2)
    other = torch.cat([off, both + both.mT - trace * one], 2)
    best = torch.linalg.eigh(torch.cat([first, other], 1)).eigenvectors[..., -1]  # (B, 4)
    real, axis = best[:, :1, None], best[:, None, 1:]
    across = torch.linalg.cross(axis.expand(-1, 3, -1), one.expand(best.shape[0], -1, -1))
    turn = (real.square() - axis.square().sum(-1, keepdim=True)) * one
    return turn + 2 * (axis.mT @ axis + real * across.mT), middle[:, 0]
