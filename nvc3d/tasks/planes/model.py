"""From points to the plane that each is on: what tells it apart, what it is of, where it lies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from nvc3d import ops
from nvc3d.encoders import make
from nvc3d.encoders.layers import check_points, shared_mlp
from nvc3d.nebula import Code, Nebula
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.planes.config import PlanesNet
from nvc3d.tasks.vocabulary import Vocabulary

NEIGHBOURS = 16
"""Of a point, by which it knows the way that the surface faces."""
CONTRAST = 4.0
"""Of colours from 0 to 1, beside metres."""
SEEN = 3 + 4
"""Numbers that the encoder sees of each point, beside those that come with it."""


class PointPlanes(NamedTuple):
    """What is known of the plane of each point of a batch."""

    embedding: Tensor  # (B, N, E): near for points on the same plane, far for others
    scores: Tensor  # (B, N, T + 1): for each type of plane, the last for no plane
    normal: Tensor  # (B, N, 3): of length 1, away from the middle of the points
    offset: Tensor  # (B, N): normal · x in metres, x from the frame's own origin
    exemplar: Tensor | None  # (B, N, 4): normal and offset in the frame, by the anchors alone
    frame: Frame
    code: Code  # (B, N, ...)


class Frame(NamedTuple):
    """Where clouds are seen from: about their middle, turned about z until most walls face x or
    y."""

    middle: Tensor  # (B, 3)
    axes: Tensor  # (B, 3, 3): columns

    def planes(self, normal: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Planes (B, N, 3) and (B, N) of the clouds as they came, in the frame; their normals away
        from the middle."""
        offset = offset - (normal * self.middle[:, None]).sum(-1)
        sign = torch.where(offset < 0, -1.0, 1.0)
        return turned(sign[..., None] * normal, self.axes), sign * offset

    def undone(self, normal: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
        """Planes of the frame, of the clouds as they came."""
        normal = turned(normal, self.axes.mT.to(normal))
        return normal, offset + (normal * self.middle[:, None].to(normal)).sum(-1)


class PlanesModel(nn.Module):
    """Tell the planes of clouds (B, N, 3) in metres, z up, which may have features (B, N, C)
    besides: an encoder, a bottleneck that gives each point a code, and layers that see the point's
    own features and its code.

    Each cloud is seen in a frame of its own, and is not scaled: a cloud that is moved or turned
    about z has the same planes, moved and turned. Which way the surface faces at each point is
    told by its neighbours.

    With exemplars every anchor of the nebula is a plane of that frame, a normal and an offset, told
    by where the anchor is; that of a point is their mean by its assignment, and what the code tells
    beside.

    Raises ValueError on a wrong shape or dtype, on empty clouds and on NaN or inf.

    (Wang et al., "PlaneAE", CVPR 2019, for the embedding; Liu et al., "ZeroPlane", CVPR 2025, for
    exemplars of normals and offsets.)
    """

    def __init__(self, config: PlanesNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary, self.channels = vocabulary, vocabulary.channels
        self.encoder = make(config.encoder, SEEN + self.channels, config.dim)
        width = self.encoder.point_dim + config.dim + SEEN + self.channels
        self.per_point = shared_mlp(width, config.dim)
        self.bottleneck: Bottleneck = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        self.told = (config.embedding, len(vocabulary.labels) + 1, 4)
        seen = config.dim + self.bottleneck.embedding_dim
        self.head = nn.Sequential(
            shared_mlp(seen, config.hidden, config.hidden),
            nn.Linear(config.hidden, sum(self.told)),
        )
        # Of where an anchor is: anchors that are fitted anew take their exemplars along.
        self.exemplars = (
            nn.Sequential(
                nn.Linear(config.latent_dim, config.hidden), nn.ReLU(), nn.Linear(config.hidden, 4)
            )
            if config.nebula_form == "exemplars" and isinstance(self.bottleneck, Nebula)
            else None
        )

    def forward(self, points: Tensor, features: Tensor | None = None) -> PointPlanes:
        check_points(points, 3, at_least=1)
        if (0 if features is None else features.shape[-1]) != self.channels:
            got = "none" if features is None else tuple(features.shape)
            raise ValueError(f"features must be (B, N, {self.channels}), got {got}")
        with torch.no_grad():
            frame, seen = look(points)
        if features is not None:
            # By how they differ: the light of a place is of no matter.
            seen = torch.cat([seen, CONTRAST * (features - features.mean(1, keepdim=True))], -1)
        feature, of_points = self.encoder(seen)
        whole = feature[:, None].expand(-1, points.shape[1], -1)
        own = self.per_point(torch.cat([of_points, whole, seen.to(whole.dtype)], -1))
        code = self.bottleneck(own)
        told = self.head(torch.cat([own, code.embedding.to(own.dtype)], -1))
        embedding, scores, plane = told.float().split(self.told, -1)
        exemplar = None
        if self.exemplars is not None:
            # Anchors that are pulled by their planes would leave the latents.
            assert isinstance(self.bottleneck, Nebula)
            planes = self.exemplars(self.bottleneck.anchors.detach().to(own.dtype))  # (M, 4)
            exemplar = (code.assignment.detach().to(planes) @ planes).float()
            # From the first step on, asleep or not: what wakes late shifts all that was learned.
            plane = plane + exemplar
        normal = normalize(plane[..., :3], dim=-1)
        return PointPlanes(
            embedding, scores, *frame.undone(normal, plane[..., 3]), exemplar, frame, code
        )


def look(points: Tensor) -> tuple[Frame, Tensor]:
    """The frames of clouds (B, N, 3), and what is seen of each point there (B, N, 7): where it is,
    the normal of its neighbours away from the middle, and how flat they are."""
    batch, count, _ = points.shape
    middle = points.mean(1)
    moved = points - middle[:, None]
    index = ops.knn(moved, moved, min(NEIGHBOURS, count)).index
    first = torch.arange(batch, device=points.device)[:, None, None] * count
    normal, variance = ops.local_planes(moved.flatten(0, 1), (index + first).flatten(0, 1))
    normal, variance = normal.view(batch, count, 3), variance.view(batch, count, 3)
    flat = 1 - (variance[..., 0] / variance[..., 1].clamp_min(1e-12)).clamp(0, 1).sqrt()
    away = (normal * moved).sum(-1, keepdim=True)
    normal = torch.where(away < 0, -normal, normal)
    # A quarter of a turn changes nothing in the fourth power of x + iy.
    x, y, z = normal.unbind(-1)
    weight = flat * (1 - z.square()).square()
    real, imaginary = x.square() - y.square(), 2 * x * y
    cosine = (weight * (real.square() - imaginary.square())).sum(1)
    sine = (weight * 2 * real * imaginary).sum(1)
    angle = torch.atan2(sine, cosine) / 4  # (B,), up to an eighth of a turn
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = [torch.stack(row, -1) for row in ((c, -s, zero), (s, c, zero), (zero, zero, one))]
    axes = torch.stack(rows, 1)
    frame = Frame(middle, axes)
    return frame, torch.cat([turned(moved, axes), turned(normal, axes), flat[..., None]], -1)


def turned(rows: Tensor, axes: Tensor) -> Tensor:
    """Rows (B, N, 3) times matrices (B, 3, 3), in full precision, where products of matrices would
    be rounded to centimetres in half."""
    return (rows[..., None] * axes[:, None]).sum(-2)
