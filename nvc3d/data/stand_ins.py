"""One broken file among thousands must not end a training."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from nvc3d.files.shapes import NO_FAULTS

T = TypeVar("T")

FAULTS = (Exception,)
"""What reading a file that is broken, or gone, or of a kind nobody can read, may raise: a decoder
may meet anything in it, the end of memory and of the stack included. `reading` makes one of what
Rust raises, which is none."""
_EXPECTED = (ValueError, OSError, ImportError)


class StandIns:
    """Puts the next good item in the place of a broken one, always the same, and says so once."""

    def __init__(self) -> None:
        self.broken: dict[str, str] = {}
        """What was met so far: name -> what is wrong with it."""

    def load(
        self, start: int, count: int, load: Callable[[int], T], name: Callable[[int], str]
    ) -> tuple[int, T]:
        """The first of the items start, start + 1, ... (of `count`, in a circle) that loads.

        Raises ValueError if none of them does, from the fault of the first.
        """
        met: list[tuple[str, str]] = []
        first: BaseException | None = None
        for step in range(count):
            at = (start + step) % count
            try:
                item = load(at)
            except BaseException as error:
                if isinstance(error, NO_FAULTS):
                    raise
                first = first or error
                # Those that are raised on purpose name their file.
                said = str(error)
                if not isinstance(error, _EXPECTED):
                    said = f"{name(at)}: {type(error).__name__}: {said}"
                met.append((name(at), said))
                continue
            for broken, why in met:
                if broken not in self.broken:
                    self.broken[broken] = why
                    warnings.warn(f"{why}; {name(at)} stands in for it", stacklevel=3)
            return at, item
        raise ValueError(f"none of the {count} shapes can be used: {met[0][1]}") from first
