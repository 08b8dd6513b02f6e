"""The hyper-parameters of classification."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from nvc3d.tasks.bottleneck import Bottleneck

Encoder: TypeAlias = Literal["pointnet", "dgcnn"]


@dataclass(frozen=True)
class ClassificationConfig:
    """Data and model of a classification run."""

    data: str | None = None
    """Folder of meshes, clouds or voxel grids with a sub-folder for each category, or of ModelNet40
    as HDF5; None for the built-in shapes."""
    holdout: float = 0.1
    """Fraction of a folder's shapes kept out of training, to measure on; 1: all. ModelNet40 keeps
    its own split."""
    seed: int = 0
    """Of the split, the built-in shapes, the choice of labels, and the points drawn."""
    shapes: int = 2300
    """How many built-in shapes to train on."""
    points: int = 512
    """Points of a cloud."""
    labelled: float = 1.0
    """Fraction of the training shapes whose label is used, of each category one at least; the
    others are seen without it."""
    augment: bool = True
    """Turn, crop, scale and jitter the clouds of training."""
    second_view: bool = False
    """See every cloud of training twice, augmented and drawn anew; where few are labelled, both
    must choose the same anchor."""
    reconstruct: float = 0.0
    """Weight of the cloud decoded from the code beside the cross-entropy; 0: none is decoded."""
    encoder: Encoder = "pointnet"
    dim: int = 256
    """Size of the encoder's global feature."""
    bottleneck: Bottleneck = "nebula"
    """What stands between encoder and classifier: a nebula, the Gaussian code of a VAE, or a plain
    code."""
    latent_dim: int = 64
    """Size of the code."""
    anchors: int = 32
    """Number of nebula anchors."""
    nebula_weight: float = 0.02
    """Weight of the nebula beside the cross-entropy; 1 shapes the code most."""
    hidden: int = 128
    """Width of the classifier's hidden layer."""

    def __post_init__(self) -> None:
        for name, kinds in (("encoder", Encoder), ("bottleneck", Bottleneck)):
            if getattr(self, name) not in get_args(kinds):
                raise ValueError(
                    f"{name} must be one of {get_args(kinds)}, got {getattr(self, name)!r}"
                )
        for name in ("shapes", "points", "dim", "latent_dim", "anchors", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("nebula_weight", "reconstruct"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and >= 0, got {getattr(self, name)}")
        for name in ("holdout", "labelled"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0, got {self.seed}")
