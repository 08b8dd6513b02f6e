"""The Gaussian head: the posterior of a latent, its constraint, and the scale of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from . import gather, gaussian, meeting, recall, refusals, task_scale
from .code import Code, Losses, Views
from .gather import ALONE, Processes
from .meeting import Meeting
from .rhythm import FIRST, Steps
from .state import Wide, upgrade
from .untraced import untraced


class GaussianHead(Wide):
    """The head of a variational autoencoder, between any encoder and any decoder or classifier.

        code = head(encoder(x))
        loss = task_loss(decoder(code.embedding), x) + head.losses(code).total

    The total is `weight * scale * KL(q(z|x) || N(0, I))`. The user sets the `weight`. The `scale`
    is that of the task's loss, whatever its unit, measured from the task's gradient at the latents
    where none is given; the first step, before which nothing is measured, goes without. The
    `loss_scale` is what the user multiplied the whole loss by (in mixed precision, or to accumulate
    gradients); it is divided out of the measurement.

    The order that this needs: the backward pass of the total writes `loss_scale`, then that of the
    draw of z reads it. In one backward pass of the whole loss, autograd keeps it. With backward
    passes apart, take that of the total first; else a loss scale that changes is known one step
    late.

    In evaluation the head is deterministic, does not change, and waits for no other process.

    Args:
        dim: length of the features.
        latent_dim: length of the latents, D; None: dim.
        weight: of the total beside the task's loss.
        scale: of the task's loss; None: measured.

    Raises ValueError on arguments out of range.
    """

    answers: int | None = None
    """How many different codes `alternatives` can give; None: any number."""

    _hint = ""
    """What is said to those whose weights have diverged."""

    scale: Tensor  # ()
    moments: Tensor  # (2,) of the task's gradient
    loss_scale: Tensor  # ()
    rhythm: Steps

    def __init__(
        self,
        dim: int = 128,
        latent_dim: int | None = None,
        weight: float = 1.0,
        *,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        latent_dim = dim if latent_dim is None else latent_dim
        refusals.check_counts(dim=dim, latent_dim=latent_dim)
        refusals.check_weights(weight=weight, scale=1.0 if scale is None else scale)
        self.dim, self.latent_dim, self.weight = dim, latent_dim, weight
        self.posterior = nn.Linear(dim, 2 * latent_dim)
        self._measures = scale is None
        self.register_buffer("scale", torch.tensor(1.0 if scale is None else float(scale)))
        self.register_buffer("moments", torch.zeros(2))
        self.register_buffer("loss_scale", torch.ones(()))
        self.rhythm = Steps()
        self._group: Processes | None = None
        # Of the training step under way alone.
        self._meeting: Meeting | None = None
        self._noted: Tensor | None = None
        self._passes = recall.Passes()
        self._recalled: recall.Pass | None = None

    @property
    def embedding_dim(self) -> int:
        """Length of `Code.embedding`."""
        return self.latent_dim

    @property
    def process_group(self) -> Any:
        """The process group of those that train together; None: that of the
        DistributedDataParallel around the forward pass, or else that of all processes."""
        return None if self._group is None else self._group.group

    @process_group.setter
    def process_group(self, group: Any) -> None:
        self._group = None if group is None else Processes.of(group)

    def forward(self, features: Tensor) -> Code:
        """The code of features (..., dim); half precision is computed in float32.

        In training it also takes note of the step. Raises ValueError on features of another shape
        or dtype, none at all, on NaN or inf, and on such large ones that their losses would
        overflow. Where several processes train together one of them may have none, and what one
        refuses is refused by all.
        """
        together = self.training and gather.is_distributed()
        refusal = refusals.of_kind(features, self.dim)
        if not together:
            refusal = refusal or refusals.of_none(features)
            if refusal is not None:
                raise refusal
        with torch.autocast(features.device.type, enabled=False):
            raw = self._raw(features) if refusal is None else self.moments.new_zeros(0)
            if together:
                self._meet(features, raw, refusal)
            elif not torch.compiler.is_compiling():
                self._check_size(features, raw)
            then = None
            if self.training:
                noise = torch.randn_like(raw[..., : self.latent_dim])
                moments, rows = self._measure(together)
                mean, log_variance, z = gaussian.draw(raw, noise, moments, self.loss_scale, rows)
                then = self._tend(mean.detach(), log_variance.detach())
            else:
                mean, log_variance = gaussian.split(raw)
                z = mean
                if not torch.compiler.is_compiling():
                    self._catch_up(mean.flatten(0, -2))
            return self._code(z, mean, log_variance, features.dtype, then)

    def losses(self, code: Code, view: Code | None = None) -> Losses:
        """The losses of a code, in float32; in a distributed run, those of the joined batch.

        In evaluation they are those of the code alone. `view` is the code of a second, augmented
        view of the same samples, in the same order: all is asked of both, and it must choose the
        same anchors.
        """
        with torch.autocast(code.z.device.type, enabled=False):
            then = self._recalled if self.training else None
            if view is None:
                return self._losses(code.flat(), None, then)
            views = code.flat(), view.flat()
            return self._losses(Code.joined(views), (views[0].distances, views[1].distances), then)

    @torch.no_grad()
    def alternatives(
        self, features: Tensor, count: int, generator: torch.Generator | None = None
    ) -> Code:
        """Several plausible codes (count, ...) of the same features (..., dim), to be decoded.

        The first is that of the posterior's mean, the others are drawn. Nothing changes. Raises
        ValueError as `forward` does, and on a count below 1.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"count must be an integer of at least 1, got {count!r}")
        refusal = refusals.of_kind(features, self.dim) or refusals.of_none(features)
        if refusal is not None:
            raise refusal
        with torch.autocast(features.device.type, enabled=False):
            raw = self._raw(features)
            self._check_size(features, raw)
            mean, log_variance = gaussian.split(raw)
            if not self.training:
                self._catch_up(mean.flatten(0, -2))
            drawn = gaussian.around(self._centres(mean, count - 1), log_variance, generator)
            z = torch.cat([mean[None], drawn])  # (count, ..., D)
            return self._code(z, z, log_variance.expand_as(z), features.dtype)

    @torch.no_grad()
    def sample_prior(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Embeddings (count, embedding_dim) of new latents, drawn from what the constraint draws
        posteriors to, N(0, I); to be decoded. Raises ValueError on a count below 0."""
        return self._noise(count, generator)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """As that of any module; a state that is refused changes nothing."""
        before = {name: value.clone() for name, value in self.state_dict().items()}
        try:
            return super().load_state_dict(state_dict, strict, assign)
        except RuntimeError:
            super().load_state_dict(before, True, assign)
            raise

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        upgrade(state_dict, prefix)
        own = self.state_dict(prefix=prefix)
        fits = {name: getattr(state_dict.get(name), "shape", None) for name in own}
        # Of a state that is not of such a head nothing is taken; torch names what does not fit.
        refused = [n for n, shape in fits.items() if n in state_dict and shape != own[n].shape]
        if refused:
            state_dict.update((name, own[name]) for name in own if name not in refused)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def extra_repr(self) -> str:
        """The arguments that matter, for repr."""
        return f"dim={self.dim}, latent_dim={self.latent_dim}, weight={self.weight}"

    # --- what a head with more to it does otherwise -----------------------------------------------

    def _code(
        self,
        z: Tensor,
        mean: Tensor,
        log_variance: Tensor,
        dtype: torch.dtype,
        then: recall.Pass | None = None,
    ) -> Code:
        """The code of latents; with the values of an earlier pass, if that is repeated."""
        return Code.unanchored(z, mean, log_variance, dtype)

    def _losses(self, code: Code, views: Views | None, then: recall.Pass | None) -> Losses:
        """The losses of a flat code, that of both views where there are two."""
        kl, total = gaussian.constraint(
            code.mean, code.log_variance, self._weight(code, then), self._noting(), self._company()
        )
        none = kl.new_zeros(())
        return Losses(kl, none, none, none, total)

    def _values(self) -> dict[str, Tensor]:
        """What a pass computes with and later ones may change."""
        return {"scale": self._scale()}

    def _state(self) -> list[float]:
        """What must be the same in all processes, the step first."""
        return [*self.rhythm.numbers()]

    def _advance(self, step: int, mean: Tensor, log_variance: Tensor, met: Meeting | None) -> None:
        """Take a step of training, of flat posteriors (B, D)."""
        if self._measures and task_scale.is_due(step):
            self.scale.copy_(task_scale.measured(self.moments, self.scale))

    def _catch_up(self, mean: Tensor) -> None:
        """What is left to do on the first latents (B, D) in evaluation."""

    def _centres(self, mean: Tensor, count: int) -> Tensor:
        """Around what further latents (count, ..., D) than the means (..., D) are drawn."""
        return mean.expand(count, *mean.shape)

    def _noise(self, count: int, generator: torch.Generator | None) -> Tensor:
        """Numbers (count, D) drawn from N(0, 1)."""
        if count < 0:
            raise ValueError(f"count must be at least 0, got {count}")
        device = self.moments.device if generator is None else generator.device
        noise = torch.randn(count, self.latent_dim, generator=generator, device=device)
        return noise.to(self.posterior.weight)

    # --- the scale --------------------------------------------------------------------------------

    def _weight(self, code: Code, then: recall.Pass | None) -> Tensor:
        """What the constraint is multiplied by, ()."""
        scale = self._scale() if then is None else then.values["scale"]
        return self.weight * scale.to(code.mean.dtype)

    def _scale(self) -> Tensor:
        """The scale of the pass under way, ()."""
        if not (self._measures and self.training):
            return self.scale
        # Nothing is measured before the first step, and a guess may outweigh the task manyfold.
        return self.scale * (self.rhythm.counts[0] != FIRST)

    def _noting(self) -> Tensor | None:
        """Where the backward pass of the total writes the loss scale."""
        return self.loss_scale if self.training and self._measures else None

    def _measure(self, together: bool) -> tuple[Tensor | None, Tensor | None]:
        """Where the task's gradient is measured into, and of how many rows its loss is the mean."""
        if not self._measures:
            return None, None
        if not together or self._meeting is None:
            return self.moments, None
        # Not into a buffer, which DistributedDataParallel may overwrite before all are asked.
        met, noted = self._meeting, self._noted
        rows = self.loss_scale.new_tensor(met.total / met.processes.count)
        return noted, rows

    # --- steps of training ------------------------------------------------------------------------

    # What is decided depends on values: it runs as Python beside a compiled graph.
    @untraced
    @torch.no_grad()
    def _tend(self, mean: Tensor, log_variance: Tensor) -> recall.Pass | None:
        """Take a training step of posteriors (..., D).

        Changes nothing where the step is only repeated; gives what it was computed with then.
        """
        mean, log_variance = mean.flatten(0, -2), log_variance.flatten(0, -2)
        if recall.is_repeated():
            self._recalled = self._passes.find(mean)
            return self._recalled
        self._recalled = None
        learned = [*self.parameters()]
        self._passes.begin(self._values(), learned)
        self.rhythm.step = step = self.rhythm.step + 1
        met = self._meeting if gather.is_distributed() else None
        self._advance(step, mean, log_variance, met)
        self._passes.end(mean, learned)
        return None

    @untraced
    @torch.no_grad()
    def _meet(self, features: Tensor, raw: Tensor, refusal: ValueError | None) -> None:
        """Ask all processes for their batch, so that they go on together, or none does.

        Raises what is wrong with this one's batch, and what `meeting.agreed` raises.
        """
        if recall.is_repeated():
            return
        company = self._group or Processes.of(gather.surrounding_group())
        if self._noted is None or self._noted.device != self.moments.device:
            self._noted = task_scale.pending(self.moments)
        rows = raw.numel() // (2 * self.latent_dim)
        size = raw.abs().max() if rows else self.moments.new_zeros(())
        answers, notes = meeting.ask(
            company, rows, refusal is not None, size, self._state(), self._noted
        )
        if refusal is not None:
            raise refusal
        self._check_size(features, raw, answers[company.rank].size)
        limit = refusals.limit(raw, self.posterior.weight)
        self._meeting = meeting.agreed(company, answers, limit)
        task_scale.settle(self.moments, notes)
        self._noted = task_scale.pending(self.moments)

    def _company(self) -> Processes:
        """Those whose joined batch the losses are of."""
        if not self.training or not gather.is_distributed():
            return ALONE
        if self._meeting is None:
            return self._group or Processes.of(gather.surrounding_group())
        return self._meeting.processes

    # --- features ---------------------------------------------------------------------------------

    def _raw(self, features: Tensor) -> Tensor:
        """The posterior's output (..., 2 D)."""
        weight, bias = self.posterior.weight, self.posterior.bias
        wide = torch.promote_types(weight.dtype, torch.float32)
        return nn.functional.linear(features.to(wide), weight.to(wide), bias.to(wide))

    def _check_size(self, features: Tensor, raw: Tensor, size: float | None = None) -> None:
        """Raise ValueError where the posterior is larger than losses can be made of."""
        size = float(raw.detach().abs().max()) if size is None else size
        limit = refusals.limit(raw, self.posterior.weight)
        if not size <= limit:
            raise refusals.of_size(features, self.posterior, size, limit, self._hint)
