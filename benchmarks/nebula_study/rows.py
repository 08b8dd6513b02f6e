"""The rows of the tables: one model each, under the name that it is chosen by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .models import NVC, VQVAE, Autoencoder, Gaussian, VaDE
from .models import VAE as Vae


@dataclass(frozen=True)
class Row:
    """A model and its settings."""

    title: str
    model: Callable[..., Autoencoder]
    settings: dict[str, Any] = field(default_factory=dict)
    ablation: bool = False


ROWS = {
    "ae": Row("AE", Autoencoder),
    "vae": Row("VAE", Vae),
    "vade": Row("VaDE", VaDE),
    "vq": Row("VQ-VAE, 1 code of 30", VQVAE),
    "vq8": Row("VQ-VAE, 8 codes of 30", VQVAE, {"tokens": 8}),
    "paper": Row("NVC paper", NVC, {"gravity": "paper"}),
    "paper-metric": Row("NVC paper, metric", NVC, {"gravity": "paper", "metric_weight": 1.0}),
    "nearest": Row("NVC nearest", NVC, {"gravity": "nearest"}),
    "nearest-metric": Row("NVC nearest, metric", NVC, {"gravity": "nearest", "metric_weight": 1.0}),
    "nvc": Row("NVC newton", NVC),
    "nvc-metric": Row("NVC newton, metric", NVC, {"metric_weight": 10.0}),
    "no-constraint": Row("anchors without the constraint", NVC, {"kl_weight": 0.0}, True),
    "no-anchors": Row("constraint without anchors", Gaussian, ablation=True),
    "to-origin": Row("KL to N(0, I)", NVC, {"prior": "origin"}, True),
    "to-anchor": Row("KL to N(a_k, I) of the nearest", NVC, {"prior": "anchor"}, True),
    "random-start": Row("random start, fitted later", NVC, {"placed": "later"}, True),
    "never-fitted": Row("random start, never fitted", NVC, {"placed": "never"}, True),
    "no-refit": Row("k-means start, never fitted anew", NVC, {"placed": "first"}, True),
}
