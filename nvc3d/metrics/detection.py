"""How well a score tells what is looked for from all else."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def auroc(scores: Tensor, positive: Tensor) -> float:
    """Area under the ROC curve of scores (B,): how often one of the `positive` (B,) bool scores
    above one of the others, ties counting half; 0.5 is chance, nan where either are missing.

    By ranks: it is the statistic of Mann and Whitney. (Hanley, McNeil, "The meaning and use of the
    area under a receiver operating characteristic (ROC) curve", Radiology 143(1), 1982.)

    Raises ValueError on other shapes and dtypes, and on NaN.
    """
    if scores.dim() != 1 or positive.shape != scores.shape or positive.dtype != torch.bool:
        raise ValueError(
            "scores must be (B,) and positive (B,) of bool, "
            f"got {tuple(scores.shape)} and {tuple(positive.shape)} of {positive.dtype}"
        )
    if bool(scores.isnan().any()):
        raise ValueError("scores must be numbers, got NaN")
    found, other = int(positive.sum()), int((~positive).sum())
    if found == 0 or other == 0:
        return float("nan")
    _, place, count = scores.unique(return_inverse=True, return_counts=True)
    # Equal scores share the mean of their ranks.
    rank = (count.cumsum(0) - (count - 1) / 2)[place].double()
    return float((rank[positive].sum() - found * (found + 1) / 2) / (found * other))
