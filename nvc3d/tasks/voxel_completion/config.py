"""The hyper-parameters of voxel completion."""

from __future__ import annotations

from dataclasses import dataclass

from nvc3d.encoders.voxels import STRIDE
from nvc3d.tasks.halves import Count, DataHalf, ModelHalf, Share, Weight, Whole


@dataclass(frozen=True)
class VoxelCompletionData(DataHalf):
    """What is completed."""

    data: str | None = None
    """Folder of voxel grids, meshes or clouds, or of SemanticKITTI with voxels; None for the
    built-in shapes."""
    scenes: bool = False
    """Complete the built-in rooms, with classes, instead of the built-in shapes."""
    holdout: Share = 0.1
    """Fraction of a folder's grids kept out of training, to measure on; 1: all. A data set that
    comes with a split keeps its own."""
    test_last: Whole = 0
    """Measure on so many of a folder's grids, the last ones, instead of a fraction dealt."""
    train_first: Whole = 0
    """Train on so many of the others only, the first ones; 0: on all."""
    category: str | None = None
    """The only category of a folder to use; None: all."""
    shapes: Count = 1000
    """How many built-in shapes, or rooms, to train on."""
    views: Count = 1
    """Views of each training grid in an epoch."""
    second_view: bool = False
    """See every grid of training from two sides in a step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scenes and self.data is not None:
            raise ValueError(
                "scenes are built in, and data is a folder: one of them is to be left out"
            )


@dataclass(frozen=True)
class VoxelCompletionNet(ModelHalf):
    """What completes."""

    size: tuple[int, int, int] = (32, 32, 32)
    """Voxels along each side of a grid: multiples of 8, one of them 16 or more."""
    width: Count = 16
    """Channels of the finest level of convolutions; each coarser one has twice as many."""
    skips: bool = True
    """Show the decoder the encoder's maps beside the code."""
    anchors: Count = 16
    """Number of nebula anchors."""
    nebula_weight: Weight = 1.0
    """Weight of the nebula beside the loss of the voxels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(side < STRIDE or side % STRIDE for side in self.size):
            raise ValueError(f"size must be multiples of {STRIDE}, got {self.size}")
        if max(self.size) == STRIDE:
            # The coarsest map would be one cell, whose mean and variance over a grid say nothing.
            raise ValueError(
                f"size must have a side of {2 * STRIDE} voxels or more, got {self.size}"
            )


@dataclass(frozen=True)
class VoxelCompletionConfig(VoxelCompletionNet, VoxelCompletionData):
    """Data and model of a voxel completion run."""
