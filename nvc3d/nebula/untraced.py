"""Functions that run as Python beside a compiled graph."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import torch

_Function = TypeVar("_Function", bound=Callable[..., Any])


def untraced(function: _Function) -> _Function:
    """torch.compiler.disable, put off until there is a compiler: applying it imports that, which
    takes everyone a second or more, compiled or not."""
    disabled: list[Callable[..., Any]] = []

    @wraps(function)
    def call(*args: Any) -> Any:
        if "torch._dynamo" not in sys.modules:
            return function(*args)
        if not disabled:
            disabled.append(torch.compiler.disable(function))
        return disabled[0](*args)

    return cast(_Function, call)
