"""The hyper-parameters of classification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from nvc3d.config import Bound
from nvc3d.encoders import EncoderName
from nvc3d.geometry.augment import Turn
from nvc3d.tasks.halves import Count, DataHalf, ModelHalf, Share, Weight, Whole


@dataclass(frozen=True)
class ClassificationData(DataHalf):
    """What is classified."""

    data: str | None = None
    """Folder of meshes, clouds or voxel grids with a sub-folder for each category, or of a data set
    of categories in its own layout; files in no sub-folder are seen without a label. None for the
    built-in shapes."""
    holdout: Share = 0.1
    """Fraction of a folder's shapes kept out of training, to measure on; 1: all. A data set that
    comes with a split keeps its own."""
    shapes: Count = 2300
    """How many built-in shapes to train on."""
    augment: bool = True
    """Turn, scale and jitter the clouds of training, and leave points out of some."""
    turn: Turn = "vertical"
    """How they are turned: not at all, about z, or anyhow."""
    crop: Annotated[float, Bound("at least", 0), Bound("below", 1)] = 0.0
    """Largest part of a cloud that is cut off in training, for scans that see a part only."""
    second_view: bool = False
    """See every cloud of training twice, augmented and drawn anew; where few are labelled, both
    must choose the same anchor."""
    ask: Whole = 0
    """Name so many of the training shapes without a label, those to label first, in ask.txt of the
    run folder, by the anchors of the nebula; 0: none."""


@dataclass(frozen=True)
class ClassificationNet(ModelHalf):
    """What classifies."""

    encoder: EncoderName = "pointnet2"
    points: Count = 512
    """Points of a cloud."""
    size: bool = True
    """Tell how large a cloud is, where the data set gives metres and the sizes of the training
    shapes tell something of their categories."""
    axes: Literal["auto", "given", "principal"] = "auto"
    """Along which a cloud is seen: those of its file, or its own principal ones, whatever way it
    is turned; auto: along which a look at the training shapes tells their categories better."""
    anchors: Count = 32
    """Number of nebula anchors."""
    hidden: Count = 128
    """Width of the classifier's hidden layer."""
    labelled: Annotated[float, Bound("at least", 0), Bound("at most", 1)] = 1.0
    """Fraction of the training shapes whose label is used, of each category one at least; the
    others are seen without it. 0: none, all that is learned is learned from the clouds."""
    reconstruct: Weight = 0.0
    """Weight of the cloud decoded from the code beside the cross-entropy; 0: none is decoded."""


@dataclass(frozen=True)
class ClassificationConfig(ClassificationNet, ClassificationData):
    """Data and model of a classification run."""
