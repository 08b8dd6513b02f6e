"""How well codes find others of their kind."""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS = 256  # queries at a time: memory then grows with the number of codes, not its square


@torch.no_grad()
def average_precision(codes: Tensor, labels: Tensor) -> Tensor:
    """How well each of the codes (B, D) finds the others of its label (B,): (B,) float64, 0 to 1.

    The others are ranked by distance, the lowest index first on ties; the average precision is
    the mean, over those of the same label, of the share of the same label among all that rank as
    high. nan where a code is the only one of its label. (Manning, Raghavan, Schütze, "Introduction
    to Information Retrieval", 2008, 8.4.)

    Raises ValueError on other shapes, no codes, labels that are no whole numbers, and NaN or inf.
    """
    if codes.dim() != 2 or 0 in codes.shape or labels.shape != codes.shape[:1]:
        raise ValueError(
            "codes must be (B, D) and labels (B,), with B and D at least 1, "
            f"got {tuple(codes.shape)} and {tuple(labels.shape)}"
        )
    if labels.is_floating_point() or not codes.is_floating_point():
        raise ValueError(
            f"codes must be of a float dtype and labels integers, got {codes.dtype} and "
            f"{labels.dtype}"
        )
    if not bool(torch.isfinite(codes).all()):
        raise ValueError("codes must be finite, got NaN or inf")
    rows = codes.double()
    rank = torch.arange(1, len(rows), device=rows.device)  # (B - 1,)
    precisions = []
    for start in range(0, len(rows), _ROWS):
        queries = rows[start : start + _ROWS]  # (Q, D)
        # The expanded form of the square would make rounding decide between near neighbours.
        distance = torch.cdist(queries, rows, compute_mode="donot_use_mm_for_euclid_dist")
        own = torch.arange(start, start + len(queries), device=rows.device)
        distance[torch.arange(len(queries), device=rows.device), own] = -1
        order = distance.argsort(dim=1, stable=True)[:, 1:]  # (Q, B - 1)
        same = (labels[order] == labels[own, None]).double()
        precisions.append((same * same.cumsum(1) / rank).sum(1) / same.sum(1))
    return torch.cat(precisions)


def mean_average_precision(codes: Tensor, labels: Tensor) -> float:
    """The mean `average_precision` of codes (B, D) that have others of their label (B,); nan where
    none has. Errors are those of `average_precision`."""
    return float(average_precision(codes, labels).nanmean())
