"""The nebula as the paper's text has it and as its authors' released code has it, verbatim."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import torch
from torch import Tensor

from . import gaussian
from .code import Code
from .gather import Processes
from .meeting import Meeting
from .nebula import Gravity, Nebula


class VerbatimNebula(Nebula):
    """A nebula of which nothing is done for it: its anchors act from the first step and are never
    fitted, the draw is assigned, and its losses stand as they are. Warns once it loses its anchors.

    Args as those of a Nebula; `warmup_steps` changes nothing, and `scale` is 1 unless given.
    """

    _hint = ', gravity="newton" is the stable form'

    def __init__(
        self,
        dim: int = 128,
        num_anchors: int = 30,
        latent_dim: int | None = None,
        gravity: Gravity | None = None,
        weight: float = 1.0,
        warmup_steps: int | None = None,
        *,
        scale: float | None = None,
        **others: Any,
    ) -> None:
        gravity = self.gravity if gravity is None else gravity
        scale = 1.0 if scale is None else scale
        super().__init__(
            dim, num_anchors, latent_dim, gravity, weight, warmup_steps, scale=scale, **others
        )
        self.awake.fill_(1)
        self._warned = False

    def _judged(self, z: Tensor, mean: Tensor) -> Tensor:
        return z

    def _constraint(
        self, code: Code, anchors: Tensor, scale: Tensor, awake: Tensor, company: Processes
    ) -> tuple[Tensor, Tensor, Tensor]:
        kl, pull = self._terms(code, anchors, company)
        return kl, pull, scale * (self.kl_weight * kl + self.gravity_weight * pull)

    def _terms(self, code: Code, anchors: Tensor, company: Processes) -> tuple[Tensor, Tensor]:
        """The constraint and the gravity, both ()."""
        raise NotImplementedError

    def _move(self, step: int, log_variance: Tensor, met: Meeting | None) -> None:
        """Only look, now and then, whether the anchors are still there."""
        steps = step + 1
        if self._warned or steps < 256 or steps & (steps - 1):
            return
        used = self.diagnostics().used
        if used > self.num_anchors // 4 and bool(self.anchors.isfinite().all()):
            return
        self._warned = True
        warnings.warn(
            f'gravity="{self.gravity}" has diverged: {used} of {self.num_anchors} anchors are '
            'used; gravity="newton" keeps them alive',
            stacklevel=2,
        )

    def _catch_up(self, mean: Tensor) -> None:
        """Nothing: k-means has no part in it."""


class PaperNebula(VerbatimNebula):
    """The paper's text: KL(q || N(own anchor, I)), and the sum over pairs of anchors i < j of
    -M_i M_j log d_ij, with d the squared distance.

    M_i is 1 + the sum over the latents of anchor i of their squared distance to it. Negative
    without bound once anchors are more than 1 apart, and infinite where two coincide.
    """

    gravity: ClassVar[Gravity] = "paper"

    def _terms(self, code: Code, anchors: Tensor, company: Processes) -> tuple[Tensor, Tensor]:
        own = code.distances.gather(1, code.anchor[:, None]).squeeze(1)  # (B,)
        sums = torch.zeros_like(anchors[:, 0]).index_add(0, code.anchor, own)
        mass = 1 + company.all_sum(sums)  # (M,)
        first, second = torch.triu_indices(len(anchors), len(anchors), 1, device=anchors.device)
        apart = (anchors[first] - anchors[second]).square().sum(1)  # (M (M - 1) / 2,)
        kl = gaussian.kl_to(code.mean - anchors[code.anchor], code.log_variance)
        return company.mean(kl), -(mass[first] * mass[second] * apart.log()).sum()


class NearestNebula(VerbatimNebula):
    """The authors' released code: KL(q || N(0, I)), and the mean squared distance of the latents to
    their anchors."""

    gravity: ClassVar[Gravity] = "nearest"

    def _terms(self, code: Code, anchors: Tensor, company: Processes) -> tuple[Tensor, Tensor]:
        own = code.distances.gather(1, code.anchor[:, None]).squeeze(1)  # (B,)
        kl = gaussian.kl_to(code.mean, code.log_variance)
        return company.mean(kl), company.mean(own)


FORMS: dict[Gravity, type[VerbatimNebula]] = {
    form.gravity: form for form in (PaperNebula, NearestNebula)
}
"""By the name of their gravity."""
