"""The nebula: posterior, anchors and their losses, as one module."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, TypeVar, cast, get_args

import torch
from torch import Tensor, nn

from nvc3d import ops

from . import alternatives, gather, gravity, metric, posterior
from . import anchors as places
from .code import Code, Losses
from .constraint import Weights, constraint, distances_to
from .diagnostics import Diagnostics, diagnose
from .memory import Memory
from .rhythm import Rhythm
from .strength import measured

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


class Nebula(nn.Module):
    """A latent space with anchors, between any encoder and any decoder or classifier.

        code = nebula(encoder(x))
        loss = task_loss(decoder(code.embedding), x) + nebula.losses(code).total

    Until the latents are ripe it acts as the head of a variational autoencoder, with the
    assignment's part of the embedding zero. Then it places the anchors by k-means, fades them in,
    and fits them anew as the latents move. The total is scaled to the task's loss, whatever
    its unit, by the task's gradient at the latents: a factor before `total` changes nothing,
    use `weight`. In evaluation the module is deterministic and does not change.

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
        self._warned = self._moved = False

    @property
    def embedding_dim(self) -> int:
        """Length of `Code.embedding`: latent_dim + num_anchors."""
        return self.latent_dim + self.num_anchors

    def forward(self, features: Tensor) -> Code:
        """The code of features (..., dim); half precision is computed in float32.

        In training it also remembers the latents and tends the anchors. Raises ValueError on
        features of another shape or dtype, none at all, and on NaN or inf.
        """
        self._check_features(features)
        with torch.autocast(features.device.type, enabled=False):
            wide = torch.promote_types(self.anchors.dtype, torch.float32)
            head = self.posterior
            raw = nn.functional.linear(features.to(wide), head.weight.to(wide), head.bias.to(wide))
            if not torch.compiler.is_compiling():
                self._check_finite(features, raw)
            if self.training:
                noise = torch.randn_like(raw[..., : self.latent_dim])
                moments = self.moments if self._measures else None
                mean, log_variance, z = posterior.draw(raw, noise, moments, self.factor)
                self._tend(mean.detach(), log_variance.detach())
            else:
                mean, log_variance = posterior.split(raw)
                z = mean
                if self._moved and not torch.compiler.is_compiling():
                    self._catch_up(mean.flatten(0, -2))
            # The mean is the better judge: E|z - a|^2 over the posterior has the same nearest a.
            index, distances = self._place(mean if self.gravity == "newton" else z)
            assignment = torch.softmax(-0.5 * distances, -1)
            # A copy: a second view's forward pass may change it before the backward pass.
            awake = self.awake.clone()
            embedding = torch.cat([z, awake * assignment], -1).to(features.dtype)
        return Code(z, mean, log_variance, index, assignment, distances, embedding)

    def losses(self, code: Code, view: Code | None = None) -> Losses:
        """The losses of a code, in float32; in a distributed run, those of the joined batch.

        `view` is the code of a second, augmented view of the same samples, in the same order: it
        must choose the same anchors.
        """
        with torch.autocast(code.z.device.type, enabled=False):
            mean = code.mean.flatten(0, -2)  # (B, D)
            log_variance = code.log_variance.flatten(0, -2)  # (B, D)
            index = code.anchor.flatten()  # (B,)
            distances = code.distances.flatten(0, -2)  # (B, M)
            # Copies: the parameter may be fitted anew before the backward pass.
            anchors = self.anchors.to(mean.dtype, copy=True)  # (M, D)
            scale = self.weight * self.strength
            if self.gravity == "newton":
                factor = self.factor if self.training and self._measures else None
                weights = Weights(
                    self.kl_weight, self.gravity_weight, scale, self.awake.clone(), factor
                )
                assignment = code.assignment.flatten(0, -2)  # (B, M)
                kl, pull, total = constraint(
                    mean, log_variance, distances, anchors, assignment, index, weights
                )
            else:
                verbatim = gravity.paper if self.gravity == "paper" else gravity.nearest
                kl, pull = verbatim(mean, log_variance, distances, anchors, index)
                total = scale * (self.kl_weight * kl + self.gravity_weight * pull)
            scale = scale * self.awake.clone()
            ratio = apart = kl.new_zeros(())
            if self.metric_weight > 0:
                ratio = self._metric(mean, index)
                total = total + scale * self.metric_weight * ratio
            if view is not None:
                apart = metric.disagreement(distances, view.distances.flatten(0, -2), mean.shape[1])
                total = total + scale * self.view_weight * apart
        return Losses(kl, pull, ratio, apart, total)

    def _metric(self, mean: Tensor, index: Tensor) -> Tensor:
        if self.metric_loss is not None:
            loss = self.metric_loss(gather.rows_with_gradient(mean), gather.rows(index))
            return loss.reshape(())
        assert self.offset is not None
        return metric.ratio_triplets(mean, index, self.offset.to(mean.dtype).sigmoid())

    def embed(self, z: Tensor) -> Tensor:
        """The embedding (..., D + M) of latents z (..., D), e.g. of a walk between anchors."""
        if z.dim() == 0 or z.shape[-1] != self.latent_dim or not z.is_floating_point():
            raise ValueError(
                f"z must be (..., {self.latent_dim}) and of a float dtype, "
                f"got {tuple(z.shape)} of {z.dtype}"
            )
        distances = self._place(z)[1]
        return torch.cat([z, self.awake * torch.softmax(-0.5 * distances, -1)], -1)

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
        was_training = self.training
        self.eval()
        code = self(features)
        self.train(was_training)
        anchors = self.anchors.to(code.mean.dtype) if bool(self.awake > 0) else None
        z = alternatives.around(
            code.mean, code.log_variance, count, generator, anchors, code.distances
        )  # (count, ..., D)
        index, distances = self._place(z)
        assignment = torch.softmax(-0.5 * distances, -1)
        embedding = torch.cat([z, self.awake * assignment], -1).to(features.dtype)
        spread = code.log_variance.expand_as(z)
        return Code(z, z, spread, index, assignment, distances, embedding)

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
        return places.spread(self.memory.latents(), self.anchors)

    @torch.no_grad()
    def diagnostics(self) -> Diagnostics:
        """How the anchors fare on the latents last seen in training."""
        return diagnose(
            self.memory.latents(),
            self.anchors,
            awake=float(self.awake),
            strength=float(self.strength),
            steps=self.rhythm.step + 1,
        )

    def get_extra_state(self) -> Tensor:
        """What is counted in Python, as a tensor that any checkpoint format can hold."""
        return torch.cat([torch.tensor([self.memory.seen]), self.rhythm.to_tensor()])

    def set_extra_state(self, state: Tensor) -> None:
        """Take up what get_extra_state gave."""
        self.memory.seen = int(state[0])
        self.rhythm = Rhythm.from_tensor(state[1:])

    def extra_repr(self) -> str:
        """The arguments that matter, for repr."""
        return (
            f"dim={self.dim}, num_anchors={self.num_anchors}, latent_dim={self.latent_dim}, "
            f"gravity={self.gravity!r}, weight={self.weight}"
        )

    def _check_features(self, features: Tensor) -> None:
        if features.dim() < 2 or features.shape[-1] != self.dim or features.numel() == 0:
            raise ValueError(
                f"features must be (..., {self.dim}) with at least one row, "
                f"got {tuple(features.shape)}"
            )
        if not features.is_floating_point():
            raise ValueError(f"features must be of a float dtype, got {features.dtype}")

    def _check_finite(self, features: Tensor, raw: Tensor) -> None:
        if bool(raw.sum().isfinite()) or bool(raw.isfinite().all()):
            return
        if not bool(features.isfinite().all()):
            raise ValueError("features must be finite, got NaN or inf")
        raise ValueError(
            "the posterior is NaN or inf though the features are finite: the nebula's weights "
            "have diverged"
            + ("" if self.gravity == "newton" else ', gravity="newton" is the stable form')
        )

    def _place(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest anchor (...) and squared distances to all (..., M) of latents (..., D)."""
        anchors = self.anchors.to(latents.dtype)  # (M, D)
        flat = latents.flatten(0, -2)  # (B, D)
        index, _ = ops.assign_anchors(flat.detach(), anchors.detach(), check_finite=False)
        distances = distances_to(flat, anchors)
        lead = latents.shape[:-1]
        return index.view(lead), distances.view(*lead, self.num_anchors)

    # Its decisions depend on values: it runs as Python beside a compiled graph.
    @_untraced
    @torch.no_grad()
    def _tend(self, mean: Tensor, log_variance: Tensor) -> None:
        """Remember the latents (..., D) of a training step; wake, move and fit the anchors."""
        mean, log_variance = mean.flatten(0, -2), log_variance.flatten(0, -2)
        rhythm = self.rhythm
        rhythm.step += 1
        self.memory.add(mean, rhythm.step)
        self._moved = self.gravity == "newton"
        if self.gravity != "newton":
            self._watch()
            return
        # Also after the first step of all: until then the strength is a guess.
        if self._measures and (rhythm.step == 2 or rhythm.step % _STRIDE == 1):
            moments = gather.total(self.moments) / gather.processes()
            self.strength.copy_(measured(moments, self.strength))
        if rhythm.woke < 0 and self._ripe(log_variance):
            rhythm.wake()
        if rhythm.step == rhythm.next_fit:
            generator = torch.Generator().manual_seed(rhythm.step)
            self.anchors.copy_(
                places.fit(self.memory.all_latents(), self._wide_anchors(), generator)
            )
            rhythm.fitted()
        elif rhythm.woke < 0:
            # Unripe latents move fast: the last few, each step.
            batch = len(mean) * gather.processes()
            self._follow(self.memory.all_latents(max(4 * self.num_anchors, 2 * batch)))
        elif rhythm.step % _STRIDE == 0:
            self._follow(self.memory.all_latents())
        self.awake.fill_(rhythm.awake)

    @torch.no_grad()
    def _catch_up(self, mean: Tensor) -> None:
        """Fit the anchors to latents (B, D), the first seen after training, if they ran away.

        The last step of the optimiser may have moved them further than they are spread; before
        this forward pass nobody could know.
        """
        if len(mean) < 20 * self.num_anchors or gather.is_distributed():
            return
        self._moved = False
        anchors = self._wide_anchors()
        recent = self.memory.all_latents(20 * self.num_anchors)
        before = ops.assign_anchors(recent, anchors, check_finite=False)[1].mean()
        index, distance = ops.assign_anchors(mean, anchors, check_finite=False)
        used = len(index.unique())
        # Far from all anchors, not just members of a few of them; asleep, none is read by anyone.
        ran_away = self.rhythm.awake < 1 or bool(distance.mean() > 1.1 * before)
        if used < 0.9 * self.num_anchors and ran_away:
            self.anchors.copy_(places.fit(mean, anchors, torch.Generator().manual_seed(0)))

    def _ripe(self, log_variance: Tensor) -> bool:
        rhythm = self.rhythm
        if self.warmup_steps is not None:
            return rhythm.step >= self.warmup_steps
        known = self.memory.seen * gather.processes()
        if rhythm.step < rhythm.next_check or known < 20 * self.num_anchors:
            return False
        # Old latents are of another encoder: the last ones alone tell how much these say.
        recent = self.memory.all_latents(20 * self.num_anchors)
        return rhythm.ripe(float(posterior.information(recent, gather.rows(log_variance))))

    def _follow(self, latents: Tensor) -> None:
        self.anchors.copy_(places.lloyd(latents, self._wide_anchors(), 1)[0])

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
