"""The nebula: what is made of anchors in a latent space, a code and its losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from nvc3d import ops

from . import metric, newton, recall, refusals
from .anchored import AnchoredHead
from .code import Code, Losses, Views
from .distances import distances_to
from .gather import Processes

Gravity = Literal["newton", "paper", "nearest"]

# Of the way from the posterior's mean to an anchor: halfway, what was seen still weighs as much as
# what is typical there.
_REACH = 0.5


class Nebula(AnchoredHead):
    """A latent space with anchors, between any encoder and any decoder or classifier.

        code = nebula(encoder(x))
        loss = task_loss(decoder(code.embedding), x) + nebula.losses(code).total

    Until the latents are ripe it acts as the Gaussian head alone, with the assignment's part of the
    embedding zero. Then it places the anchors by k-means, fades them in, and fits them anew as the
    latents move. The total is scaled to the task's loss as that of a GaussianHead, which says in
    what order the backward passes must come: a factor before `total` changes nothing, use `weight`.
    In evaluation the module is deterministic, does not change, and waits for no other process.
    Anchors with requires_grad=False are not moved.

    After Wang, Tan, Navab, Tombari, "Self-supervised Latent Space Optimization with Nebula
    Variational Coding", TPAMI 46(3), 2024, arXiv 2506.01414; docs/nebula.md has the formulas.

    Args:
        dim: length of the features.
        num_anchors: how many anchors, M.
        latent_dim: length of the latents, D; None: dim.
        gravity: "newton" is stable; "paper" and "nearest" make a PaperNebula and a NearestNebula,
            the paper's text and its authors' released code.
        weight: of the total beside the task's loss.
        warmup_steps: training steps before the anchors take part; None: judged by the module.
        scale: of the task's loss; None: measured.
        kl_weight: of the Gaussian constraint.
        gravity_weight: of the gravity.
        metric_weight: of the self-supervised metric learning.
        metric_loss: of latents (B, D) and their anchors (B,) as labels, for one any of
            pytorch-metric-learning; None: the ratio of squared distances of all triplets.
        view_weight: of the agreement of two views, where `losses` is given a second.

    Raises ValueError on arguments out of range.
    """

    gravity: ClassVar[Gravity] = "newton"

    offset: nn.Parameter | None  # () the metric's, before the sigmoid

    def __new__(
        cls,
        dim: Any = None,
        num_anchors: Any = None,
        latent_dim: Any = None,
        gravity: Any = "newton",
        *others: Any,
        **named: Any,
    ) -> Nebula:
        """A nebula, or one of the verbatim forms, as the gravity's name says."""
        if cls is not Nebula or gravity == cls.gravity:
            return super().__new__(cls)
        if gravity not in get_args(Gravity):
            raise ValueError(f"gravity must be one of {get_args(Gravity)}, got {gravity!r}")
        from .verbatim import FORMS  # which are nebulas themselves

        return super().__new__(FORMS[gravity])

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
        if gravity != self.gravity:
            raise ValueError(
                f"the gravity of a {type(self).__name__} is {self.gravity!r}, got {gravity!r}"
            )
        refusals.check_weights(
            kl_weight=kl_weight,
            gravity_weight=gravity_weight,
            metric_weight=metric_weight,
            view_weight=view_weight,
        )
        if metric_loss is not None and not (callable(metric_loss) and metric_weight > 0):
            raise ValueError(
                "metric_loss must be a callable and comes with a metric_weight above 0, "
                f"got {metric_loss!r} and {metric_weight!r}"
            )
        super().__init__(dim, num_anchors, latent_dim, weight, warmup_steps, scale=scale)
        self.kl_weight, self.gravity_weight = kl_weight, gravity_weight
        self.metric_weight, self.view_weight = metric_weight, view_weight
        # Only where it is used: DistributedDataParallel refuses parameters without a gradient.
        own = metric_weight > 0 and metric_loss is None
        self.offset = nn.Parameter(torch.zeros(())) if own else None
        self.metric_loss = metric_loss

    @property
    def embedding_dim(self) -> int:
        """Length of `Code.embedding`: latent_dim + num_anchors."""
        return self.latent_dim + self.num_anchors

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
    def sample(self, anchor: int, n: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """Embeddings (n, D + M) of new members of an anchor, to be decoded.

        Drawn from the Gaussian around the anchor that the latents seen in training have there.
        Raises ValueError if there is no such anchor.
        """
        if not 0 <= anchor < self.num_anchors:
            raise ValueError(f"anchor must be 0 to {self.num_anchors - 1}, got {anchor}")
        if n < 0:
            raise ValueError(f"n must be at least 0, got {n}")
        noise = self._noise(n, generator)
        return self.embed(self.anchors[anchor] + self.spread()[anchor] * noise)

    @torch.no_grad()
    def sample_prior(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Embeddings (count, D + M) of new latents, to be decoded: members of anchors as `sample`
        gives them, of each as often as it is the nearest of latents seen in training. Raises
        ValueError on a count below 0."""
        noise = self._noise(count, generator)  # (count, D)
        edges = self.share().cumsum(0)  # (M,)
        device = edges.device if generator is None else generator.device
        place = torch.rand(count, generator=generator, device=device).to(edges)
        owner = torch.searchsorted(edges, place, right=True).clamp_max(self.num_anchors - 1)
        return self.embed(self.anchors[owner] + self.spread().to(noise)[owner] * noise)

    def extra_repr(self) -> str:
        """The arguments that matter, for repr."""
        return f"num_anchors={self.num_anchors}, gravity={self.gravity!r}, {super().extra_repr()}"

    # --- codes ------------------------------------------------------------------------------------

    def _code(
        self,
        z: Tensor,
        mean: Tensor,
        log_variance: Tensor,
        dtype: torch.dtype,
        then: recall.Pass | None = None,
    ) -> Code:
        index, distances = self._place(self._judged(z, mean), self._anchors_of(then))
        assignment = torch.softmax(-0.5 * distances, -1)
        awake = self._awake_of(z, then)
        embedding = torch.cat([z, awake * assignment], -1).to(dtype)
        return Code(z, mean, log_variance, index, assignment, distances, embedding)

    def _judged(self, z: Tensor, mean: Tensor) -> Tensor:
        """What is assigned to an anchor."""
        # The better judge: E|z - a|^2 over the posterior has the same nearest a.
        return mean

    def _place(self, latents: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Nearest anchor (...) and squared distances to all (..., M) of latents (..., D)."""
        anchors = anchors.to(latents.dtype)  # (M, D)
        flat = latents.flatten(0, -2)  # (B, D)
        _, index = ops.assign_anchors(flat.detach(), anchors.detach(), check_finite=False)
        distances = distances_to(flat, anchors)
        lead = latents.shape[:-1]
        return index.view(lead), distances.view(*lead, self.num_anchors)

    def _anchors_of(self, then: recall.Pass | None) -> Tensor:
        """The anchors; with the values of an earlier pass, if that is repeated."""
        if then is None:
            return self.anchors
        return then.values["anchors"] + (self.anchors - self.anchors.detach())

    def _awake_of(self, latents: Tensor, then: recall.Pass | None) -> Tensor:
        # A copy: a second view's forward pass may change it before the backward pass.
        awake = self.awake if then is None else then.values["awake"]
        return awake.to(latents.dtype, copy=True)

    def _centres(self, mean: Tensor, count: int) -> Tensor:
        """Halfway to the nearest anchor, the next nearest and so on; around the posterior itself
        while the anchors sleep."""
        centres = super()._centres(mean, count)  # (count, ..., D)
        if not bool(self.awake > 0):
            return centres
        anchors = self.anchors.to(mean.dtype)
        order = self._place(mean, self.anchors)[1].argsort(dim=-1, stable=True)  # (..., M)
        turn = torch.arange(count, device=mean.device) % len(anchors)
        toward = anchors[order[..., turn].movedim(-1, 0)]  # (count, ..., D)
        return torch.lerp(centres, toward, _REACH)

    # --- losses -----------------------------------------------------------------------------------

    def _losses(self, code: Code, views: Views | None, then: recall.Pass | None) -> Losses:
        # A copy: the parameter may be fitted anew before the backward pass.
        anchors = self._anchors_of(then).to(code.mean.dtype, copy=True)  # (M, D)
        awake, scale = self._awake_of(code.mean, then), self._weight(code, then)
        company = self._company()
        kl, pull, total = self._constraint(code, anchors, scale, awake, company)
        scale = scale * awake
        ratio = apart = kl.new_zeros(())
        if self.metric_weight > 0:
            ratio = self._metric(code, company)
            total = total + scale * self.metric_weight * ratio
        if views is not None:
            apart = metric.disagreement(*views, self.latent_dim, company)
            total = total + scale * self.view_weight * apart
        return Losses(kl, pull, ratio, apart, total)

    def _constraint(
        self, code: Code, anchors: Tensor, scale: Tensor, awake: Tensor, company: Processes
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The constraint, the gravity, and their weighted total; all ()."""
        weights = newton.Weights(
            self.kl_weight, self.gravity_weight, scale, awake, self._noting(), company
        )
        return newton.constraint(code, anchors, weights)

    def _metric(self, code: Code, company: Processes) -> Tensor:
        if self.metric_loss is not None:
            return self.metric_loss(*metric.joined(code.mean, code.anchor, company)).reshape(())
        assert self.offset is not None
        offset = self.offset.to(code.mean.dtype).sigmoid()
        return metric.ratio_triplets(code.mean, code.anchor, offset, company)
