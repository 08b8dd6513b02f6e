"""The hyper-parameters of completion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nvc3d.encoders import EncoderName
from nvc3d.tasks.halves import Count, DataHalf, ModelHalf, Share, Weight

Difficulty: TypeAlias = Literal["simple", "moderate", "hard"]
Decoder: TypeAlias = Literal["seeds", "pcn", "folding", "upsampling"]


@dataclass(frozen=True)
class CompletionData(DataHalf):
    """What is completed."""

    data: str | None = None
    """Folder of meshes, clouds or voxel grids, or of a data set of completion in its own layout;
    None for the built-in shapes."""
    holdout: Share = 0.1
    """Fraction of a folder's shapes kept out of training, to measure on; 1: all. A data set that
    comes with a split keeps its own."""
    difficulty: Difficulty = "moderate"
    """How much is cut away of the shapes of ShapeNet-55 that are measured on: a quarter, half or
    three quarters. Other data know no difficulty."""
    shapes: Count = 2000
    """How many built-in shapes to train on."""
    views: Count = 4
    """Views of each training shape in an epoch."""
    noise: Weight = 0.0
    """Standard deviation of the camera's depth, in the units of a shape of radius 1."""


@dataclass(frozen=True)
class CompletionNet(ModelHalf):
    """What completes; the defaults train in four minutes on two cores."""

    encoder: EncoderName = "pointnet2"
    decoder: Decoder = "seeds"
    """How the missing points are laid: around seeds in one step, as PCN or FoldingNet do, or in
    stages of attention and upsampling, as SnowflakeNet does."""
    input_points: Count = 512
    """Points of a partial cloud, as the encoder sees it."""
    points: Count = 2048
    """Points of a completed cloud, those of the partial one among them."""
    coarse: Count = 256
    """Points predicted from the code alone."""
    seeds: Count = 512
    """Places around which points are laid, by the decoders "seeds" and "upsampling"."""
    factors: tuple[Count, ...] = (1, 3)
    """Into how many points each one splits in the stages of "upsampling"; times `seeds` they are
    `points - input_points`."""
    latent_dim: Count = 128
    """Size of the code."""
    hidden: Count = 128
    """Width of the layers that lay the fine points."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.factors:
            raise ValueError("factors must be one or more numbers, got none")
        self._check_counts()

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
        name, step = {
            "seeds": ("seeds", self.seeds),
            "pcn": ("coarse", self.coarse),
            "upsampling": ("seeds times factors", self.seeds * math.prod(self.factors)),
            "folding": ("", 1),
        }[self.decoder]
        # By upsampling every seed becomes as many points as the factors say, so one size fits.
        fits = laid == step if self.decoder == "upsampling" else laid % step == 0
        if not fits:
            near = [self.input_points + step]
            if self.decoder != "upsampling":
                near = [self.input_points + max(1, laid // step + i) * step for i in (0, 1)]
            raise ValueError(
                f"{name} must {'be' if self.decoder == 'upsampling' else 'divide'} points - "
                f"input_points ({self.points} - {self.input_points} = {laid}), got {step}: "
                f"{' and '.join(f'--points {n}' for n in dict.fromkeys(near))} would fit"
            )


@dataclass(frozen=True)
class CompletionConfig(CompletionNet, CompletionData):
    """Data and model of a completion run."""
