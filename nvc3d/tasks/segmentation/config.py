"""The hyper-parameters of segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nvc3d.config import Bound
from nvc3d.encoders import EncoderName
from nvc3d.geometry.augment import Turn
from nvc3d.tasks.halves import Count, DataHalf, ModelHalf, Share, Weight


@dataclass(frozen=True)
class SegmentationData(DataHalf):
    """What is segmented."""

    data: str | None = None
    """Folder of a data set of parts or of scenes in its own layout, or of labelled shapes with a
    sub-folder for each category; None for the built-in shapes."""
    scenes: bool = False
    """The folder holds labelled scenes; without a folder, the built-in rooms."""
    holdout: Share = 0.1
    """Fraction of a folder's shapes or scenes kept out of training, to measure on; 1: all. A data
    set that comes with a split keeps its own."""
    shapes: Count = 2300
    """How many built-in shapes to train on, or blocks of built-in rooms, eight of each."""
    labelled: Share = 1.0
    """Fraction of the training shapes whose labels are used, of each category one at least; the
    others are seen without them. Of scenes: fraction of each area's scenes."""
    augment: bool = True
    """Turn, scale and jitter what is trained on."""
    turn: Turn | None = None
    """How it is turned: not at all, about z, or anyhow; None: about z, but ShapeNetPart, which is
    aligned, not at all."""
    second_view: bool = False
    """See everything that is trained on twice, the same points moved anew; both must choose the
    same anchors."""
    attributes: bool = True
    """Let the encoder see normals of shapes, or colours of scenes, where the data has them; what is
    segmented later must have them too."""


@dataclass(frozen=True)
class SegmentationNet(ModelHalf):
    """What segments."""

    encoder: EncoderName = "pointnet2"
    points: Count = 1024
    """Points of a shape or of a block of a scene, as the encoder sees it."""
    block: Annotated[float, Bound("above", 0)] = 1.5
    """Width of a block of a scene, in the units of the scene."""
    point_codes: bool = False
    """Give every point a code of its own, instead of one to the shape: its anchors are then parts
    that nobody labelled."""
    nebula_weight: Weight = 0.1
    """Weight of the nebula beside the cross-entropy; 1 shapes the code most."""
    hidden: Count = 128
    """Width of the layers that label the points."""


@dataclass(frozen=True)
class SegmentationConfig(SegmentationNet, SegmentationData):
    """Data and model of a segmentation run."""
