"""What is exported of a model that tells planes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d.tasks.planes.config import PlanesNet
from nvc3d.tasks.planes.model import PlanesModel
from nvc3d.tasks.task import Program


class Told(nn.Module):
    """From clouds (B, N, 3) in metres, z up, with colours (B, N, C) from 0 to 1 where the model
    asks for them, to what is known of each point's plane: the embedding that tells it apart, the
    scores of its types, and its normal and offset. Points are put together to planes outside."""

    def __init__(self, network: PlanesModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, points: Tensor, *colours: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found = self.network(points, *colours)
        return found.embedding, found.scores, found.normal, found.offset


def program(model: PlanesModel, config: PlanesNet) -> Program:
    """What is told of the points of clouds of about as many points as the model learned from."""
    inputs = {"points": torch.rand(2, config.points, 3)}
    if model.channels:
        inputs["features"] = torch.rand(2, config.points, model.channels)
    outputs = ("embedding", "scores", "normal", "offset")
    return Program(Told(model), inputs, outputs, ("points", "features"))
