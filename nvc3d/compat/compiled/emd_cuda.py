"""The compiled module `emd_cuda` of the soft earth mover's distance."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import emd


@torch.no_grad()
def approxmatch_forward(xyz1: Tensor, xyz2: Tensor) -> Tensor:
    """See `emd.approxmatch`."""
    return emd.approxmatch(xyz1, xyz2)


def matchcost_forward(xyz1: Tensor, xyz2: Tensor, match: Tensor) -> Tensor:
    """See `emd.matchcost`."""
    return emd.matchcost(xyz1, xyz2, match)


def matchcost_backward(
    grad_cost: Tensor, xyz1: Tensor, xyz2: Tensor, match: Tensor
) -> list[Tensor]:
    """The gradients in xyz1 and xyz2, with the matching held fixed."""
    with torch.enable_grad():
        points = xyz1.detach().requires_grad_(), xyz2.detach().requires_grad_()
        cost = emd.matchcost(*points, match)
    return list(torch.autograd.grad(cost, points, grad_cost))
