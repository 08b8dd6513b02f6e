"""How things are dealt into parts, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate, islice, pairwise


def deal(
    names: Sequence[str], seed: int, fractions: Sequence[float], what: str = "shapes"
) -> list[list[int]]:
    """Deal things into disjoint parts by a hash of their names.

    Gives the indices of each part's, in the order of their names. Every part gets one at least.
    `what` they are is for messages.

    Raises ValueError on fractions that are not positive or sum to more than 1, and on fewer things
    than parts.
    """
    if not fractions or min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
        raise ValueError(f"fractions must be positive and sum to 1 at most, got {fractions}")
    if len(names) < len(fractions):
        raise ValueError(f"{len(names)} {what} cannot be split into {len(fractions)} parts")

    def drawn(index: int) -> bytes:
        return blake2b(f"{seed}:{names[index]}".encode("utf-8", "surrogateescape")).digest()

    order = sorted(range(len(names)), key=drawn)
    ends = [round(len(order) * end) for end in accumulate(fractions)]
    sizes = [max(end - start, 1) for start, end in pairwise([0, *ends])]
    while sum(sizes) > len(order):
        sizes[sizes.index(max(sizes))] -= 1
    rest = iter(order)
    return [sorted(islice(rest, size), key=lambda index: names[index]) for size in sizes]
