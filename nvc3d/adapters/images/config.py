"""The hyper-parameters of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nvc3d.config import Bound
from nvc3d.tasks.halves import Count, DataHalf, ModelHalf, Share, Weight


@dataclass(frozen=True)
class ImagesData(DataHalf):
    """Which images."""

    data: str | None = None
    """Folder of IDX files (MNIST, Fashion-MNIST; packed or not), or of images with a sub-folder for
    each category; files in no sub-folder are seen without a label. None for scikit-learn's
    digits."""
    holdout: Share = 0.2
    """Fraction kept out of training, to measure on, of one IDX file and of the digits the last; 1:
    all. A set that comes with a split keeps its own."""
    size: Count | None = None
    """Pixels of a side that images are scaled to; None: what most of them have."""


@dataclass(frozen=True)
class ImagesNet(ModelHalf):
    """What makes a code of an image, and what is read from that."""

    backbone: str = "mlp"
    """What makes a feature of an image: mlp, 512-256-DIM; resnet, a small one; or the name of a
    model of torchvision, as mobilenet_v3_small."""
    dim: Count = 128
    """Size of that feature."""
    latent_dim: Count = 32
    """Size of the code."""
    anchors: Count = 30
    """Number of nebula anchors."""
    nebula_weight: Weight = 1.0
    """Weight of the nebula beside the task's loss."""
    hidden: Count = 128
    """Width of the classifier's hidden layer."""
    labelled: Annotated[float, Bound("at least", 0), Bound("at most", 1)] = 1.0
    """Fraction of the training images whose label is used, of each category one at least; the
    others are seen without it. 0: none, there is no classifier, and anchors are the categories."""
    reconstruct: Weight = 0.01
    """Weight of a nat of the image decoded from the code beside the cross-entropy of labels; 0:
    none is decoded."""


@dataclass(frozen=True)
class ImagesConfig(ImagesNet, ImagesData):
    """Data and model of a run of images."""
