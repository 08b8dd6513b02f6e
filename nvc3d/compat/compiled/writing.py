"""Functions of torch in the form that peers compile: sizes come first, answers go into tensors."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
from torch import Tensor

Written = Callable[..., int]


def write(out: Tensor, values: Tensor) -> int:
    """Put values into a tensor that the caller made."""
    out.data.copy_(values)
    return 1


def tensors(sizes_and_tensors: tuple[Any, ...], expected: int) -> list[Tensor]:
    """The tensors among what a compiled function is given; sizes are theirs, and have no effect."""
    found = [value for value in sizes_and_tensors if isinstance(value, Tensor) and value.dim()]
    if len(found) != expected:
        raise TypeError(f"the compiled function takes {expected} tensors, got {len(found)}")
    return found


def compiled(call: Callable[..., Tensor], order: str) -> tuple[Written, Written]:
    """The two compiled functions of an operator.

    The first takes what `call` takes, and a last tensor for the answer. The second takes tensors in
    the given order: those of `call` by their names, `grad` for the gradient of the answer, and
    `d_name` for a tensor to which the gradient in `name` is added. Where a tensor is not handed
    over at all, the gradient does not depend on it. What is in `order` alone has no effect.

    Args:
        call: differentiable. If it takes `rows`, that is the length of the answer.
        order: names, with a space between.
    """
    names, taken = order.split(), list(signature(call).parameters)
    has_rows = "rows" in taken
    inputs = [name for name in taken if name != "rows"]
    wanted = [name[2:] for name in names if name.startswith("d_")]

    def forward(*sizes_and_tensors: Any) -> int:
        *values, out = tensors(sizes_and_tensors, len(inputs) + 1)
        with torch.no_grad():
            return write(out, call(*values, **({"rows": len(out)} if has_rows else {})))

    def backward(*sizes_and_tensors: Any) -> int:
        given = dict(zip(names, tensors(sizes_and_tensors, len(names)), strict=True))
        values = {name: given[name] if name in given else given[f"d_{name}"] for name in inputs}
        for name in wanted:
            values[name] = values[name].detach().requires_grad_()
        with torch.enable_grad():
            answer = call(**values, **({"rows": len(given["grad"])} if has_rows else {}))
        grads = torch.autograd.grad(answer, [values[name] for name in wanted], given["grad"])
        for name, grad in zip(wanted, grads, strict=True):
            given[f"d_{name}"].data.add_(grad)
        return 1

    return forward, backward
