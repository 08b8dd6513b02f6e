"""The hyper-parameters of hand pose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from nvc3d.config import Bound
from nvc3d.encoders import EncoderName
from nvc3d.tasks.halves import Count, DataHalf, ModelHalf, Share

Part: TypeAlias = Annotated[float, Bound("at least", 0), Bound("at most", 1)]
NebulaForm: TypeAlias = Literal["bottleneck", "side", "exemplars"]


@dataclass(frozen=True)
class HandPoseData(DataHalf):
    """Whose hands they are, and what else the camera sees."""

    data: str | None = None
    """Folder of a data set of hands with depth, in its own layout; None for the built-in hands."""
    holdout: Share = 0.1
    """Fraction of a folder's frames kept out of training where it has no split of its own, to
    measure on; 1: all."""
    frames: Count = 20000
    """How many built-in hands make an epoch; after four there are others."""
    noise: Part = 0.0
    """Share of the built-in hands whose camera errs as depth cameras do."""
    arm: Part = 0.0
    """Share of those with their forearm."""
    object: Part = 0.0
    """Share of those that hold something."""
    other: Part = 0.0
    """Share of those with the other hand near."""
    augment: bool = True
    """Turn, scale, crop and thin the clouds of training."""


@dataclass(frozen=True)
class HandPoseNet(ModelHalf):
    """What tells the joints."""

    encoder: EncoderName = "pointnet2"
    points: Count = 256
    """Points of a hand, as the encoder sees it."""
    palm: bool = True
    """Look for the palm first, and tell the joints in its frame; else in that of the principal axes
    of the points."""
    votes: bool = True
    """Let every point say where it takes each joint to be; else the code alone tells them."""
    kinematic: bool = False
    """Keep the bones of each hand in the proportions of the mean hand of training."""
    nebula_form: NebulaForm = "bottleneck"
    """What a nebula does: it hands its code on; it shapes the encoder from the side, and the
    encoder's feature is handed on; or each anchor has a pose, and the code tells what differs."""
    hidden: Count = 128
    """Width of the layers that tell joints."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nebula_form != "bottleneck" and self.bottleneck != "nebula":
            raise ValueError(
                f"nebula_form {self.nebula_form} needs bottleneck nebula, got {self.bottleneck}"
            )


@dataclass(frozen=True)
class HandPoseConfig(HandPoseNet, HandPoseData):
    """Data and model of a hand pose run."""
