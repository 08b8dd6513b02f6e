"""What stands between a task's encoder and its decoder: a nebula, or what it is compared with."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from nvc3d.nebula import Code, GaussianHead, Losses, Nebula

BottleneckName: TypeAlias = Literal["nebula", "vae", "plain"]

# Of the agreement of two views, before the nebula's own scale. That takes 0.03 of the task's unit;
# so a nat of disagreement costs as much as about a nat of the task, whatever the constraint weighs.
_VIEW = 30.0


class Bottleneck(Protocol):
    """What tasks ask of a code: the three kinds, `Plain`, `GaussianHead` and `Nebula`, are used
    alike."""

    @property
    def embedding_dim(self) -> int:
        """Length of `Code.embedding`, which the decoder reads."""

    @property
    def answers(self) -> int | None:
        """How many different codes `alternatives` can give; None: any number."""

    def __call__(self, features: Tensor) -> Code:
        """The code of features (..., dim)."""

    def alternatives(
        self, features: Tensor, count: int, generator: torch.Generator | None = None
    ) -> Code:
        """Several plausible codes (count, ...) of features (..., dim), the best guess first."""

    def sample_prior(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Embeddings (count, embedding_dim) of new latents, to be decoded."""

    def losses(self, code: Code, view: Code | None = None) -> Losses:
        """What is added to the task's loss; `view` is the code of a second view of the same."""


def bottleneck(
    kind: BottleneckName, dim: int, anchors: int, latent_dim: int, weight: float
) -> Nebula | GaussianHead | Plain:
    """A nebula; the Gaussian code of a variational autoencoder; or a plain code.

    The constraint of the variational one is scaled to the task as a nebula's is.

    Args:
        kind: which of the three.
        dim: length of the features.
        anchors: how many, of a nebula.
        latent_dim: length of the code.
        weight: of the constraint and the gravity beside the task's loss; the agreement of two
            views, where `losses` is given a second, does not depend on it.
    """
    if kind == "plain":
        return Plain(dim, latent_dim)
    if kind == "vae":
        return GaussianHead(dim, latent_dim, weight)
    view_weight = _VIEW / weight if weight > 0 else 0.0
    return Nebula(dim, anchors, latent_dim, weight=weight, view_weight=view_weight)


class Plain(nn.Module):
    """A code (..., latent_dim) of features (..., dim) with no constraint on it and no anchors."""

    answers = 1

    def __init__(self, dim: int, latent_dim: int) -> None:
        super().__init__()
        self.embedding_dim = latent_dim
        self.head = nn.Linear(dim, latent_dim)

    def forward(self, features: Tensor) -> Code:
        """The code of features; what a nebula would add is empty or zero."""
        z = self.head(features)
        return Code.unanchored(z, z, torch.zeros_like(z), z.dtype)

    def alternatives(
        self, features: Tensor, count: int, generator: torch.Generator | None = None
    ) -> Code:
        """The one code that there is, (1, ...). Raises ValueError on a count above 1."""
        if count != 1:
            raise ValueError(f"a plain code gives one answer, got a count of {count}")
        return Code(*(part[None] for part in self(features)))

    def sample_prior(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Raises ValueError: nothing says how plain codes lie."""
        raise ValueError("a plain code has no prior to draw from: train a nebula or a vae")

    def losses(self, code: Code, view: Code | None = None) -> Losses:
        """Zeros."""
        return Losses(*[code.z.new_zeros(()) for _ in Losses._fields])
