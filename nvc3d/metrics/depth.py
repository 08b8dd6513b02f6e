"""How far depth images are from the truth, by the field's eight numbers."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

LEAST = 1e-4
"""Depth up to which nothing was seen, in metres."""


class DepthErrors(NamedTuple):
    """Of all pixels that the truth knows; 0 is best of the first five, 1 of the rest."""

    rel: float  # mean of |z - t| / t
    rel_sqr: float  # mean of (z - t)² / t, in the unit of depth
    log10: float  # mean of |log10 z - log10 t|
    rmse: float  # in the unit of depth
    rmse_log: float  # of natural logarithms
    delta_1: float  # the share with max(z / t, t / z) < 1.25
    delta_2: float  # < 1.25²
    delta_3: float  # < 1.25³


def depth_errors(
    depth: Tensor,
    truth: Tensor,
    valid: Tensor | None = None,
    *,
    compat: Literal["planar-reconstruction"] | None = None,
) -> DepthErrors:
    """Compare depths (...) with true ones (...), in metres, where the truth is above 0.1 mm, and
    `valid` (...) bool, where it is given, True.

    Where the answer has no depth, 0.1 mm stands for it. `compat="planar-reconstruction"` does so
    only for `log10` and the deltas: `rmse_log` is not finite there if any pixel of the image,
    valid or not, lacks a depth. (Eigen, Puhrsch, Fergus, "Depth map prediction from a single image
    using a multi-scale deep network", NIPS 2014.)

    Raises ValueError on images of different shapes, no valid pixel, and another `compat`.
    """
    check_compat(compat)
    shapes = [tuple(t.shape) for t in (depth, truth, valid) if t is not None]
    if len(set(shapes)) != 1:
        raise ValueError(f"depth, truth and valid must have one shape, got {shapes}")
    own, true = depth.double(), truth.double()
    there = true > LEAST if valid is None else (true > LEAST) & valid.bool()
    if not there.any():
        raise ValueError(f"no pixel of the truth {tuple(truth.shape)} has a depth")
    z, t = own[there].clamp(min=LEAST), true[there]
    off, ratio = own[there] - t, torch.maximum(z / t, t / z)
    logs = z.log() - t.log()
    rmse_log = logs.square().mean().sqrt()
    if compat:
        everywhere = (own.log() - true.log()).square() * there
        rmse_log = (everywhere.sum() / there.sum()).sqrt()
    return DepthErrors(
        *(
            float(value)
            for value in (
                (off.abs() / t).mean(),
                (off.square() / t).mean(),
                (z.log10() - t.log10()).abs().mean(),
                off.square().mean().sqrt(),
                rmse_log,
                *((ratio < 1.25**power).double().mean() for power in (1, 2, 3)),
            )
        )
    )


def check_compat(compat: str | None) -> None:
    """Raise ValueError on a reference that is not known."""
    if compat not in (None, "planar-reconstruction"):
        raise ValueError(f'compat must be "planar-reconstruction" or None, got {compat!r}')
