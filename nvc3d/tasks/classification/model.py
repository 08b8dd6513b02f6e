"""From points to a code, from the code to a score for each category."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nvc3d.encoders import make
from nvc3d.encoders.layers import check_points
from nvc3d.geometry.principal import WAYS, principal_frames
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.classification.config import ClassificationNet
from nvc3d.tasks.task import evaluating
from nvc3d.tasks.vocabulary import Vocabulary

DECODED = 256
"""Points of a decoded cloud."""
DROPOUT = 0.3


class Classification(NamedTuple):
    """What is known of a batch of clouds; there is no decoded cloud without `reconstruct`."""

    scores: Tensor  # (B, categories)
    code: Code
    decoded: Tensor | None  # (B, 256, 3)
    seen: Tensor  # (B, N, 3): the clouds as the encoder saw them, in the first of several ways


class ClassificationModel(nn.Module):
    """Classify clouds (B, N, 3) in the unit ball: an encoder, a bottleneck, and two layers.

    Where sizes tell something, that of each cloud (B,) is asked for: how many metres the radius of
    its unit ball is.

    Along principal axes, a cloud is seen in one of the four ways that these leave open while it is
    learned from, and its feature is the mean over all four in evaluation: the same however the
    cloud is turned.

    Raises ValueError on a wrong shape or dtype, and on NaN or inf.
    """

    def __init__(self, config: ClassificationNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.principal = config.axes == "principal" or (
            config.axes == "auto" and vocabulary.principal
        )
        self.sizes = vocabulary.sizes if config.size else None
        self.size = None if self.sizes is None else nn.Linear(1, config.dim)
        self.encoder = make(config.encoder, 3, config.dim, pointwise=False)
        self.bottleneck: Bottleneck = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        code_dim = self.bottleneck.embedding_dim
        self.hidden = nn.Sequential(
            nn.Linear(code_dim, config.hidden), nn.ReLU(), nn.Dropout(DROPOUT)
        )
        self.vocabulary = vocabulary
        self.few_labels = config.labelled < 1
        self.scores = nn.Linear(config.hidden, len(vocabulary.groups))
        self.reconstruct = config.reconstruct
        self.decoder = decoder(code_dim) if config.reconstruct > 0 else None

    def forward(self, points: Tensor, size: Tensor | None = None) -> Classification:
        ways = self._ways(points)  # (W, B, N, 3)
        feature = self.encoder(ways.flatten(0, 1))[0].unflatten(0, ways.shape[:2]).mean(0)
        if self.size is not None:
            feature = feature + self.size(self._told(size, points.shape[0]).to(feature))
        code = self.bottleneck(feature)
        scores = self.scores(self.hidden(code.embedding))
        decoded = None if self.decoder is None else self.decoder(code.embedding)
        return Classification(scores, code, decoded, ways[0])

    def _told(self, size: Tensor | None, count: int) -> Tensor:
        """Sizes (B,) as numbers (B, 1) about 0."""
        looked_at = not torch.compiler.is_compiling()
        if size is None or size.shape != (count,) or (looked_at and not bool((size > 0).all())):
            got = "none" if size is None else f"{tuple(size.shape)}: {size.tolist()}"
            raise ValueError(f"this model asks for the size ({count},) in metres, got {got}")
        assert self.sizes is not None
        low, high = self.sizes
        return (size / math.sqrt(low * high)).log()[:, None]

    def _ways(self, points: Tensor) -> Tensor:
        """The clouds (B, N, 3) in the ways in which they are to be seen, (W, B, N, 3)."""
        if not self.principal:
            return points[None]
        check_points(points, 3, at_least=1)
        ways = principal_frames(points)
        if self.training:
            way = torch.randint(len(WAYS), points.shape[:1], device=points.device)
            ways = ways[way, torch.arange(len(points), device=points.device)][None]
        return ways

    def generate(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """New clouds (count, 256, 3), decoded from codes that the bottleneck draws.

        Raises ValueError where no clouds are decoded, and of a plain code.
        """
        if self.decoder is None:
            raise ValueError("the model decodes no clouds: train it with --reconstruct, 100 say")
        with evaluating(self):
            clouds: Tensor = self.decoder(self.bottleneck.sample_prior(count, generator))
        return clouds

    @property
    def categories(self) -> tuple[str, ...]:
        """Of the scores."""
        return self.vocabulary.groups


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
