"""From points to a code, from the code to a score for each category."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvc3d.encoders import DGCNN, PointNet
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import bottleneck
from nvc3d.tasks.classification.config import ClassificationConfig
from nvc3d.tasks.task import Splits

DECODED = 256
"""Points of a decoded cloud."""
DROPOUT = 0.3


class Classification(NamedTuple):
    """What is known of a batch of clouds; there is no decoded cloud without `reconstruct`."""

    scores: Tensor  # (B, categories)
    code: Code
    decoded: Tensor | None  # (B, 256, 3)


class ClassificationModel(nn.Module):
    """Classify clouds (B, N, 3) in the unit ball: an encoder, a bottleneck, and two layers.

    It remembers the names of its categories, those saved with the weights once they are loaded.

    Raises ValueError on a wrong shape or dtype, and on NaN or inf.
    """

    def __init__(self, config: ClassificationConfig, categories: tuple[str, ...]) -> None:
        super().__init__()
        self.encoder: PointNet | DGCNN
        if config.encoder == "pointnet":
            self.encoder = PointNet(dim=config.dim, transforms=False)
        else:
            self.encoder = DGCNN(dim=config.dim)
        self.nebula = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        code_dim = self.nebula.embedding_dim
        self.hidden = nn.Sequential(
            nn.Linear(code_dim, config.hidden), nn.ReLU(), nn.Dropout(DROPOUT)
        )
        self.categories = categories
        self.few_labels = config.labelled < 1
        self.scores = nn.Linear(config.hidden, len(categories))
        self.reconstruct = config.reconstruct
        self.decoder = decoder(code_dim) if config.reconstruct > 0 else None

    def forward(self, points: Tensor) -> Classification:
        code = self.nebula(self.encoder(points)[0])
        scores = self.scores(self.hidden(code.embedding))
        decoded = None if self.decoder is None else self.decoder(code.embedding)
        return Classification(scores, code, decoded)

    def get_extra_state(self) -> Tensor:
        """The names of the categories, as a tensor that any checkpoint format can hold."""
        return torch.tensor(list("\n".join(self.categories).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Take up what get_extra_state gave; the last layer gets as many rows."""
        self.categories = tuple(bytes(state.tolist()).decode().split("\n"))
        if self.scores.out_features != len(self.categories):
            self.scores = nn.Linear(self.scores.in_features, len(self.categories)).to(
                self.scores.weight
            )


def build(config: ClassificationConfig, splits: Splits | None = None) -> ClassificationModel:
    """The model of a config, untrained; without splits, of one category until it is loaded."""
    return ClassificationModel(config, ("",) if splits is None else splits.categories)


def decoder(code_dim: int) -> nn.Sequential:
    """From codes (B, code_dim) to clouds (B, DECODED, 3)."""
    return nn.Sequential(
        nn.Linear(code_dim, 256),
        nn.ReLU(),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Linear(256, 3 * DECODED),
        nn.Unflatten(1, (DECODED, 3)),
    )
