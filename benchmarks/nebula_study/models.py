"""What stands between encoder and decoder: the nebula, its ablations, and its baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from nvc3d import Nebula
from nvc3d.nebula import Code, GaussianHead, Losses
from nvc3d.nebula.kmeans import lloyd, plus_plus
from nvc3d.nebula.meeting import Meeting

from .datasets import FEATURES, Dataset

ANCHORS, LATENT = 30, 32


class Autoencoder(nn.Module):
    """An encoder, a plain code, and a decoder; the base of all others."""

    has_groups: bool = False
    """Whether it clusters; k-means does it on the codes of those that do not."""

    def __init__(
        self, data: Dataset, head: Callable[[], nn.Module] | None = None, width: int = LATENT
    ) -> None:
        super().__init__()
        # First of all: with the same seed, all rows start from the same encoder.
        self.encoder = data.encoder()
        self.head = head() if head else nn.Linear(FEATURES, LATENT)
        self.decoder = data.decoder(width)

    def before(self, step: int, steps: int, train: Tensor) -> None:
        """Called before each of the training steps."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's output, and what is added to its loss ()."""
        return self.decoder(self.code(x)), x.new_zeros(())

    def code(self, x: Tensor) -> Tensor:
        """(B, LATENT), without noise."""
        code: Tensor = self.head(self.encoder(x))
        return code

    def groups(self, x: Tensor) -> Tensor:
        """(B,) number of each sample's cluster, 0 to ANCHORS - 1."""
        raise NotImplementedError


class VAE(Autoencoder):
    """Kingma and Welling, "Auto-Encoding Variational Bayes", 2014."""

    def __init__(self, data: Dataset) -> None:
        super().__init__(data, lambda: nn.Linear(FEATURES, 2 * LATENT))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A draw (the mean in evaluation), the mean and the log variance, (B, LATENT) each."""
        mean, log_variance = self.head(self.encoder(x)).chunk(2, -1)
        noise = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        return mean + (0.5 * log_variance).exp() * noise, mean, log_variance

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, mean, log_variance = self.posterior(x)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return self.decoder(z), kl

    def code(self, x: Tensor) -> Tensor:
        return self.posterior(x)[1]


class VaDE(VAE):
    """Jiang et al., "Variational Deep Embedding", IJCAI 2017: the prior is a Gaussian mixture.

    As usual it is an autoencoder first, here for a third of the steps; then a mixture with
    diagonal covariances is fitted to its codes, and the constraint to it fades in over the second
    third: at once it drives all codes into one component.
    """

    has_groups = True
    head: nn.Linear

    def __init__(self, data: Dataset) -> None:
        super().__init__(data)
        self.fade = 0.0
        self.logits = nn.Parameter(torch.zeros(ANCHORS))
        self.means = nn.Parameter(torch.zeros(ANCHORS, LATENT))
        self.log_variances = nn.Parameter(torch.zeros(ANCHORS, LATENT))

    @torch.no_grad()
    def before(self, step: int, steps: int, train: Tensor) -> None:
        start = steps // 3
        self.fade = min(1.0, max(0.0, (step - start) / start))
        if step != start:
            return
        self.eval()
        codes = self.code(train).double().numpy()
        self.train()
        seed = int(torch.randint(2**31 - 1, ()))
        fitted = GaussianMixture(ANCHORS, covariance_type="diag", random_state=seed, reg_covar=1e-3)
        fitted.fit(codes)
        self.logits.copy_(torch.from_numpy(fitted.weights_).clamp_min(1e-8).log())
        self.means.copy_(torch.from_numpy(fitted.means_))
        self.log_variances.copy_(torch.from_numpy(fitted.covariances_).log())
        # Nothing has trained the log variances yet: narrower than the components.
        self.head.weight[LATENT:] = 0
        self.head.bias[LATENT:] = self.log_variances.mean() - 2

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, mean, log_variance = self.posterior(x)
        if self.training and self.fade == 0:
            return self.decoder(mean), x.new_zeros(())
        share = self.responsibility(z)  # (B, M)
        variance = self.log_variances.exp()  # (M, D)
        square = (mean[:, None] - self.means).square() + log_variance.exp()[:, None]  # (B, M, D)
        cross = 0.5 * (self.log_variances + square / variance).sum(-1)  # (B, M)
        entropy = 0.5 * (1 + log_variance).sum(-1)  # (B,)
        labels = share.clamp_min(1e-10).log() - self.logits.log_softmax(0)
        kl = (share * (cross + labels)).sum(-1) - entropy
        return self.decoder(z), self.fade * kl.mean()

    def responsibility(self, z: Tensor) -> Tensor:
        square = (z[:, None] - self.means).square() / self.log_variances.exp()  # (B, M, D)
        density = -0.5 * (self.log_variances + square).sum(-1)  # (B, M)
        return (self.logits + density).softmax(-1)

    def groups(self, x: Tensor) -> Tensor:
        return self.responsibility(self.code(x)).argmax(1)


class VQVAE(Autoencoder):
    """van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017.

    The code is cut into `tokens`, each of which is replaced by the nearest of ANCHORS entries. With
    a single token the entry is the cluster. As usual the entries start from data, are moving means
    of their codes, and take over a code at random while unused.
    """

    entries: Tensor  # (M, LATENT / tokens)
    counts: Tensor  # (M,)

    def __init__(self, data: Dataset, tokens: int = 1) -> None:
        super().__init__(data)
        self.tokens, self.has_groups = tokens, tokens == 1
        self.register_buffer("entries", torch.zeros(ANCHORS, LATENT // tokens))
        self.register_buffer("counts", torch.zeros(ANCHORS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.code(x)
        parts = code.view(-1, LATENT // self.tokens)
        if self.training:
            self.follow(parts.detach())
        chosen = self.entries[torch.cdist(parts.detach(), self.entries).argmin(1)].view_as(code)
        commitment = 0.25 * LATENT * mse_loss(code, chosen)
        return self.decoder(code + (chosen - code).detach()), commitment

    @torch.no_grad()
    def follow(self, parts: Tensor) -> None:
        if not bool(self.counts.any()):
            generator = torch.Generator().manual_seed(int(torch.randint(2**31 - 1, ())))
            start = plus_plus(parts, ANCHORS, generator)
            self.entries.copy_(lloyd(parts, start, 10)[0])
            self.counts.fill_(len(parts) / ANCHORS)
        index = torch.cdist(parts, self.entries).argmin(1)
        counts = torch.bincount(index, minlength=ANCHORS).to(parts)
        sums = torch.zeros_like(self.entries).index_add(0, index, parts)
        total = torch.lerp(self.entries * self.counts[:, None], sums, 0.01)
        self.counts.lerp_(counts, 0.01)
        self.entries.copy_(total / self.counts.clamp_min(1e-5)[:, None])
        unused = self.counts < 0.03 * len(parts) / ANCHORS
        fresh = parts[torch.randint(len(parts), (ANCHORS,))]
        self.entries.copy_(torch.where(unused[:, None], fresh, self.entries))
        self.counts.copy_(torch.where(unused, len(parts) / ANCHORS, self.counts))

    def groups(self, x: Tensor) -> Tensor:
        return torch.cdist(self.code(x), self.entries).argmin(1)


class Gaussian(Autoencoder):
    """The Gaussian head: a VAE whose weight is measured, the nebula without its anchors."""

    head: GaussianHead

    def __init__(
        self, data: Dataset, head: Callable[[], GaussianHead] | None = None, width: int = LATENT
    ) -> None:
        super().__init__(data, head or (lambda: GaussianHead(FEATURES, LATENT)), width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = self.head(self.encoder(x))
        return self.decoder(code.embedding), self.head.losses(code).total

    def code(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x)).mean


class NVC(Gaussian):
    """The nebula with these arguments; `prior` and `placed` are those of AblatedNebula."""

    has_groups = True
    head: Nebula

    def __init__(
        self, data: Dataset, prior: str = "mixture", placed: str = "always", **settings: Any
    ) -> None:
        def head() -> Nebula:
            if (prior, placed) == ("mixture", "always"):
                return Nebula(FEATURES, ANCHORS, LATENT, **settings)
            return AblatedNebula(prior, placed, **settings)

        super().__init__(data, head, LATENT + ANCHORS)

    def groups(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(x)).anchor


class AblatedNebula(Nebula):
    """A nebula with one of its parts taken away.

    `prior`: "origin" keeps the constraint to N(0, I) for good, "anchor" makes it to N(a_k, I) of
    the nearest anchor alone, in place of the mixture of all.
    `placed`: when k-means may place anchors; at all other times only the gradient moves them.
    "later": not before or at the waking, so that they start at random; "first": not after it.
    "never": neither.
    """

    def __init__(self, prior: str, placed: str, **settings: Any) -> None:
        super().__init__(FEATURES, ANCHORS, LATENT, **settings)
        self.prior, self.placed = prior, placed

    def losses(self, code: Code, view: Code | None = None) -> Losses:
        found = super().losses(code, view)
        if self.prior == "mixture":
            return found
        noise = 0.5 * (code.log_variance.exp() - 1 - code.log_variance).sum(-1)
        kl = (noise + 0.5 * code.mean.square().sum(-1)).mean()
        if self.prior == "anchor":
            nearest = code.distances.gather(1, code.anchor[:, None]).squeeze(1)
            kl = torch.lerp(kl, (noise + 0.5 * nearest).mean(), self.awake)
        weight = self.weight * self.scale * self.kl_weight
        return found._replace(kl=kl, total=found.total + weight * (kl - found.kl))

    def _move(self, step: int, log_variance: Tensor, met: Meeting | None) -> None:
        anchors, slept = self.anchors.clone(), not bool(self.awake > 0)
        super()._move(step, log_variance, met)
        allowed = {"always": True, "later": not slept, "first": slept, "never": False}
        if not allowed[self.placed]:
            self.anchors.copy_(anchors)
