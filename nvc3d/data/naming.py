"""Long lists in messages."""

from __future__ import annotations

from collections.abc import Sequence

NAMED_AT_MOST = 20


def named(things: Sequence[object], separator: str = ", ") -> str:
    """The first things of a list, and how many more there are."""
    told = separator.join(str(thing) for thing in things[:NAMED_AT_MOST])
    more = len(things) - NAMED_AT_MOST
    return f"{told} and {more} more" if more > 0 else told
