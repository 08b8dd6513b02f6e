"""What is exported of a model that completes grids."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d.tasks.task import Program
from nvc3d.tasks.voxel_completion.config import VoxelCompletionNet
from nvc3d.tasks.voxel_completion.model import CHANNELS, VoxelCompletionModel, filled


class Filled(nn.Module):
    """From views (B, 2, X, Y, Z), of what is seen and of what is free, to the class (B, X, Y, Z) of
    each voxel, 0 for empty."""

    def __init__(self, network: VoxelCompletionModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, view: Tensor) -> tuple[Tensor]:
        return (filled(self.network(view).scores, view),)


def program(model: VoxelCompletionModel, config: VoxelCompletionNet) -> Program:
    """Grids of the size that the model learned from."""
    view = torch.zeros(2, CHANNELS, *config.size)
    return Program(Filled(model), {"view": view}, ("grid",))
