"""What is exported of a model that labels points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nvc3d.tasks.segmentation.config import SegmentationNet
from nvc3d.tasks.segmentation.model import SegmentationModel
from nvc3d.tasks.task import Program


class Segmented(nn.Module):
    """From clouds (B, N, 3), with their features (B, N, C) where the model asks for some, and their
    categories (B,) where it knows any, to the probabilities of labels (B, N, labels), 0 for those
    that the category does not have."""

    allowed: Tensor  # (categories, labels) bool

    def __init__(self, network: SegmentationModel) -> None:
        super().__init__()
        self.network = network
        known = network.vocabulary.of_group
        allowed = torch.zeros(len(known), len(network.vocabulary.labels), dtype=torch.bool)
        for row, labels in zip(allowed, known.values(), strict=True):
            row[list(labels)] = True
        self.register_buffer("allowed", allowed)

    def forward(self, points: Tensor, *told: Tensor) -> tuple[Tensor]:
        features = told[0] if self.network.channels else None
        category = told[-1] if self.network.categories else None
        scores = self.network(points, features, category).scores
        if category is not None:
            scores = scores.masked_fill(~self.allowed[category][:, None], -torch.inf)
        return (scores.softmax(-1),)


def program(model: SegmentationModel, config: SegmentationNet) -> Program:
    """Probabilities of the labels of clouds, or of blocks of scenes as the model sees them."""
    inputs = {"points": torch.rand(2, config.points, 3)}
    if model.channels:
        inputs["features"] = torch.rand(2, config.points, model.channels)
    if model.categories:
        inputs["category"] = torch.zeros(2, dtype=torch.int64)
    return Program(Segmented(model), inputs, ("probabilities",), ("points", "features"))
