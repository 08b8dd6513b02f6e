"""What is exported of a model that completes clouds."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d.tasks.completion.config import CompletionNet
from nvc3d.tasks.completion.model import CompletionModel
from nvc3d.tasks.task import Program


class Completed(nn.Module):
    """From partial clouds (B, P, 3), anywhere and of any size, to whole ones (B, P + L, 3): the
    partial one, and what is laid around it."""

    def __init__(self, network: CompletionModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: Tensor) -> tuple[Tensor]:
        return (self.network(points).points,)


def program(model: CompletionModel, config: CompletionNet) -> Program:
    """Completions of clouds of about as many points as the model learned from."""
    points = torch.rand(2, config.input_points, 3)
    return Program(Completed(model), {"points": points}, ("completed",))
