"""Squared distances between latents and anchors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def distances_to(latents: Tensor, anchors: Tensor) -> Tensor:
    """Squared distances (B, M) of latents (B, D) to anchors (M, D), also far from the origin."""
    out: Tensor = _Distances.apply(latents, anchors)
    return out


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        # Near the origin the expanded square loses no digits.
        centre = y.mean(0)
        x, y = x - centre, y - centre
        ctx.save_for_backward(x, y)
        return squared_distance(x, y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, y = ctx.saved_tensors
        to_x = torch.addmm(x * grad.sum(1, keepdim=True), grad, y, beta=2, alpha=-2)
        to_y = torch.addmm(y * grad.sum(0)[:, None], grad.t(), x, beta=2, alpha=-2)
        return to_x, to_y


def squared_distance(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances (N, M) of the rows of x (N, D) and y (M, D), best near the origin."""
    square = torch.addmm(y.square().sum(1), x, y.t(), alpha=-2)  # (N, M)
    return square.add_(x.square().sum(1, keepdim=True)).clamp_min_(0)
