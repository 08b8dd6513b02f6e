"""From points to a code, from the code and each point's features to a score for each label."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from nvc3d.encoders import make
from nvc3d.encoders.layers import shared_mlp
from nvc3d.geometry.unit_ball import unit_ball
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.segmentation.config import SegmentationNet
from nvc3d.tasks.vocabulary import Vocabulary


class Segmentation(NamedTuple):
    """What is known of a batch of clouds."""

    scores: Tensor  # (B, N, labels)
    code: Code  # of the clouds (B, ...), or of the points (B, N, ...); see SegmentationModel


class SegmentationModel(nn.Module):
    """Label the points of clouds (B, N, 3), which may have features (B, N, C) besides: an encoder,
    a bottleneck, and layers that see a point's own features, the code, and the category.

    The code is one of the whole cloud, or with `point_codes` one of each point. Of shapes with
    parts, the category (B,) is asked for, and neither their place nor their size matters; blocks of
    scenes have no category, and are seen as they are.

    Raises ValueError on a wrong shape or dtype, on NaN or inf, and on a category out of range.

    (Qi, Su, Mo, Guibas, "PointNet", CVPR 2017; Wang et al., "Dynamic Graph CNN", TOG 2019.)
    """

    def __init__(self, config: SegmentationNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary, self.channels = vocabulary, vocabulary.channels
        self.encoder = make(config.encoder, 3 + vocabulary.channels, config.dim)
        # A point's own feature, told what all of them are.
        width = self.encoder.point_dim + config.dim
        self.per_point = nn.Linear(width, config.dim) if config.point_codes else None
        self.bottleneck: Bottleneck = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        seen = self.encoder.point_dim + self.bottleneck.embedding_dim + len(vocabulary.of_group)
        self.head = nn.Sequential(
            shared_mlp(seen, config.hidden, config.hidden),
            nn.Linear(config.hidden, len(vocabulary.labels)),
        )

    @property
    def categories(self) -> tuple[str, ...]:
        """Of shapes with parts; none for scenes."""
        return tuple(self.vocabulary.of_group)

    def forward(
        self, points: Tensor, features: Tensor | None = None, category: Tensor | None = None
    ) -> Segmentation:
        feature, point_features = self.encoder(self._inputs(points, features))
        batch, count, _ = points.shape
        whole = feature[:, None].expand(-1, count, -1)  # (B, N, dim)
        if self.per_point is None:
            code = self.bottleneck(feature)
            embedding = code.embedding[:, None].expand(-1, count, -1)  # (B, N, E)
        else:
            code = self.bottleneck(self.per_point(torch.cat([point_features, whole], -1)))
            embedding = code.embedding
        seen = [point_features, embedding.to(point_features.dtype)]
        if self.categories:
            seen.append(self._told(category, batch).to(seen[0])[:, None].expand(-1, count, -1))
        return Segmentation(self.head(torch.cat(seen, -1)), code)

    def _inputs(self, points: Tensor, features: Tensor | None) -> Tensor:
        if (0 if features is None else features.shape[-1]) != self.channels:
            got = "none" if features is None else tuple(features.shape)
            raise ValueError(f"features must be (B, N, {self.channels}), got {got}")
        if self.categories:
            points = in_one_frame(points)
        return points if features is None else torch.cat([points, features], -1)

    def _told(self, category: Tensor | None, batch: int) -> Tensor:
        """The category as numbers (B, categories), 0 and one 1."""
        count = len(self.categories)
        if category is None or category.shape != (batch,):
            got = "none" if category is None else tuple(category.shape)
            raise ValueError(f"category must be ({batch},), got {got}")
        told = not torch.compiler.is_compiling()
        if told and (int(category.min()) < 0 or int(category.max()) >= count):
            raise ValueError(
                f"category must be from 0 to {count - 1}, "
                f"got {int(category.min())} to {int(category.max())}"
            )
        return one_hot(category.long(), count)


def in_one_frame(points: Tensor) -> Tensor:
    """Clouds (B, N, 3), the middle of each one's bounding box at 0, its farthest point 1 away."""
    if points.dim() != 3 or 0 in points.shape:
        return points  # the encoder says what is wrong with it
    return unit_ball(points)[0]
