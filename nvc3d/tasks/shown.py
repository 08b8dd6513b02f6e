"""Which items of a split are worth a place in a picture."""

from __future__ import annotations

from collections.abc import Sequence


def spread(labels: Sequence[int], count: int) -> list[int]:
    """Indices of at most `count` items, of as many different labels as can be, evenly chosen."""
    turn: dict[int, int] = {}
    rank = []
    for index, label in enumerate(labels):
        turn[label] = turn.get(label, -1) + 1
        rank.append((turn[label], label, index))
    # Items of the first turn have all labels; those shown are spread over them.
    first = sorted(rank)[: max(len(turn), count)]
    step = max(len(first) / count, 1)
    return [first[int(i * step)][2] for i in range(min(count, len(first)))]
