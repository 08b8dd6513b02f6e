"""The derivatives that the operators share which find neighbours and their distances."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from . import transforms
from .distance_backward import distance_backward
from .group import gather


class Search(NamedTuple):
    """What was searched: for the points of x among those of y."""

    x: Tensor  # (B, N, D)
    y: Tensor  # (B, M, D)
    x_lengths: Tensor | None  # (B,)
    norm: int
    may_miss: bool  # index -1 stands for no neighbour

    def distances(self, index: Tensor) -> Tensor:
        """The distances to the neighbours, in plain PyTorch; 0 in padding and where none is."""
        chosen = self._choices(index)  # (B, N, K)
        hidden = chosen < 0
        if self.x_lengths is not None:
            row = torch.arange(self.x.shape[1], device=index.device)[:, None]
            hidden = hidden | (row >= self.x_lengths[:, None, None])
        difference = self.x[:, :, None] - gather(self.y, chosen.clamp(min=0))  # (B, N, K, D)
        difference = difference.masked_fill(hidden[..., None], 0)
        distance = difference.abs() if self.norm == 1 else difference.square()
        return distance.sum(-1).reshape(index.shape)

    def gradients(self, index: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
        """What reaches x and y of a gradient of the distances."""
        if self.may_miss:
            grad, index = grad.masked_fill(index < 0, 0), index.clamp(min=0)
        return distance_backward(
            self._choices(grad), self.x, self.y, self._choices(index), self.x_lengths, self.norm
        )

    def _choices(self, values: Tensor) -> Tensor:
        """Values a neighbour as (B, N, K), from (B, N) or, of a matrix, (N,)."""
        return values if values.dim() == 3 else values.reshape(*self.x.shape[:2], 1)


def register_distances(name: str) -> None:
    """Make an operator (x, y, ...) -> (distance, index) differentiable in x and y.

    One with four results finds y for x, then x for y.
    """
    schema = getattr(torch.ops.nvc3d, name).default._schema
    names = [argument.name for argument in schema.arguments]
    both = len(schema.returns) == 4

    def searches(arguments: tuple[Any, ...]) -> list[Search]:
        given = dict(zip(names, arguments, strict=False))  # torch leaves defaults out
        x, y = (a if a.dim() == 3 else a[None] for a in arguments[:2])
        rest = (given.get("norm", 2), "squared_radius" in given)
        there = Search(x, y, given.get("x_lengths"), *rest)
        return [there, Search(y, x, given["y_lengths"], *rest)] if both else [there]

    def plain(operator: transforms.Call, arguments: tuple[Any, ...]) -> tuple[Tensor, ...]:
        outputs = list(operator(*arguments))
        for i, search in enumerate(searches(arguments)):
            outputs[2 * i] = search.distances(outputs[2 * i + 1])
        return tuple(outputs)

    class Distances(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, operator: transforms.Call, *arguments: Any) -> tuple[Tensor, ...]:
            outputs = operator(*arguments)
            ctx.set_materialize_grads(False)
            ctx.mark_non_differentiable(*outputs[1::2])
            ctx.rest = [None if isinstance(a, Tensor) else a for a in arguments]
            tensors = [a if isinstance(a, Tensor) else None for a in arguments]
            ctx.save_for_backward(*tensors, *outputs[1::2])
            return outputs

        @staticmethod
        def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
            saved, rest = ctx.saved_tensors, ctx.rest
            arguments = tuple(
                r if tensor is None else tensor for tensor, r in zip(saved, rest, strict=False)
            )
            total: list[Tensor | None] = [None] * len(arguments)
            found = zip(searches(arguments), saved[len(arguments) :], grads[::2], strict=True)
            for i, (search, index, grad) in enumerate(found):
                if grad is None:
                    continue
                for at, part in zip((i, 1 - i), search.gradients(index, grad), strict=True):
                    before = total[at]
                    part = part.view(arguments[at].shape)
                    total[at] = part if before is None else before + part
            return None, *total

    transforms.register_autograd(name, 2, plain, Distances)
