"""From codes, and from points, to joints."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from nvc3d.geometry.hand_joints import JOINTS

COUNT = len(JOINTS)


class PoseHead(nn.Module):
    """Joints (..., 21, 3) of codes (..., code_dim), and the hidden layer (..., hidden) before."""

    def __init__(self, code_dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(code_dim, 2 * hidden),
            nn.ReLU(),
            nn.Linear(2 * hidden, hidden),
            nn.ReLU(),
        )
        self.joints = nn.Linear(hidden, 3 * COUNT)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(codes)
        return self.joints(hidden).unflatten(-1, (COUNT, 3)), hidden


class Voted(NamedTuple):
    """What points say of joints."""

    joints: Tensor  # (B, 21, 3): the weighted means of the votes
    spread: Tensor  # (B, 21): how far votes lie from those, a weighted mean
    votes: Tensor  # (B, P, 21, 3)


class VoteHead(nn.Module):
    """Every point says where it takes each joint to be, and how much its word weighs.

    Points (B, P, 3) with features (B, P, point_dim), and codes (B, code_dim).

    (After Ge, Ren, Yuan, "Point-to-Point Regression PointNet for 3D Hand Pose Estimation", ECCV
    2018, and Xiong et al., "A2J: Anchor-to-Joint Regression Network", ICCV 2019.)
    """

    def __init__(self, point_dim: int, code_dim: int, hidden: int) -> None:
        super().__init__()
        self.of_points = nn.Linear(3 + point_dim, hidden)
        self.of_code = nn.Linear(code_dim, hidden, bias=False)
        self.hidden = nn.Linear(hidden, hidden)
        self.votes = nn.Linear(hidden, 3 * COUNT)
        self.weights = nn.Linear(hidden, COUNT)

    def forward(self, points: Tensor, features: Tensor, codes: Tensor) -> Voted:
        told = self.of_points(torch.cat([points, features], -1)) + self.of_code(codes)[:, None]
        hidden = relu(self.hidden(relu(told)))
        votes = points[:, :, None] + self.votes(hidden).unflatten(-1, (COUNT, 3))
        weights = self.weights(hidden).softmax(1)  # (B, P, 21)
        joints = torch.einsum("bpj,bpjc->bjc", weights, votes)
        with torch.no_grad():
            apart = torch.linalg.vector_norm(votes - joints[:, None], dim=-1)
            spread = (weights * apart).sum(1)
        return Voted(joints, spread, votes)
