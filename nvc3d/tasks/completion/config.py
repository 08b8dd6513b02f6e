"""The hyper-parameters of completion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from nvc3d.tasks.bottleneck import Bottleneck

Encoder: TypeAlias = Literal["pointnet", "dgcnn"]
Difficulty: TypeAlias = Literal["simple", "moderate", "hard"]
Decoder: TypeAlias = Literal["seeds", "pcn", "folding", "upsampling"]


@dataclass(frozen=True)
class CompletionConfig:
    """Data and model of a completion run; the defaults train in four minutes on two cores."""

    data: str | None = None
    """Folder of meshes, clouds or voxel grids, or of PCN, Completion3D, MVP or ShapeNet-55 in their
    own layouts; None for the built-in shapes."""
    holdout: float = 0.1
    """Fraction of a folder's shapes kept out of training, to measure on; 1: all. A data set that
    comes with a split keeps its own."""
    difficulty: Difficulty = "moderate"
    """How much is cut away of the shapes of ShapeNet-55 that are measured on: a quarter, half or
    three quarters. Other data know no difficulty."""
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
    """Places around which points are laid, by the decoders "seeds" and "upsampling"."""
    factors: tuple[int, ...] = (1, 3)
    """Into how many points each one splits in the stages of "upsampling"; times `seeds` they are
    `points - input_points`."""
    encoder: Encoder = "pointnet"
    decoder: Decoder = "seeds"
    """How the missing points are laid: around seeds in one step, as PCN or FoldingNet do, or in
    stages of attention and upsampling, as SnowflakeNet does."""
    dim: int = 256
    """Size of the encoder's global feature."""
    bottleneck: Bottleneck = "nebula"
    """What stands between encoder and decoder: a nebula, the Gaussian code of a VAE, or a plain
    code."""
    latent_dim: int = 128
    """Size of the code."""
    anchors: int = 24
    """Number of nebula anchors."""
    nebula_weight: float = 0.02
    """Weight of the nebula beside the Chamfer distance; 1 shapes the code most."""
    hidden: int = 128
    """Width of the layers that lay the fine points."""

    def __post_init__(self) -> None:
        kinds = {
            "difficulty": Difficulty,
            "encoder": Encoder,
            "decoder": Decoder,
            "bottleneck": Bottleneck,
        }
        for name, known in kinds.items():
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"{name} must be one of {get_args(known)}, got {getattr(self, name)!r}"
                )
        for name in (
            *("shapes", "views", "input_points", "points", "coarse", "seeds"),
            *("dim", "latent_dim", "anchors", "hidden"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        if not self.factors or min(self.factors) < 1:
            raise ValueError(f"factors must be one or more numbers >= 1, got {self.factors}")
        self._check_counts()
        for name in ("noise", "nebula_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and >= 0, got {getattr(self, name)}")
        if not 0 < self.holdout <= 1:
            raise ValueError(f"holdout must be above 0 and at most 1, got {self.holdout}")
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0, got {self.seed}")

    def _check_counts(self) -> None:
        """Whether the points that are missing can be laid as the decoder lays them."""
        laid = self.points - self.input_points
        if laid < 1:
            raise ValueError(
                f"points must be more than input_points ({self.input_points}), got {self.points}"
            )
        if self.decoder in ("seeds", "upsampling") and self.seeds > self.input_points + self.coarse:
            raise ValueError(
                f"seeds must be at most input_points + coarse "
                f"({self.input_points + self.coarse}), got {self.seeds}"
            )
        if self.decoder == "seeds" and laid % self.seeds:
            raise ValueError(f"seeds must divide points - input_points ({laid}), got {self.seeds}")
        if self.decoder == "pcn" and laid % self.coarse:
            raise ValueError(
                f"coarse must divide points - input_points ({laid}), got {self.coarse}"
            )
        if self.decoder == "upsampling" and self.seeds * math.prod(self.factors) != laid:
            raise ValueError(
                f"seeds times factors must be points - input_points ({laid}), "
                f"got {self.seeds} times {self.factors}"
            )
