"""The nebula: posterior, anchors and their losses, as one module."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Literal, TypeVar, cast, get_args

import torch
from torch import Tensor, nn

from nvc3d import ops

from . import alternatives, gather, gravity, metric, posterior, recall, strength
from . import anchors as places
from .code import Code, Losses
from .constraint import Weights, constraint, distances_to
from .diagnostics import Diagnostics, diagnose
from .gather import ALONE, Meeting, Processes
from .memory import Memory
from .rhythm import Rhythm
from .state import Wide, upgrade

Gravity = Literal["newton", "paper", "nearest"]

# Steps between two looks at the anchors and at the task's gradient.
_STRIDE = 8

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _untraced(function: _Function) -> _Function:
    """torch.compiler.disable, put off until there is a compiler: applying it imports that, which
    takes everyone a second or more, compiled or not."""
    disabled: list[Callable[..., Any]] = []

    @wraps(function)
    def call(*args: Any) -> Any:
        if "torch._dynamo" not in sys.modules:
            return function(*args)
        if not disabled:
            disabled.append(torch.compiler.disable(function))
        return disabled[0](*args)

    return cast(_Function, call)


class Nebula(Wide):
    """A latent space with anchors, between any encoder and any decoder or classifier.

        code = nebula(encoder(x))
        loss = task_loss(decoder(code.embedding), x) + nebula.losses(code).total

    Until the latents are ripe it acts as the head of a variational autoencoder, with the
    assignment's part of the embedding zero. Then it places the anchors by k-means, fades them in,
    and fits them anew as the latents move. The total is scaled to the task's loss, whatever
    its unit, by the task's gradient at the latents: a factor before `total` changes nothing,
    use `weight`. In evaluation the module is deterministic, does not change, and waits for no other
    process. Anchors with requires_grad=False are not moved.

    After Wang, Tan, Navab, Tombari, "Self-supervised Latent Space Optimization with Nebula
    Variational Coding", TPAMI 46(3), 2024, arXiv 2506.01414; docs/nebula.md has the formulas.

    Args:
        dim: length of the features.
        num_anchors: how many anchors, M.
        latent_dim: length of the latents, D; None: dim.
        gravity: "newton" is stable; "paper" and "nearest" are the paper's text and its authors'
            released code, verbatim, with nothing of the above but the embedding.
        weight: of the total beside the task's loss.
        warmup_steps: training steps before the anchors take part; None: judged by the module.
        scale: what the total is multiplied by; None: measured from the task's gradient ("newton"),
            or 1.
        kl_weight: of the Gaussian constraint.
        gravity_weight: of the gravity.
        metric_weight: of the self-supervised metric learning.
        metric_loss: of latents (B, D) and their anchors (B,) as labels, for one any of
            pytorch-metric-learning; None: the ratio of squared distances of all triplets.
        view_weight: of the agreement of two views, where `losses` is given a second.

    Raises ValueError on arguments out of range.
    """

    anchors: nn.Parameter  # (M, D)
    offset: nn.Parameter | None  # () the metric's, before the sigmoid
    awake: Tensor  # () 0 to 1
    strength: Tensor  # ()
    moments: Tensor  # (2,) of the task's gradient
    factor: Tensor  # () of the total, in the user's loss

    def __init__(
        self,
        dim: int = 128,
        num_anchors: int = 30,
        latent_dim: int | None = None,
        gravity: Gravity = "newton",
        weight: float = 1.0,
        warmup_steps: int | None = None,
        *,
        scale: float | None = None,
        kl_weight: float = 1.0,
        gravity_weight: float = 1.0,
        metric_weight: float = 0.0,
        metric_loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        view_weight: float = 5.0,
    ) -> None:
        super().__init__()
        latent_dim = dim if latent_dim is None else latent_dim
        for name, value in [("dim", dim), ("num_anchors", num_anchors), ("latent_dim", latent_dim)]:
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
        if gravity not in get_args(Gravity):
            raise ValueError(f"gravity must be one of {get_args(Gravity)}, got {gravity!r}")
        if warmup_steps is not None and (not isinstance(warmup_steps, int) or warmup_steps < 0):
            raise ValueError(f"warmup_steps must be None or at least 0, got {warmup_steps!r}")
        newton = gravity == "newton"
        weights = {
            "weight": weight,
            "scale": 1.0 if scale is None else scale,
            "kl_weight": kl_weight,
            "gravity_weight": gravity_weight,
            "metric_weight": metric_weight,
            "view_weight": view_weight,
        }
        for name, number in weights.items():
            if not (isinstance(number, (int, float)) and 0 <= number < math.inf):
                raise ValueError(f"{name} must be a finite number of at least 0, got {number!r}")

        if metric_loss is not None and not (callable(metric_loss) and metric_weight > 0):
            raise ValueError(
                "metric_loss must be a callable and comes with a metric_weight above 0, "
                f"got {metric_loss!r} and {metric_weight!r}"
            )

        self.dim, self.num_anchors, self.latent_dim = dim, num_anchors, latent_dim
        self.gravity, self.weight, self.warmup_steps = gravity, weight, warmup_steps
        self.kl_weight, self.gravity_weight = kl_weight, gravity_weight
        self.metric_weight, self.view_weight = metric_weight, view_weight
        self._measures = newton and scale is None

        self.posterior = nn.Linear(dim, 2 * latent_dim)
        self.anchors = nn.Parameter(torch.randn(num_anchors, latent_dim))
        # Only where it is used: DistributedDataParallel refuses parameters without a gradient.
        own = metric_weight > 0 and metric_loss is None
        self.offset = nn.Parameter(torch.zeros(())) if own else None
        self.metric_loss = metric_loss
        self.memory = Memory(max(4096, 32 * num_anchors), latent_dim)
        self.register_buffer("awake", torch.tensor(0.0 if newton else 1.0))
        self.register_buffer("strength", torch.tensor(float(weights["scale"])))
        self.register_buffer("moments", torch.zeros(2))
        self.register_buffer("factor", torch.ones(()))
        self.rhythm = Rhythm()
        self._warned = False
        self._group: Processes | None = None
        # Of the training step under way alone.
        self._meeting: Meeting | None = None
        self._noted: Tensor | None = None
        self._passes = recall.Passes()
        self._recalled: recall.Pass | None = None

    @property
    def embedding_dim(self) -> int:
        """Length of `Code.embedding`: latent_dim + num_anchors."""
        return self.latent_dim + self.num_anchors

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

        In training it also remembers the latents and tends the anchors. Raises ValueError on
        features of another shape or dtype, none at all, on NaN or inf, and on such large ones that
        their losses would overflow. Where several processes train together one of them may have
        none, and what one refuses is refused by all.
        """
        together = self.training and gather.is_distributed()
        refusal = self._refusal(features)
        if not together:
            refusal = refusal or self._none(features)
            if refusal is not None:
                raise refusal
        with torch.autocast(features.device.type, enabled=False):
            raw = self._raw(features) if refusal is None else self.anchors.new_zeros(0)
            if together:
                self._meet(features, raw, refusal)
            elif not torch.compiler.is_compiling():
                self._check_size(features, raw)
            then = None
            if self.training:
                noise = torch.randn_like(raw[..., : self.latent_dim])
                moments, rows = self._measure(together)
                mean, log_variance, z = posterior.draw(raw, noise, moments, self.factor, rows)
                then = self._tend(mean.detach(), log_variance.detach())
            else:
                mean, log_variance = posterior.split(raw)
                z = mean
                if not torch.compiler.is_compiling():
                    self._catch_up(mean.flatten(0, -2))
            # The mean is the better judge: E|z - a|^2 over the posterior has the same nearest a.
            judged = mean if self.gravity == "newton" else z
            return self._code(z, mean, log_variance, judged, features.dtype, then)

    def _code(
        self,
        z: Tensor,
        mean: Tensor,
        log_variance: Tensor,
        judged: Tensor,
        dtype: torch.dtype,
        then: recall.Pass | None = None,
    ) -> Code:
        index, distances = self._place(judged, self._anchors_of(then))
        assignment = torch.softmax(-0.5 * distances, -1)
        # A copy: a second view's forward pass may change it before the backward pass.
        awake = (self if then is None else then).awake.to(z.dtype, copy=True)
        embedding = torch.cat([z, awake * assignment], -1).to(dtype)
        return Code(z, mean, log_variance, index, assignment, distances, embedding)

    def losses(self, code: Code, view: Code | None = None) -> Losses:
        """The losses of a code, in float32; in a distributed run, those of the joined batch.

        In evaluation they are those of the code alone. `view` is the code of a second, augmented
        view of the same samples, in the same order: it must choose the same anchors.
        """
        with torch.autocast(code.z.device.type, enabled=False):
            mean = code.mean.flatten(0, -2)  # (B, D)
            log_variance = code.log_variance.flatten(0, -2)  # (B, D)
            index = code.anchor.flatten()  # (B,)
            distances = code.distances.flatten(0, -2)  # (B, M)
            then = self._recalled if self.training else None
            now = self if then is None else then
            # Copies: the parameter may be fitted anew before the backward pass.
            anchors = self._anchors_of(then).to(mean.dtype, copy=True)  # (M, D)
            awake = now.awake.to(mean.dtype, copy=True)
            scale = self.weight * now.strength.to(mean.dtype)
            company = self._company()
            if self.gravity == "newton":
                factor = self.factor if self.training and self._measures else None
                weights = Weights(
                    self.kl_weight, self.gravity_weight, scale, awake, factor, company
                )
                assignment = code.assignment.flatten(0, -2)  # (B, M)
                kl, pull, total = constraint(
                    mean, log_variance, distances, anchors, assignment, index, weights
                )
            else:
                verbatim = gravity.paper if self.gravity == "paper" else gravity.nearest
                kl, pull = verbatim(mean, log_variance, distances, anchors, index, company)
                total = scale * (self.kl_weight * kl + self.gravity_weight * pull)
            scale = scale * awake
            ratio = apart = kl.new_zeros(())
            if self.metric_weight > 0:
                ratio = self._metric(mean, index, company)
                total = total + scale * self.metric_weight * ratio
            if view is not None:
                others = view.distances.flatten(0, -2)
                apart = metric.disagreement(distances, others, mean.shape[1], company)
                total = total + scale * self.view_weight * apart
        return Losses(kl, pull, ratio, apart, total)

    def _metric(self, mean: Tensor, index: Tensor, company: Processes) -> Tensor:
        if self.metric_loss is not None:
            return self.metric_loss(*metric.joined(mean, index, company)).reshape(())
        assert self.offset is not None
        return metric.ratio_triplets(mean, index, self.offset.to(mean.dtype).sigmoid(), company)

    def embed(self, z: Tensor) -> Tensor:
        """The embedding (..., D + M) of latents z (..., D), e.g. of a walk between anchors."""
        if z.dim() == 0 or z.shape[-1] != self.latent_dim or not z.is_floating_point():
            raise ValueError(
                f"z must be (..., {self.latent_dim}) and of a float dtype, "
                f"got {tuple(z.shape)} of {z.dtype}"
            )
        distances = self._place(z, self.anchors)[1]
        awake = self.awake.to(z.dtype, copy=True)
        return torch.cat([z, awake * torch.softmax(-0.5 * distances, -1)], -1)

    @torch.no_grad()
    def alternatives(
        self, features: Tensor, count: int, generator: torch.Generator | None = None
    ) -> Code:
        """Several plausible codes (count, ...) of the same features (..., dim), to be decoded.

        The first is that of the posterior's mean. The others are drawn from the posterior moved
        halfway to the nearest anchor, the next nearest and so on; from the posterior itself while
        the anchors sleep. The nebula does not change. Raises ValueError as `forward` does, and on
        a count below 1.
        """
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"count must be an integer of at least 1, got {count!r}")
        refusal = self._refusal(features) or self._none(features)
        if refusal is not None:
            raise refusal
        with torch.autocast(features.device.type, enabled=False):
            raw = self._raw(features)
            self._check_size(features, raw)
            mean, log_variance = posterior.split(raw)
            if not self.training:
                self._catch_up(mean.flatten(0, -2))
            anchors = self.anchors.to(mean.dtype) if bool(self.awake > 0) else None
            distances = self._place(mean, self.anchors)[1]
            z = alternatives.around(mean, log_variance, count, generator, anchors, distances)
            return self._code(z, z, log_variance.expand_as(z), z, features.dtype)  # (count, ..., D)

    @torch.no_grad()
    def sample(self, anchor: int, n: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """Embeddings (n, D + M) of new members of an anchor, to be decoded.

        Drawn from the Gaussian around the anchor that the latents seen in training have there.
        Raises ValueError if there is no such anchor.
        """
        if not 0 <= anchor < self.num_anchors:
            raise ValueError(f"anchor must be 0 to {self.num_anchors - 1}, got {anchor}")
        if n < 0:
            raise ValueError(f"n must be at least 0, got {n}")
        device = self.anchors.device if generator is None else generator.device
        noise = torch.randn(n, self.latent_dim, generator=generator, device=device)
        return self.embed(self.anchors[anchor] + self.spread()[anchor] * noise.to(self.anchors))

    @torch.no_grad()
    def spread(self) -> Tensor:
        """Standard deviation (M, D) of the latents of each anchor, as last seen in training."""
        return places.spread(self._remembered(), self._wide_anchors())

    @torch.no_grad()
    def diagnostics(self) -> Diagnostics:
        """How the anchors fare on the latents last seen in training."""
        return diagnose(
            self._remembered(),
            self._wide_anchors(),
            awake=float(self.awake),
            strength=float(self.strength),
            steps=self.rhythm.step + 1,
        )

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
        # Of a state that is not of such a nebula nothing is taken; torch names what does not fit.
        refused = [n for n, shape in fits.items() if n in state_dict and shape != own[n].shape]
        if refused:
            state_dict.update((name, own[name]) for name in own if name not in refused)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def extra_repr(self) -> str:
        """The arguments that matter, for repr."""
        return (
            f"dim={self.dim}, num_anchors={self.num_anchors}, latent_dim={self.latent_dim}, "
            f"gravity={self.gravity!r}, weight={self.weight}"
        )

    def _refusal(self, features: Tensor) -> ValueError | None:
        """What is wrong with the shape or dtype of features."""
        if features.dim() < 2 or features.shape[-1] != self.dim:
            return ValueError(
                f"features must be (..., {self.dim}) with at least one row, "
                f"got {tuple(features.shape)}"
            )
        if not features.is_floating_point():
            return ValueError(f"features must be of a float dtype, got {features.dtype}")
        return None

    def _none(self, features: Tensor) -> ValueError | None:
        """What is wrong with features without a row."""
        if features.numel() > 0:
            return None
        return ValueError(f"features must have at least one row, got {tuple(features.shape)}")

    def _raw(self, features: Tensor) -> Tensor:
        """The head's output (..., 2 D)."""
        wide = torch.promote_types(self.anchors.dtype, torch.float32)
        head = self.posterior
        return nn.functional.linear(features.to(wide), head.weight.to(wide), head.bias.to(wide))

    def _check_size(self, features: Tensor, raw: Tensor) -> None:
        size = float(raw.detach().abs().max())
        if not size <= self._limit(raw):
            raise self._oversize(features, raw, size)

    def _limit(self, raw: Tensor) -> float:
        """Beyond it the squares of squared distances, or the anchors themselves, overflow."""
        return min(torch.finfo(raw.dtype).max ** 0.25 / 16, torch.finfo(self.anchors.dtype).max / 2)

    def _oversize(self, features: Tensor, raw: Tensor, size: float) -> ValueError:
        if not bool(features.isfinite().all()):
            return ValueError("features must be finite, got NaN or inf")
        hint = "" if self.gravity == "newton" else ', gravity="newton" is the stable form'
        if not all(bool(weight.isfinite().all()) for weight in self.posterior.parameters()):
            return ValueError(
                "the posterior is NaN or inf though the features are finite: the nebula's weights "
                f"have diverged{hint}"
            )
        return ValueError(
            f"the posterior of the features must stay below {self._limit(raw):.2g} for losses that "
            f"are finite, got {size:.2g}: the features are too large, or the nebula's weights have "
            f"diverged{hint}"
        )

    def _anchors_of(self, then: recall.Pass | None) -> Tensor:
        """The anchors; with the values of an earlier pass, if that is repeated."""
        if then is None:
            return self.anchors
        return then.anchors + (self.anchors - self.anchors.detach())

    def _place(self, latents: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest anchor (...) and squared distances to all (..., M) of latents (..., D)."""
        anchors = anchors.to(latents.dtype)  # (M, D)
        flat = latents.flatten(0, -2)  # (B, D)
        _, index = ops.assign_anchors(flat.detach(), anchors.detach(), check_finite=False)
        distances = distances_to(flat, anchors)
        lead = latents.shape[:-1]
        return index.view(lead), distances.view(*lead, self.num_anchors)

    def _measure(self, together: bool) -> tuple[Tensor | None, Tensor | None]:
        """Where the task's gradient is measured into, and of how many rows its loss is the mean."""
        if not self._measures:
            return None, None
        if not together or self._meeting is None:
            return self.moments, None
        # Not into a buffer, which DistributedDataParallel may overwrite before all are asked.
        meeting, noted = self._meeting, self._noted
        rows = self.factor.new_tensor(meeting.total / meeting.processes.count)
        return noted, rows

    @_untraced
    @torch.no_grad()
    def _meet(self, features: Tensor, raw: Tensor, refusal: ValueError | None) -> None:
        """Ask all processes for their batch, so that they go on together, or none does.

        Raises what is wrong with this one's batch, ValueError where that of another is refused, and
        RuntimeError where the processes are not at the same step.
        """
        if recall.is_repeated():
            return
        company = self._group or Processes.of(gather.around())
        device = self.anchors.device
        if self._noted is None or self._noted.device != device:
            self._noted = strength.pending(self.anchors)
        rows = raw.numel() // (2 * self.latent_dim)
        state = [*self.rhythm.numbers(), self.memory.seen, self.anchors.requires_grad]
        said = torch.tensor([rows, refusal is not None, *state], dtype=torch.float64, device=device)
        size = raw.abs().max() if rows else raw.new_zeros(())
        table = company.table(torch.cat([said, self._noted, size.double()[None]]))
        answers = table.tolist()
        largest = [answer[-1] for answer in answers]
        if refusal is not None:
            raise refusal
        if not largest[company.rank] <= self._limit(raw):
            raise self._oversize(features, raw, largest[company.rank])
        for rank, answer in enumerate(answers):
            if answer[1] or not answer[-1] <= self._limit(raw):
                raise ValueError(f"process {rank} was given features that a nebula refuses")
        if any(answer[2 : 2 + len(state)] != answers[0][2 : 2 + len(state)] for answer in answers):
            raise RuntimeError(
                "processes that train a nebula together must have the same state of it: they are "
                f"at steps {[int(answer[2]) for answer in answers]}; load a checkpoint on all"
            )
        self._meeting = Meeting(company, [int(answer[0]) for answer in answers])
        if self._meeting.total == 0:
            raise ValueError("features must have at least one row in one of the processes")
        strength.settle(self.moments, table[:, -4:-1])
        self._noted = strength.pending(self.anchors)

    def _company(self) -> Processes:
        """Those whose joined batch the losses are of."""
        if not self.training or not gather.is_distributed():
            return ALONE
        if self._meeting is None:
            return self._group or Processes.of(gather.around())
        return self._meeting.processes

    # Its decisions depend on values: it runs as Python beside a compiled graph.
    @_untraced
    @torch.no_grad()
    def _tend(self, mean: Tensor, log_variance: Tensor) -> recall.Pass | None:
        """Remember the latents (..., D) of a training step; wake, move and fit the anchors.

        Changes nothing where the step is only repeated; gives what it was computed with then.
        """
        mean, log_variance = mean.flatten(0, -2), log_variance.flatten(0, -2)
        if recall.is_repeated():
            self._recalled = self._passes.find(mean)
            return self._recalled
        self._recalled = None
        self._passes.begin(self.anchors, self.awake, self.strength)
        meeting = self._meeting if gather.is_distributed() else None
        rhythm = self.rhythm
        rhythm.step = step = rhythm.step + 1
        self.memory.add(mean, meeting)
        if self.gravity == "newton":
            self._move(step, log_variance, meeting)
        else:
            self._watch()
        self._passes.end(mean, self.anchors)
        return None

    def _move(self, step: int, log_variance: Tensor, meeting: Meeting | None) -> None:
        """Wake, move and fit the anchors, as is due."""
        rhythm, memory = self.rhythm, self.memory
        # Also after the first step of all: until then the strength is a guess.
        if self._measures and (step == 2 or step % _STRIDE == 1):
            self.strength.copy_(strength.measured(self.moments, self.strength))
        if rhythm.woke < 0 and self._ripe(step, log_variance, meeting):
            rhythm.wake()
        if step == rhythm.next_fit:
            generator = torch.Generator("cpu").manual_seed(step)
            self._take(lambda old: places.fit(memory.latents(), old, generator))
            rhythm.fitted()
        elif rhythm.woke < 0:
            # Unripe latents move fast: the last few, each step.
            batch = len(log_variance) if meeting is None else meeting.total
            recent = max(4 * self.num_anchors, 2 * batch)
            self._take(lambda old: places.lloyd(memory.latents(recent), old, 1)[0])
        elif step % _STRIDE == 0:
            self._take(lambda old: places.lloyd(memory.latents(), old, 1)[0])
        self.awake.fill_(rhythm.awake)
        if meeting is not None and meeting.processes.count > 1:
            # Each would have to catch up by itself, and they could come to differ.
            rhythm.settled = step

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
            self.gravity != "newton"
            or len(mean) < 20 * self.num_anchors
            or not self.anchors.requires_grad
            or gather.is_distributed()
            or rhythm.is_averaged()
            or rhythm.settled == rhythm.step
        ):
            return
        rhythm.settled = rhythm.step
        anchors = self._wide_anchors()
        recent = self.memory.latents(20 * self.num_anchors)
        before = ops.assign_anchors(recent, anchors, check_finite=False).squared.mean()
        distance, index = ops.assign_anchors(mean.to(anchors), anchors, check_finite=False)
        used = len(index.unique())
        # Far from all anchors, not just members of a few of them; asleep, none is read by anyone.
        ran_away = rhythm.awake < 1 or bool(distance.mean() > 1.1 * before)
        if used < 0.9 * self.num_anchors and ran_away:
            generator = torch.Generator("cpu").manual_seed(0)
            self.anchors.copy_(places.fit(mean.to(anchors), anchors, generator))

    def _ripe(self, step: int, log_variance: Tensor, meeting: Meeting | None) -> bool:
        rhythm = self.rhythm
        if self.warmup_steps is not None:
            return step >= self.warmup_steps
        if step < rhythm.next_check or self.memory.seen < 20 * self.num_anchors:
            return False
        # Old latents are of another encoder: the last ones alone tell how much these say.
        recent = self.memory.latents(20 * self.num_anchors)
        everyone = log_variance if meeting is None else meeting.rows(log_variance)
        nats = posterior.information(recent, everyone)
        return rhythm.ripe(float(self._company().from_first(nats)))

    def _remembered(self) -> Tensor:
        """The latents (N, D) last seen in training; what has been counted is read anew."""
        self.rhythm.forget()
        self.memory.forget()
        return self.memory.latents()

    def _wide_anchors(self) -> Tensor:
        return self.anchors.detach().to(self.memory.rows.dtype)

    def _watch(self) -> None:
        """Warn, once, when a verbatim gravity has lost its anchors."""
        step = self.rhythm.step + 1
        if self._warned or step < 256 or step & (step - 1):
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
