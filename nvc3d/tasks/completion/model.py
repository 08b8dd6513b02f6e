"""From the points that are seen to a code, from the code to the whole shape."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from nvc3d import ops
from nvc3d.encoders import DGCNN, PointNet
from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.completion.config import CompletionConfig
from nvc3d.tasks.task import Splits

POOLED = 256
"""From how many training shapes the mean shape is drawn."""
NEIGHBOURS = 8
"""Seen points that tell a seed what is around it."""


class Completion(NamedTuple):
    """A completed batch, in the coordinates of the partial clouds, and the codes it came from."""

    points: Tensor  # (B, N, 3): the partial cloud itself, then what was laid around it
    coarse: Tensor  # (B, C, 3)
    code: Code


class CompletionModel(nn.Module):
    """Complete partial clouds (B, P, 3): an encoder, a nebula, and a decoder from coarse to fine.

    Works in the frame of each partial cloud, so that a cloud moved or scaled gives the completed
    cloud moved or scaled alike. `mean_shape` holds a cloud drawn from all training shapes: the
    answer that a model would give which never looks at its input.

    Raises ValueError on a wrong shape or dtype, on NaN or inf, and on clouds without extent.
    """

    mean_shape: Tensor  # (N, 3)

    def __init__(self, config: CompletionConfig) -> None:
        super().__init__()
        self.encoder: PointNet | DGCNN
        if config.encoder == "pointnet":
            # A cloud's own orientation matters to its completion, so nothing aligns it.
            self.encoder = PointNet(dim=config.dim, transforms=False)
        else:
            self.encoder = DGCNN(dim=config.dim)
        self.nebula = Nebula(
            config.dim, config.anchors, config.latent_dim, weight=config.nebula_weight
        )
        self.decoder = Decoder(self.nebula.embedding_dim, self.encoder.point_dim, config)
        self.register_buffer("mean_shape", torch.zeros(config.points, 3))

    def forward(self, partial: Tensor) -> Completion:
        points, centre, scale = to_unit_ball(partial)
        feature, point_features = self.encoder(points)
        code = self.nebula(feature)
        fine, coarse = self.decoder(code.embedding, points, point_features)
        return Completion(fine * scale + centre, coarse * scale + centre, code)


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
    if bool(bad.any()):
        raise ValueError(
            "partial must be finite, and its points not all the same: "
            f"cloud {int(bad.nonzero()[0])} of {len(partial)} is not"
        )
    return moved / scale, centre, scale


def build(config: CompletionConfig, splits: Splits | None = None) -> CompletionModel:
    """The model of a config, untrained; with splits, it knows their mean training shape."""
    model = CompletionModel(config)
    if splits is not None:
        model.mean_shape.copy_(pooled_cloud(splits.train, config.points, config.seed))
    return model


def pooled_cloud(items: Dataset[dict[str, Any]], count: int, seed: int) -> Tensor:
    """A cloud (count, 3) of points drawn at random from the complete clouds of `items`."""
    rng = np.random.default_rng(seed)
    size = len(items)  # type: ignore[arg-type]
    # A few hundred shapes say where points are as well as all of them would.
    some = rng.choice(size, min(size, POOLED), replace=False)
    pool = torch.cat([items[int(i)]["complete"] for i in some])
    return pool[rng.choice(len(pool), count, replace=len(pool) < count)]


class Decoder(nn.Module):
    """A coarse cloud from the code alone, then a fine one around what is seen and what is coarse.

    Seeds are spread by farthest point sampling over the seen points and the coarse ones together,
    so that they follow what is seen where anything is, and the code elsewhere. Each seed then
    gives several points, from its place, the code, and the features of the seen points around it.
    They stand beside the seen points, which are kept as they are.

    Follows Yuan et al., "PCN: Point Completion Network", 3DV 2018, for coarse to fine, and Xiang
    et al., "SnowflakeNet", ICCV 2021, for seeds that join both clouds.
    """

    def __init__(self, code_dim: int, point_dim: int, config: CompletionConfig) -> None:
        super().__init__()
        self.seeds = config.seeds
        self.per_seed = (config.points - config.input_points) // config.seeds
        self.coarse = nn.Sequential(
            nn.Linear(code_dim, 512),
            nn.ReLU(),
            nn.Linear(512, 512),
            nn.ReLU(),
            nn.Linear(512, 3 * config.coarse),
        )
        hidden = config.hidden
        self.from_code = nn.Linear(code_dim, hidden)
        self.from_place = nn.Linear(3 + point_dim + 3 * NEIGHBOURS, hidden)
        self.offsets = nn.Sequential(
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 3 * self.per_seed),
        )

    def forward(
        self, embedding: Tensor, partial: Tensor, point_features: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch = len(embedding)
        coarse = self.coarse(embedding).view(batch, -1, 3).to(partial.dtype)  # (B, C, 3)
        both = torch.cat([partial, coarse], dim=1)  # (B, P + C, 3)
        picks = ops.farthest_point_sampling(both.detach(), self.seeds)  # (B, S)
        seeds = both.gather(1, picks[..., None].expand(-1, -1, 3))  # (B, S, 3)
        around = surroundings(seeds, partial, point_features)
        place = self.from_place(torch.cat([seeds, around], dim=-1))  # (B, S, H)
        offsets = self.offsets(place + self.from_code(embedding)[:, None])
        fine = seeds[:, :, None] + offsets.view(batch, self.seeds, self.per_seed, 3)
        return torch.cat([partial, fine.flatten(1, 2)], dim=1), coarse


def surroundings(at: Tensor, points: Tensor, features: Tensor) -> Tensor:
    """What is around places (B, S, 3): (B, S, C + 3 * NEIGHBOURS).

    The features (B, N, C) of the nearest points (B, N, 3), by inverse squared distance (as in Qi
    et al., "PointNet++", NIPS 2017), and where those points lie from the place, the nearest first:
    there the surface goes on.
    """
    with torch.no_grad():
        squared, index = ops.knn(at, points, min(NEIGHBOURS, points.shape[1]))  # (B, S, K)
    weight = 1 / (squared + 1e-8)
    weight = (weight / weight.sum(-1, keepdim=True)).to(features.dtype)
    batch = torch.arange(len(index), device=index.device)[:, None, None]
    around = (features[batch, index] * weight[..., None]).sum(2)  # (B, S, C)
    # Points of a scan lie about a tenth of its size apart: layers learn best from inputs near 1.
    offsets = 10 * (points[batch, index] - at[:, :, None])  # (B, S, K, 3)
    missing = NEIGHBOURS - offsets.shape[2]
    offsets = torch.cat([offsets, offsets[:, :, -1:].expand(-1, -1, missing, -1)], dim=2)
    return torch.cat([around, offsets.flatten(2)], dim=-1)
