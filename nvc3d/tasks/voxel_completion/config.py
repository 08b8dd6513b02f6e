"""The hyper-parameters of voxel completion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from nvc3d.encoders.voxels import STRIDE
from nvc3d.tasks.bottleneck import Bottleneck


@dataclass(frozen=True)
class VoxelCompletionConfig:
    """Data and model of a voxel completion run."""

    data: str | None = None
    """Folder of voxel grids, meshes or clouds, or of SemanticKITTI with voxels; None for the
    built-in shapes."""
    scenes: bool = False
    """Complete the built-in rooms, with classes, instead of the built-in shapes."""
    holdout: float = 0.1
    """Fraction of a folder's grids kept out of training, to measure on; 1: all. A data set that
    comes with a split keeps its own."""
    test_last: int = 0
    """Measure on so many of a folder's grids, the last ones, instead of a fraction dealt."""
    train_first: int = 0
    """Train on so many of the others only, the first ones; 0: on all."""
    category: str | None = None
    """The only category of a folder to use; None: all."""
    seed: int = 0
    """Of the split, the built-in shapes, and the views."""
    shapes: int = 1000
    """How many built-in shapes, or rooms, to train on."""
    size: tuple[int, int, int] = (32, 32, 32)
    """Voxels along each side of a grid: multiples of 8."""
    views: int = 1
    """Views of each training grid in an epoch."""
    second_view: bool = False
    """See every grid of training from two sides in a step."""
    dim: int = 256
    """Size of the encoder's global feature."""
    width: int = 16
    """Channels of the finest level of convolutions; each coarser one has twice as many."""
    skips: bool = True
    """Show the decoder the encoder's maps beside the code."""
    bottleneck: Bottleneck = "nebula"
    """What stands between encoder and decoder: a nebula, the Gaussian code of a VAE, or a plain
    code."""
    latent_dim: int = 64
    """Size of the code."""
    anchors: int = 16
    """Number of nebula anchors."""
    nebula_weight: float = 1.0
    """Weight of the nebula beside the loss of the voxels."""

    def __post_init__(self) -> None:
        if self.bottleneck not in get_args(Bottleneck):
            raise ValueError(
                f"bottleneck must be one of {get_args(Bottleneck)}, got {self.bottleneck!r}"
            )
        for name in ("shapes", "views", "dim", "width", "latent_dim", "anchors"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("seed", "test_last", "train_first"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")
        if any(side < STRIDE or side % STRIDE for side in self.size):
            raise ValueError(f"size must be multiples of {STRIDE}, got {self.size}")
        if not 0 <= self.nebula_weight < math.inf:
            raise ValueError(f"nebula_weight must be finite and >= 0, got {self.nebula_weight}")
        if not 0 < self.holdout <= 1:
            raise ValueError(f"holdout must be above 0 and at most 1, got {self.holdout}")
        if self.scenes and self.data is not None:
            raise ValueError("scenes are built in: leave out data, or scenes")
