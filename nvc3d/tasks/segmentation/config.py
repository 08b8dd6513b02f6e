"""The hyper-parameters of segmentation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from nvc3d.tasks.bottleneck import Bottleneck

Encoder: TypeAlias = Literal["pointnet", "dgcnn"]


@dataclass(frozen=True)
class SegmentationConfig:
    """Data and model of a segmentation run."""

    data: str | None = None
    """Folder of ShapeNetPart (text or HDF5), S3DIS or ScanNet in their own layouts, or of labelled
    shapes with a sub-folder for each category; None for the built-in shapes."""
    scenes: bool = False
    """The folder holds labelled scenes; without a folder, the built-in rooms."""
    holdout: float = 0.1
    """Fraction of a folder's shapes or scenes kept out of training, to measure on; 1: all. A data
    set that comes with a split keeps its own."""
    seed: int = 0
    """Of the split, the built-in shapes, the choice of labels, and the points drawn."""
    shapes: int = 2300
    """How many built-in shapes to train on, or blocks of built-in rooms, eight of each."""
    points: int = 1024
    """Points of a shape or of a block of a scene, as the encoder sees it."""
    block: float = 1.5
    """Width of a block of a scene, in the units of the scene."""
    labelled: float = 1.0
    """Fraction of the training shapes whose labels are used, of each category one at least; the
    others are seen without them. Of scenes: fraction of each area's scenes."""
    augment: bool = True
    """Turn, scale and jitter what is trained on; ShapeNetPart, which is aligned, is not turned."""
    second_view: bool = False
    """See everything that is trained on twice, the same points moved anew; both must choose the
    same anchors."""
    attributes: bool = True
    """Let the encoder see normals of shapes, or colours of scenes, where the data has them; what is
    segmented later must have them too."""
    encoder: Encoder = "pointnet"
    dim: int = 256
    """Size of the encoder's global feature."""
    point_codes: bool = False
    """Give every point a code of its own, instead of one to the shape: its anchors are then parts
    that nobody labelled."""
    bottleneck: Bottleneck = "nebula"
    """What the features go through: a nebula, the Gaussian code of a VAE, or a plain code."""
    latent_dim: int = 64
    """Size of the code."""
    anchors: int = 24
    """Number of nebula anchors."""
    nebula_weight: float = 0.1
    """Weight of the nebula beside the cross-entropy; 1 shapes the code most."""
    hidden: int = 128
    """Width of the layers that label the points."""

    def __post_init__(self) -> None:
        for name, kinds in (("encoder", Encoder), ("bottleneck", Bottleneck)):
            if getattr(self, name) not in get_args(kinds):
                raise ValueError(
                    f"{name} must be one of {get_args(kinds)}, got {getattr(self, name)!r}"
                )
        for name in ("shapes", "points", "dim", "latent_dim", "anchors", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("holdout", "labelled"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, got {getattr(self, name)}")
        if not 0 < self.block < math.inf:
            raise ValueError(f"block must be above 0, got {self.block}")
        if not 0 <= self.nebula_weight < math.inf:
            raise ValueError(f"nebula_weight must be finite and >= 0, got {self.nebula_weight}")
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0, got {self.seed}")
