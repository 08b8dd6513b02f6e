"""From the voxels that are seen to a code, from the code and the voxels to the whole grid."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nvc3d.encoders import VoxelEncoder
from nvc3d.encoders.voxels import COARSEST, convolution, from_channels, to_channels
from nvc3d.geometry.voxelise import UNKNOWN
from nvc3d.nebula import Code
from nvc3d.tasks.bottleneck import Bottleneck, bottleneck
from nvc3d.tasks.task import Splits, evaluating
from nvc3d.tasks.vocabulary import Vocabulary
from nvc3d.tasks.voxel_completion.config import VoxelCompletionNet

CHANNELS = 2
"""Of a view: what is seen to be occupied, and what to be free."""


class VoxelCompletion(NamedTuple):
    """What is known of a batch of grids."""

    scores: Tensor  # (B, 1 + classes, X, Y, Z) of empty and each class; (B, 1, X, Y, Z) without
    code: Code


class VoxelCompletionModel(nn.Module):
    """Complete views (B, 2, X, Y, Z): an encoder, a bottleneck, and a decoder that sees the code
    and, level by level, the maps of the encoder.

    Scores are logits: of being occupied, or of empty and each class where there are classes.
    `mean_grid` is the share of training grids in which a voxel is occupied: the answer of a model
    that never looks.

    Raises ValueError on a wrong shape or dtype, and on NaN or inf. (Ronneberger, Fischer, Brox,
    "U-Net", MICCAI 2015; Çiçek et al., "3D U-Net", MICCAI 2016.)
    """

    mean_grid: Tensor  # (X, Y, Z)

    def __init__(self, config: VoxelCompletionNet, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.encoder = VoxelEncoder(CHANNELS, config.dim, config.width)
        self.bottleneck: Bottleneck = bottleneck(
            config.bottleneck, config.dim, config.anchors, config.latent_dim, config.nebula_weight
        )
        width, skips = config.width, config.skips
        self.skips = skips
        self.lift = nn.Sequential(
            nn.Linear(self.bottleneck.embedding_dim, 4 * width * COARSEST**3),
            nn.ReLU(),
            nn.Unflatten(1, (4 * width, COARSEST, COARSEST, COARSEST)),
        )
        self.levels = nn.ModuleList(
            [
                convolution(4 * width * (1 + skips), 2 * width),
                convolution(2 * width * (1 + skips), width),
                convolution(width * (1 + skips), 2 * width),
            ]
        )
        self.vocabulary = vocabulary
        seen = 2 * width + 8 * CHANNELS * skips
        nn.Conv3d(seen, 1, 3, padding=1)  # once drawn first: a seed keeps giving the same weights
        # A row for each class and each voxel of a block.
        self.last = nn.Conv3d(seen, 8 * (1 + len(vocabulary.labels)), 3, padding=1)
        self.register_buffer("mean_grid", torch.zeros(config.size))

    def forward(self, view: Tensor) -> VoxelCompletion:
        feature, maps = self.encoder(view)
        code = self.bottleneck(feature)
        return VoxelCompletion(self.decode(code.embedding, view, maps), code)

    def decode(self, embedding: Tensor, view: Tensor, maps: list[Tensor]) -> Tensor:
        """The scores of a code's embedding (B, E) beside a view and the encoder's maps of it."""
        x = self.lift(embedding)
        for level, seen in zip(self.levels, reversed(maps), strict=True):
            if x.shape[2:] != seen.shape[2:]:
                x = interpolate(x, seen.shape[2:], mode="nearest")
            x = level(torch.cat([x, seen], 1) if self.skips else x)
        if self.skips:
            x = torch.cat([x, to_channels(view)], 1)
        return from_channels(self.last(x))

    def alternatives(
        self, view: Tensor, count: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Scores (count, B, C, X, Y, Z) of several plausible completions, the best guess first,
        which is what `forward` gives in evaluation mode.

        A plain code has one answer. Raises ValueError as `forward` does, and on a count below 1.
        """
        return self.answers(view, count, generator)[0]

    def answers(
        self, view: Tensor, count: int, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Code]:
        """As `alternatives`, with the code of the best guess."""
        with evaluating(self):
            feature, maps = self.encoder(view)
            codes = self.bottleneck.alternatives(feature, count, generator)
            scores = torch.stack([self.decode(e, view, maps) for e in codes.embedding])
        return scores, codes.at(0)

    @property
    def classes(self) -> tuple[str, ...]:
        """Of occupied voxels; none where those are all alike."""
        return self.vocabulary.labels


def begin(model: VoxelCompletionModel, splits: Splits, seed: int) -> None:
    """Let the model know the mean training grid."""
    count = len(splits.train)
    if count:
        # A few hundred grids say where voxels are as well as all of them would.
        some = range(0, count, -(-count // 256))
        grids = [splits.train[i]["grid"] for i in some]
        model.mean_grid.copy_(torch.stack([occupied(grid).float() for grid in grids]).mean(0))


def occupied(grid: Tensor) -> Tensor:
    """Which voxels of grids (..., X, Y, Z) uint8 are occupied; unknown ones are not."""
    return (grid > 0) & (grid != UNKNOWN)


def filled(scores: Tensor, view: Tensor) -> Tensor:
    """The class (B, X, Y, Z) of each voxel by its scores, 0 for empty.

    What the view (B, 2, X, Y, Z) tells stands: what is seen is occupied, by its best class, and
    what is free is empty.
    """
    seen, free = view[:, 0] > 0.5, view[:, 1] > 0.5
    if scores.shape[1] == 1:
        answer = (scores[:, 0] > 0).long()
        return answer.masked_fill(seen, 1).masked_fill(free, 0)
    best = scores[:, 1:].argmax(1) + 1
    answer = torch.where(seen, best, scores.argmax(1))
    return answer.masked_fill(free, 0)
