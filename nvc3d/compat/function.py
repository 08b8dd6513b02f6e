"""The classes of autograd that peers export beside their functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def function_of(call: Callable[..., Any]) -> type:
    """A class whose `apply` is the function, as that of a `torch.autograd.Function` would be."""
    name = "".join(part.title() for part in call.__name__.split("_"))
    return type(name, (), {"apply": staticmethod(call), "__doc__": call.__doc__})
