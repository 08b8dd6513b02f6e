"""What is exported of a classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d.geometry.unit_ball import unit_ball
from nvc3d.tasks.classification.config import ClassificationNet
from nvc3d.tasks.classification.model import ClassificationModel
from nvc3d.tasks.task import Program


class Classified(nn.Module):
    """From clouds (B, N, 3), anywhere and of any size, in metres where sizes matter, to the
    probabilities (B, categories) and the nearest anchors (B,)."""

    def __init__(self, network: ClassificationModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        unit, radius = unit_ball(points)
        found = self.network(unit, None if self.network.sizes is None else radius.flatten())
        return found.scores.softmax(-1), found.code.anchor


def program(model: ClassificationModel, config: ClassificationNet) -> Program:
    """Probabilities and anchors of clouds of about as many points as the model learned from."""
    points = torch.rand(2, config.points, 3)
    return Program(Classified(model), {"points": points}, ("probabilities", "anchor"))
