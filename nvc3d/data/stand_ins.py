"""One broken file among thousands must not end a training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FAULTS = (ValueError, OSError, ImportError)
"""What reading a file that is broken, or gone, or of a kind nobody can read, may raise."""


class StandIns:
    """Puts the next good item in the place of a broken one, always the same, and says so once."""

    def __init__(self) -> None:
        self.broken: dict[str, str] = {}
        """What was met so far: name -> what is wrong with it."""

    def load(
        self, start: int, count: int, load: Callable[[int], T], name: Callable[[int], str]
    ) -> tuple[int, T]:
        """The first of the items start, start + 1, ... (of `count`, in a circle) that loads.

        Raises ValueError if none of them does.
        """
        met: list[tuple[str, str]] = []
        for step in range(count):
            at = (start + step) % count
            try:
                item = load(at)
            except FAULTS as error:
                met.append((name(at), str(error)))
                continue
            for broken, why in met:
                if broken not in self.broken:
                    self.broken[broken] = why
                    warnings.warn(f"{why}; {name(at)} stands in for it", stacklevel=3)
            return at, item
        raise ValueError(f"none of the {count} shapes can be used: {met[0][1]}")
