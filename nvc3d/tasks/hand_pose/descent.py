"""Steps down to where least is missed (Levenberg 1944, Marquardt 1963), for many hands at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

DAMPED, LESS, MORE = 1e-2, 0.3, 5.0
"""How much a step is damped in the beginning, and by what that is multiplied after a good and after
a bad one."""


@dataclass(frozen=True, eq=False)
class Missed:
    """How much is missed by hands of N numbers, and how that changes with them.

    Args:
        value: (B,).
        slope: (B, N), its gradient.
        curve: (B, N, N), about its second derivative.
    """

    value: Tensor
    slope: Tensor
    curve: Tensor

    def __add__(self, other: Missed) -> Missed:
        return Missed(self.value + other.value, self.slope + other.slope, self.curve + other.curve)

    def replaced(self, where: Tensor, other: Missed) -> Missed:
        """The same but for some hands (B,), which are those of another."""
        return Missed(
            torch.where(where, other.value, self.value),
            torch.where(where[:, None], other.slope, self.slope),
            torch.where(where[:, None, None], other.curve, self.curve),
        )


def usual(numbers: Tensor, weights: Tensor) -> Missed:
    """How unusual numbers (B, N) of mean 0 are, of which each times its weight (N,) has a deviation
    of 1."""
    slope = weights.square() * numbers
    curve = weights.square().diag().expand(len(numbers), -1, -1)
    return Missed((slope * numbers).sum(1) / 2, slope, curve)


def robust(values: Tensor, slopes: Tensor, reach: float) -> Missed:
    """Of M vectors (B, M, D) that should be 0 with a deviation of 1, and their slopes (B, M, D, N):
    half of their squares, but by Cauchy's logarithm from about `reach` on."""
    far = values.square().sum(-1) / reach**2  # (B, M)
    weighted = (slopes / (1 + far)[..., None, None]).flatten(1, 2).mT  # (B, N, MD)
    return Missed(
        reach**2 / 2 * far.log1p().sum(1),
        (weighted @ values.flatten(1)[..., None])[..., 0],
        weighted @ slopes.flatten(1, 2),
    )


def descended(
    missed: Callable[[Tensor], Missed], numbers: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Numbers (B, N) that miss less, each hand by steps of its own, and how much that is, (B,)."""
    here = missed(numbers)
    damped = torch.full_like(here.value, DAMPED)
    for _ in range(steps):
        diagonal = here.curve.diagonal(dim1=-2, dim2=-1)
        curve = here.curve + torch.diag_embed(damped[:, None] * diagonal)
        moved = numbers - torch.linalg.solve(curve, here.slope)
        there = missed(moved)
        better = there.value < here.value
        damped = damped * torch.where(better, LESS, MORE)
        numbers = torch.where(better[:, None], moved, numbers)
        here = here.replaced(better, there)
    return numbers, here.value
