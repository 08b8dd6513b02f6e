"""What a head hands out: codes, and the terms of its loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor


class Code(NamedTuple):
    """What a head makes of features (..., dim); D is latent_dim, M the number of anchors, 0 where
    there are none."""

    z: Tensor
    """The latent (..., D): drawn from the posterior in training, its mean in evaluation."""
    mean: Tensor
    """Mean of the posterior (..., D)."""
    log_variance: Tensor
    """Log variance of the posterior (..., D)."""
    anchor: Tensor
    """Number of the nearest anchor (...), int64; the lowest on ties; 0 without anchors."""
    assignment: Tensor
    """Soft assignment to the anchors (..., M): sums to 1, the nearest weighs most."""
    distances: Tensor
    """Squared distances to the anchors (..., M)."""
    embedding: Tensor
    """What a decoder or classifier is given (..., D + M): the latent, then the assignment."""

    @classmethod
    def unanchored(cls, z: Tensor, mean: Tensor, log_variance: Tensor, dtype: torch.dtype) -> Code:
        """A code without anchors, whose embedding, of that dtype, is the latent itself."""
        none = z.new_zeros(*z.shape[:-1], 0)
        nowhere = torch.zeros(z.shape[:-1], dtype=torch.int64, device=z.device)
        return cls(z, mean, log_variance, nowhere, none, none, z.to(dtype))

    @classmethod
    def joined(cls, codes: Iterable[Code]) -> Code:
        """The codes of several batches, one after the other, as those of a single one."""
        return cls(*map(torch.cat, zip(*codes, strict=True)))

    def at(self, index: int | slice | tuple[int | slice, ...]) -> Code:
        """The code of some of the features, chosen by their leading dimensions."""
        return Code(*(part[index] for part in self))

    def flat(self) -> Code:
        """The code with its leading dimensions made one: (B, D), (B,) and (B, M)."""
        if self.anchor.dim() == 1:
            return self
        return Code(*(part.flatten(0, self.anchor.dim() - 1) for part in self))


Views: TypeAlias = tuple[Tensor, Tensor]
"""The squared distances (B, M) of two views of the same samples to the anchors."""


class Losses(NamedTuple):
    """The terms of a head's loss, each without its weight, and their weighted total; all ()."""

    kl: Tensor
    """The Gaussian constraint, in nats per latent."""
    gravity: Tensor
    """The pull of anchors on their latents, and the push between anchors; 0 without anchors."""
    metric: Tensor
    """Metric learning with the anchor as the label; 0 if not asked for."""
    view: Tensor
    """Disagreement of two views of the same samples on their anchor; 0 without a second."""
    total: Tensor
    """What is added to the task's loss."""
