"""From the points that are seen to a code, from the code to the whole shape."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nvc3d.encoders import make
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.completion.config import CompletionNet
from nvc3d.tasks.completion.decoders import decoder
from nvc3d.tasks.task import Items, Splits, evaluating
from nvc3d.tasks.vocabulary import Vocabulary

POOLED = 256
"""From how many training shapes the mean shape is drawn."""


class Completion(NamedTuple):
    """A completed batch, in the coordinates of the partial clouds, and the codes it came from."""

    points: Tensor  # (B, N, 3): the partial cloud itself, then what was laid around it
    coarse: tuple[Tensor, ...]  # (B, ?, 3) each: what led to what was laid, coarsest first
    code: Code


class CompletionModel(nn.Module):
    """Complete partial clouds (B, P, 3): an encoder, a bottleneck, and a decoder.

    Works in the frame of each partial cloud, so that a cloud moved or scaled gives the completed
    cloud moved or scaled alike. `mean_shape` holds a cloud drawn from all training shapes: the
    answer that a model would give which never looks at its input.

    Raises ValueError on a wrong shape or dtype, on NaN or inf, and on clouds without extent.
    """

    mean_shape: Tensor  # (N, 3)

    def __init__(self, config: CompletionNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        pointwise = config.decoder in ("seeds", "upsampling")
        self.encoder = make(config.encoder, 3, config.dim, pointwise=pointwise)
        self.bottleneck: Bottleneck = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        self.decoder = decoder(config, self.bottleneck.embedding_dim, self.encoder.point_dim)
        self.register_buffer("mean_shape", torch.zeros(config.points, 3))

    def forward(self, partial: Tensor) -> Completion:
        points, centre, scale = to_unit_ball(partial)
        feature, point_features = self.encoder(points)
        code = self.bottleneck(feature)
        clouds = self.decoder(code.embedding, points, point_features)
        *coarse, laid = (cloud * scale + centre for cloud in clouds)
        return Completion(torch.cat([partial, laid], dim=1), tuple(coarse), code)

    def alternatives(
        self, partial: Tensor, count: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Several plausible completions (count, B, N, 3), the first of them the best guess, which
        is what `forward` gives in evaluation mode.

        A plain code has one answer. Raises ValueError as `forward` does, and on a count below 1.
        """
        return self.answers(partial, count, generator)[0]

    def answers(
        self, partial: Tensor, count: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Code]:
        """As `alternatives`, with the code of the best guess."""
        with evaluating(self):
            points, centre, scale = to_unit_ball(partial)
            feature, point_features = self.encoder(points)
            codes = self.bottleneck.alternatives(feature, count, generator)
            found = []
            for embedding in codes.embedding:
                laid = self.decoder(embedding, points, point_features)[-1]
                found.append(torch.cat([partial, laid * scale + centre], dim=1))
        return torch.stack(found), codes.at(0)


def to_unit_ball(partial: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Move and scale clouds (B, P, 3) into the unit ball around their bounding boxes' centres.

    Gives the points, the centres (B, 1, 3) and the scales (B, 1, 1). Raises ValueError on clouds
    that are empty, not finite, or one point repeated, which has no scale.
    """
    if partial.dim() != 3 or partial.shape[2] != 3 or 0 in partial.shape:
        raise ValueError(f"partial must be (B, P, 3) and not empty, got {tuple(partial.shape)}")
    if not partial.is_floating_point():
        raise ValueError(f"partial must be of a float dtype, got {partial.dtype}")
    centre = (partial.amin(1, keepdim=True) + partial.amax(1, keepdim=True)) / 2  # (B, 1, 3)
    moved = partial - centre
    scale = torch.linalg.vector_norm(moved, dim=2).amax(1)[:, None, None]  # (B, 1, 1)
    bad = ~((scale > 0) & torch.isfinite(scale)).flatten()
    if not torch.compiler.is_compiling() and bool(bad.any()):
        raise ValueError(
            "partial must be finite, and its points not all the same: "
            f"cloud {int(bad.nonzero()[0])} of {len(partial)} is not"
        )
    return moved / scale, centre, scale


def begin(model: CompletionModel, splits: Splits, seed: int) -> None:
    """Let the model know the mean training shape."""
    model.mean_shape.copy_(pooled_cloud(splits.train, len(model.mean_shape), seed))


def pooled_cloud(items: Items, count: int, seed: int) -> Tensor:
    """A cloud (count, 3) of points drawn at random from the complete clouds of `items`."""
    rng = np.random.default_rng(seed)
    size = len(items)
    # A few hundred shapes say where points are as well as all of them would.
    some = rng.choice(size, min(size, POOLED), replace=False)
    pool = torch.cat([items[int(i)]["complete"] for i in some])
    return pool[rng.choice(len(pool), count, replace=len(pool) < count)]
