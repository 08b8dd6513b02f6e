"""Anchors that follow the latents of a Gaussian head: when they wake, and where they stand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nvc3d import ops

from . import gather, gaussian, kmeans, refusals
from .diagnostics import Diagnostics, diagnose
from .head import GaussianHead
from .meeting import Meeting
from .memory import Memory
from .novelty import Novelty, novelty
from .rhythm import Rhythm

# Steps between two steps of k-means.
_STRIDE = 8
# Latents for each anchor before the anchors wake or catch up.
_LATENTS = 20


class AnchoredHead(GaussianHead):
    """A Gaussian head that remembers its latents and keeps anchors among them, by k-means.

    Whoever makes use of the anchors fades that in by `awake`.

    Args:
        dim: length of the features.
        num_anchors: how many anchors, M.
        latent_dim: length of the latents, D; None: dim.
        weight: of the total beside the task's loss.
        warmup_steps: training steps before the anchors take part; None: judged by the module.
        scale: of the task's loss; None: measured.

    Raises ValueError on arguments out of range.
    """

    anchors: nn.Parameter  # (M, D)
    awake: Tensor  # () 0 to 1
    rhythm: Rhythm

    def __init__(
        self,
        dim: int,
        num_anchors: int,
        latent_dim: int | None = None,
        weight: float = 1.0,
        warmup_steps: int | None = None,
        *,
        scale: float | None = None,
    ) -> None:
        refusals.check_counts(num_anchors=num_anchors)
        if warmup_steps is not None and (not isinstance(warmup_steps, int) or warmup_steps < 0):
            raise ValueError(f"warmup_steps must be None or at least 0, got {warmup_steps!r}")
        super().__init__(dim, latent_dim, weight, scale=scale)
        self.num_anchors, self.warmup_steps = num_anchors, warmup_steps
        self.anchors = nn.Parameter(torch.randn(num_anchors, self.latent_dim))
        self.memory = Memory(max(4096, 32 * num_anchors), self.latent_dim)
        self.register_buffer("awake", torch.zeros(()))
        self.rhythm = Rhythm()

    @torch.no_grad()
    def spread(self) -> Tensor:
        """Standard deviation (M, D) of the latents of each anchor, as last seen in training."""
        return kmeans.deviation(self._remembered(), self._wide_anchors())

    @torch.no_grad()
    def share(self) -> Tensor:
        """Share (M,) of the latents last seen in training that each anchor is the nearest of; all
        alike where none were seen."""
        latents, anchors = self._remembered(), self._wide_anchors()
        if len(latents) == 0:
            return anchors.new_full((len(anchors),), 1 / len(anchors))
        index = ops.assign_anchors(latents, anchors, check_finite=False).index
        return torch.bincount(index, minlength=len(anchors)).to(anchors) / len(latents)

    @torch.no_grad()
    def novelty(self, latents: Tensor) -> Novelty:
        """How unlike those last seen in training latents (..., D) are, the means of posteriors as
        `Code.mean` has them: by their density under Gaussians around the anchors."""
        return novelty(latents, self._remembered(), self._wide_anchors())

    @torch.no_grad()
    def diagnostics(self) -> Diagnostics:
        """How the anchors fare on the latents last seen in training."""
        return diagnose(
            self._remembered(),
            self._wide_anchors(),
            awake=float(self.awake),
            scale=float(self.scale),
            steps=self.rhythm.step + 1,
        )

    def _values(self) -> dict[str, Tensor]:
        return {**super()._values(), "anchors": self.anchors, "awake": self.awake}

    def _state(self) -> list[float]:
        return [*super()._state(), self.memory.seen, self.anchors.requires_grad]

    def _advance(self, step: int, mean: Tensor, log_variance: Tensor, met: Meeting | None) -> None:
        """Remember the latents; wake, move and fit the anchors, as is due."""
        super()._advance(step, mean, log_variance, met)
        self.memory.add(mean, met)
        self._move(step, log_variance, met)

    def _move(self, step: int, log_variance: Tensor, met: Meeting | None) -> None:
        rhythm, memory = self.rhythm, self.memory
        if rhythm.woke < 0 and self._ripe(step, log_variance, met):
            rhythm.wake()
        if step == rhythm.next_fit:
            generator = torch.Generator("cpu").manual_seed(step)
            self._take(lambda old: kmeans.fit(memory.latents(), old, generator))
            rhythm.fitted()
        elif rhythm.woke < 0:
            # Unripe latents move fast: the last few, each step.
            batch = len(log_variance) if met is None else met.total
            recent = max(4 * self.num_anchors, 2 * batch)
            self._take(lambda old: kmeans.lloyd(memory.latents(recent), old, 1)[0])
        elif step % _STRIDE == 0:
            self._take(lambda old: kmeans.lloyd(memory.latents(), old, 1)[0])
        self.awake.fill_(rhythm.awake)
        if met is not None and met.processes.count > 1:
            # Each would have to catch up by itself, and they could come to differ.
            rhythm.settled = step

    def _ripe(self, step: int, log_variance: Tensor, met: Meeting | None) -> bool:
        rhythm = self.rhythm
        if self.warmup_steps is not None:
            return step >= self.warmup_steps
        if step < rhythm.next_check or self.memory.seen < _LATENTS * self.num_anchors:
            return False
        # Old latents are of another encoder: the last ones alone tell how much these say.
        recent = self.memory.latents(_LATENTS * self.num_anchors)
        everyone = log_variance if met is None else met.rows(log_variance)
        nats = gaussian.information(recent, everyone)
        return rhythm.ripe(float(self._company().from_first(nats)))

    def _take(self, fitted: Callable[[Tensor], Tensor]) -> None:
        """Move the anchors to where they are fitted; by the first process, for all."""
        if not self.anchors.requires_grad:
            return
        company = self._company()
        if company.rank == 0:
            self.anchors.copy_(fitted(self._wide_anchors()))
        company.from_first(self.anchors.detach())

    @torch.no_grad()
    def _catch_up(self, mean: Tensor) -> None:
        """Fit the anchors to latents (B, D), the first seen after training, if they ran away.

        The last step of the optimiser may have moved them further than they are spread; before
        this forward pass nobody could know.
        """
        rhythm = self.rhythm
        if (
            len(mean) < _LATENTS * self.num_anchors
            or not self.anchors.requires_grad
            or gather.is_distributed()
            or rhythm.is_averaged()
            or rhythm.settled == rhythm.step
        ):
            return
        rhythm.settled = rhythm.step
        anchors = self._wide_anchors()
        recent = self.memory.latents(_LATENTS * self.num_anchors)
        before = ops.assign_anchors(recent, anchors, check_finite=False).squared.mean()
        distance, index = ops.assign_anchors(mean.to(anchors), anchors, check_finite=False)
        used = len(index.unique())
        # Far from all anchors, not just members of a few of them; asleep, none is read by anyone.
        ran_away = rhythm.awake < 1 or bool(distance.mean() > 1.1 * before)
        if used < 0.9 * self.num_anchors and ran_away:
            generator = torch.Generator("cpu").manual_seed(0)
            self.anchors.copy_(kmeans.fit(mean.to(anchors), anchors, generator))

    def _remembered(self) -> Tensor:
        """The latents (N, D) last seen in training; what has been counted is read anew."""
        self.rhythm.forget()
        self.memory.forget()
        return self.memory.latents()

    def _wide_anchors(self) -> Tensor:
        return self.anchors.detach().to(self.memory.rows.dtype)
