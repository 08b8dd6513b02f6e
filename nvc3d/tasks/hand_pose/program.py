"""What is exported of a model that tells the joints of hands."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d.tasks.hand_pose.config import HandPoseNet
from nvc3d.tasks.hand_pose.model import HandPoseModel
from nvc3d.tasks.task import Program


class Posed(nn.Module):
    """From the points of hands (B, P, 3) in mm before the camera, and which of them are left ones
    (B,), to their joints (B, 21, 3) and how far off they are expected to be (B, 21), in mm."""

    def __init__(self, network: HandPoseModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        found = self.network(points, left)
        return found.joints, found.expected_error


def program(model: HandPoseModel, config: HandPoseNet) -> Program:
    """Joints of hands of about as many points as the model learned from."""
    points = 100 * torch.rand(2, config.points, 3) + torch.tensor([0.0, 0.0, 500.0])
    inputs = {"points": points, "left": torch.tensor([False, True])}
    return Program(Posed(model), inputs, ("joints", "expected_error"))
