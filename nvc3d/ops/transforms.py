"""How the operators meet autograd, forward-mode derivatives and torch.vmap: one way for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from . import checks
from .library import registrations
from .memory import raise_as_torch

Call = Callable[..., Any]

# The arguments with one number a cloud; all others are (B, N, D).
_VECTORS = ("lengths", "x_lengths", "y_lengths", "start")


def register_autograd(
    name: str,
    tensors: int,
    plain: Callable[[Call, tuple[Any, ...]], Any],
    function: type[torch.autograd.Function],
) -> None:
    """Say how an operator is differentiated in the first `tensors` of its arguments.

    Both ways get the operator without its derivatives, and its arguments: `function.apply`, the
    fast one, serves `backward`; `plain` answers in plain PyTorch where forward-mode derivatives or
    torch.func look on, which know every derivative of it.
    """
    operator = getattr(torch.ops.nvc3d, name).default

    def kernel(keyset: Any, *arguments: Any) -> Any:
        def below(*arguments: Any) -> Any:
            try:
                with torch._C._AutoDispatchBelowAutograd():
                    return operator.redispatch(keyset & torch._C._after_autograd_keyset, *arguments)
            except RuntimeError as error:
                raise_as_torch(error)

        if _transformed(arguments[:tensors]):
            return plain(below, arguments)
        if torch.is_grad_enabled() and torch._C._any_requires_grad(*arguments[:tensors]):
            return function.apply(below, *arguments)
        return below(*arguments)

    registrations.impl(name, kernel, "Autograd", with_keyset=True)


def register_no_gradient(name: str) -> None:
    """Say that what an operator gives, picks or choices, has no derivatives."""
    registrations.impl(name, torch.library.fallthrough_kernel, "Autograd")


def _transformed(tensors: tuple[Tensor, ...]) -> bool:
    if forward_ad._current_level >= 0:
        return True
    return any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in tensors)


def register_vmap(name: str) -> None:
    """Fold the dimension of torch.vmap into the batch of an operator of padded batches."""
    operator = getattr(torch.ops.nvc3d, name).default
    names = [argument.name for argument in operator._schema.arguments]

    def fold(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        folded = []
        for label, value, dim in zip(names, arguments, in_dims, strict=False):
            if isinstance(value, Tensor):
                value = stacked(value, dim, info.batch_size)  # (V, B, ...)
                shape = tuple(value.shape[1:])
                rank, form = (1, "(B,)") if label in _VECTORS else (3, "(B, N, D)")
                checks.check(len(shape) == rank, f"{label} must be {form}, got {shape}")
                value = value.flatten(0, 1)
            folded.append(value)
        outputs = operator(*folded)
        batch = (info.batch_size, shape[0])
        if isinstance(outputs, Tensor):
            return outputs.unflatten(0, batch), 0
        return tuple(output.unflatten(0, batch) for output in outputs), (0,) * len(outputs)

    torch.library.register_vmap(operator, fold, lib=registrations)


def stacked(value: Tensor, dim: int | None, size: int) -> Tensor:
    """An argument of torch.vmap with its dimension first."""
    return value.expand(size, *value.shape) if dim is None else value.movedim(dim, 0)
