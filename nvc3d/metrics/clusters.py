"""How well clusters that nobody labelled agree with labels."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d.extras import require


def clusters(anchor: Tensor, truth: Tensor) -> dict[str, float]:
    """Purity, accuracy under the best pairing of each label with one cluster (Hungarian) and
    normalised mutual information (NMI) of clusters (B,) beside labels (B,)."""
    counts = torch.zeros(int(anchor.max()) + 1, int(truth.max()) + 1, dtype=torch.int64)
    counts.index_put_((anchor, truth), torch.ones_like(truth), accumulate=True)
    scores = require("sklearn.metrics", "to judge clusters")
    assign = require("scipy.optimize", "to pair clusters and categories").linear_sum_assignment
    paired = counts[assign(counts.numpy(), maximize=True)].sum()
    return {
        "purity": float(counts.amax(1).sum() / len(truth)),
        "Hungarian": float(paired / len(truth)),
        "NMI": float(scores.normalized_mutual_info_score(truth.numpy(), anchor.numpy())),
    }
