"""The hyper-parameters of planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from nvc3d.data.planes.builtin import Which
from nvc3d.encoders import EncoderName
from nvc3d.tasks.halves import Count, DataHalf, ModelHalf, Share, Weight

NebulaForm: TypeAlias = Literal["exemplars", "bottleneck"]


@dataclass(frozen=True)
class PlanesData(DataHalf):
    """Whose planes they are."""

    data: str | None = None
    """Folder of a data set of planes in its own layout; None for the built-in interiors."""
    holdout: Share = 0.1
    """Fraction of a folder's frames kept out of training where it has no split of its own, to
    measure on; 1: all."""
    frames: Count = 4000
    """How many looks at built-in interiors make an epoch; those of the next are others."""
    sensor: Which = "both"
    """What looks at them: a depth camera, a scanner, or the two in turns."""
    noise: bool = True
    """Let the sensors err as real ones do."""
    attributes: bool = True
    """Let the encoder see the colours, where the data has them; what is asked about later must have
    them too."""
    augment: bool = True
    """Mirror and scale what is trained on, and change its colours a little."""


@dataclass(frozen=True)
class PlanesNet(ModelHalf):
    """What tells the planes."""

    encoder: EncoderName = "pointnet2"
    points: Count = 2048
    """Points of a frame, as the encoder sees it."""
    dim: Count = 128
    """Size of the encoder's global feature, and of the feature of each point that a code is made
    of."""
    latent_dim: Count = 32
    """Size of the code of each point."""
    anchors: Count = 32
    """Number of nebula anchors."""
    nebula_weight: Weight = 0.02
    """Weight of the nebula beside the task's loss; 1 shapes the code most."""
    nebula_form: NebulaForm = "exemplars"
    """What anchors are: exemplars of planes, each with a normal and an offset, from which the code
    tells what differs; or a part of the code that is handed on, no more."""
    embedding: Count = 8
    """Numbers by which a point is told apart from those on other planes."""
    hidden: Count = 128
    """Width of the layers that tell planes."""


@dataclass(frozen=True)
class PlanesConfig(PlanesNet, PlanesData):
    """Data and model of a run of planes."""
