"""How good and how different generated clouds are, beside real ones that they were not made from.

As their field computes them, with CD-L2 as the distance of two clouds.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nvc3d.metrics.completion import cd_l2


class Generated(NamedTuple):
    """How generated clouds compare with a reference."""

    mmd: float
    """Minimum matching distance: the mean over the reference of CD-L2 to the nearest generated
    cloud. (Achlioptas, Diamanti, Mitliagkas, Guibas, "Learning Representations and Generative
    Models for 3D Point Clouds", ICML 2018.)"""
    coverage: float
    """Share of the reference that is nearest to at least one generated cloud. (As MMD.)"""
    one_nn: float
    """Share of all clouds whose nearest other one, of both sets, is of their own: 0.5 where the
    sets cannot be told apart, 1 where they are apart or the generated ones copies of one another.
    (Yang, Huang, Hao, Liu, Belongie, Hariharan, "PointFlow: 3D Point Cloud Generation with
    Continuous Normalizing Flows", ICCV 2019.)"""


@torch.no_grad()
def compare_sets(generated: Tensor, reference: Tensor) -> Generated:
    """Measure clouds generated (G, N, 3) against a reference (R, M, 3), best of as many.

    On ties the first is the nearest, those generated before the reference. It takes (G +
    R)² distances of clouds. Raises ValueError on other
    shapes, empty sets, and as `ops.nearest` does.
    """
    for name, clouds in (("generated", generated), ("reference", reference)):
        if clouds.dim() != 3 or 0 in clouds.shape:
            raise ValueError(f"{name} must be (B, N, 3) and not empty, got {tuple(clouds.shape)}")
    across = distances(generated, reference)  # (G, R)
    own = distances(generated, generated).fill_diagonal_(torch.inf)
    true = distances(reference, reference).fill_diagonal_(torch.inf)
    nearest = torch.cat([torch.cat([own, across], 1), torch.cat([across.mT, true], 1)]).argmin(1)
    is_generated = torch.arange(len(nearest), device=nearest.device) < len(generated)
    return Generated(
        mmd=float(across.amin(0).mean()),
        coverage=len(across.argmin(1).unique()) / len(reference),
        one_nn=float((is_generated[nearest] == is_generated).double().mean()),
    )


def distances(x: Tensor, y: Tensor) -> Tensor:
    """CD-L2 (A, B) of all pairs of clouds x (A, N, 3) and y (B, M, 3)."""
    return torch.stack([cd_l2(cloud.expand(len(y), -1, -1), y) for cloud in x])
