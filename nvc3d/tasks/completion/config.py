"""The hyper-parameters of completion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Encoder: TypeAlias = Literal["pointnet", "dgcnn"]


@dataclass(frozen=True)
class CompletionConfig:
    """Data and model of a completion run; the defaults train in four minutes on two cores."""

    data: str | None = None
    """Folder of meshes, clouds or voxel grids, or of PCN, Completion3D, MVP or ShapeNet-55 in their
    own layouts; None for the built-in shapes."""
    holdout: float = 0.1
    """Fraction of a folder's shapes kept out of training, to measure on; 1: all. A data set that
    comes with a split keeps its own."""
    seed: int = 0
    """Of the split, the built-in shapes, the views and the points drawn from them."""
    shapes: int = 2000
    """How many built-in shapes to train on."""
    views: int = 4
    """Views of each training shape in an epoch."""
    noise: float = 0.0
    """Standard deviation of the camera's depth, in the units of a shape of radius 1."""
    input_points: int = 512
    """Points of a partial cloud, as the encoder sees it."""
    points: int = 2048
    """Points of a completed cloud, those of the partial one among them."""
    coarse: int = 256
    """Points predicted from the code alone."""
    seeds: int = 512
    """Places around which points are laid; divides `points - input_points`."""
    encoder: Encoder = "pointnet"
    dim: int = 256
    """Size of the encoder's global feature."""
    latent_dim: int = 128
    """Size of the code."""
    anchors: int = 24
    """Number of nebula anchors."""
    nebula_weight: float = 0.02
    """Weight of the nebula beside the Chamfer distance; 1 shapes the code most."""
    hidden: int = 128
    """Width of the layers that lay the fine points."""

    def __post_init__(self) -> None:
        if self.encoder not in get_args(Encoder):
            raise ValueError(f"encoder must be one of {get_args(Encoder)}, got {self.encoder!r}")
        for name in (
            *("shapes", "views", "input_points", "points", "coarse", "seeds"),
            *("dim", "latent_dim", "anchors", "hidden"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        laid = self.points - self.input_points
        if laid < 1 or laid % self.seeds or self.seeds > self.input_points + self.coarse:
            raise ValueError(
                f"seeds must divide points - input_points ({laid}) and be at most "
                f"input_points + coarse ({self.input_points + self.coarse}), got {self.seeds}"
            )
        for name in ("noise", "nebula_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and >= 0, got {getattr(self, name)}")
        if not 0 < self.holdout <= 1:
            raise ValueError(f"holdout must be above 0 and at most 1, got {self.holdout}")
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0, got {self.seed}")
