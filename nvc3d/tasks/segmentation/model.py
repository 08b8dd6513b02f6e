"""From points to a code, from the code and each point's features to a score for each label."""

from __future__ import annotations

import json
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from nvc3d.encoders import DGCNN, PointNet
from nvc3d.encoders.layers import shared_mlp
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import bottleneck
from nvc3d.tasks.segmentation.config import SegmentationConfig
from nvc3d.tasks.segmentation.data import Labels
from nvc3d.tasks.task import Splits


class Segmentation(NamedTuple):
    """What is known of a batch of clouds."""

    scores: Tensor  # (B, N, labels)
    code: Code  # of the clouds (B, ...), or of the points (B, N, ...); see SegmentationModel


class SegmentationModel(nn.Module):
    """Label the points of clouds (B, N, 3), which may have features (B, N, C) besides: an encoder,
    a bottleneck, and layers that see a point's own features, the code, and the category.

    The code is one of the whole cloud, or with `point_codes` one of each point. Of shapes with
    parts, the category (B,) is asked for, and neither their place nor their size matters; blocks of
    scenes have no category, and are seen as they are. It remembers what its labels are called, and
    which each category has.

    Raises ValueError on a wrong shape or dtype, on NaN or inf, and on a category out of range.

    (Qi, Su, Mo, Guibas, "PointNet", CVPR 2017; Wang et al., "Dynamic Graph CNN", TOG 2019.)
    """

    def __init__(self, config: SegmentationConfig, labels: Labels, channels: int) -> None:
        super().__init__()
        self.config = config
        self._make(labels, channels)

    def _make(self, labels: Labels, channels: int) -> None:
        """The layers, whose sizes depend on how many labels and channels there are."""
        config = self.config
        self.labels, self.channels = labels, channels
        self.encoder: PointNet | DGCNN
        if config.encoder == "pointnet":
            self.encoder = PointNet(3 + channels, config.dim, transforms=False)
        else:
            self.encoder = DGCNN(3 + channels, config.dim)
        # A point's own feature, told what all of them are.
        width = self.encoder.point_dim + config.dim
        self.per_point = nn.Linear(width, config.dim) if config.point_codes else None
        self.nebula = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        seen = self.encoder.point_dim + self.nebula.embedding_dim + len(labels.parts)
        self.head = nn.Sequential(
            shared_mlp(seen, config.hidden, config.hidden),
            nn.Linear(config.hidden, len(labels.names)),
        )

    @property
    def categories(self) -> tuple[str, ...]:
        """Of shapes with parts; none for scenes."""
        return tuple(self.labels.parts)

    def forward(
        self, points: Tensor, features: Tensor | None = None, category: Tensor | None = None
    ) -> Segmentation:
        feature, point_features = self.encoder(self._inputs(points, features))
        batch, count, _ = points.shape
        whole = feature[:, None].expand(-1, count, -1)  # (B, N, dim)
        if self.per_point is None:
            code = self.nebula(feature)
            embedding = code.embedding[:, None].expand(-1, count, -1)  # (B, N, E)
        else:
            code = self.nebula(self.per_point(torch.cat([point_features, whole], -1)))
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
        if int(category.min()) < 0 or int(category.max()) >= count:
            raise ValueError(
                f"category must be from 0 to {count - 1}, "
                f"got {int(category.min())} to {int(category.max())}"
            )
        return one_hot(category.long(), count)

    def get_extra_state(self) -> Tensor:
        """What labels mean, as a tensor that any checkpoint format can hold."""
        known = [self.labels.names, self.labels.parts, self.channels]
        return torch.tensor(list(json.dumps(known).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Take up what get_extra_state gave; the layers are made anew where that asks for it."""
        names, parts, channels = json.loads(bytes(state.tolist()))
        labels = Labels(tuple(names), {name: tuple(own) for name, own in parts.items()})
        if (labels, channels) != (self.labels, self.channels):
            device = next(self.parameters()).device
            self._make(labels, channels)
            self.to(device)


def in_one_frame(points: Tensor) -> Tensor:
    """Clouds (B, N, 3), the middle of each one's bounding box at 0, its farthest point 1 away."""
    if points.dim() != 3 or 0 in points.shape:
        return points  # the encoder says what is wrong with it
    low, high = points.aminmax(dim=1, keepdim=True)
    centred = points - (low / 2 + high / 2)
    radius = torch.linalg.vector_norm(centred, dim=-1).amax(1)[:, None, None]
    return centred / torch.where(radius > 0, radius, 1)


def build(config: SegmentationConfig, splits: Splits | None = None) -> SegmentationModel:
    """The model of a config, untrained; without splits, of one label until it is loaded."""
    if splits is None:
        return SegmentationModel(config, Labels(("",), {}), 0)
    features = splits.val[0].get("features")
    channels = 0 if features is None else features.shape[-1]
    return SegmentationModel(config, splits.val.labels, channels)  # type: ignore[attr-defined]
