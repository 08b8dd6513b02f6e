"""How often functions are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any


def counted(function: Callable[..., Any], calls: Counter[str]) -> Callable[..., Any]:
    """The function, which counts its calls under its name."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        calls[function.__name__] += 1
        return function(*args, **kwargs)

    return call


def count(place: object, names: Iterable[str]) -> Counter[str]:
    """Count from now on how often functions of a module are called that are reached through it."""
    calls: Counter[str] = Counter()
    for name in names:
        setattr(place, name, counted(getattr(place, name), calls))
    return calls
