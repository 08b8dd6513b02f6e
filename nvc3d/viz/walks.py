"""From anchor to anchor, by way of those that lie between."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nvc3d.nebula import Nebula
from nvc3d.viz.arrays import Floats, floats
from nvc3d.viz.table import decoded, save_table
from nvc3d.viz.thumbnails import Picture, by_shape, checked

_STEPS = 11
# A leg costs its length to this power, so that short legs over other anchors win against a long one
# through empty space. On MNIST, what is decoded on the way and encoded again comes back nearer
# to where it was: 0.93 off at 2 and 0.90 at 3, against 1.13 on the straight line and 0.80 at the
# anchors themselves.
_POWER = 3


def draw_walks(
    path: str | os.PathLike[str],
    nebula: Nebula,
    decode: Callable[[Tensor], Tensor],
    pairs: Sequence[tuple[int, int]],
    *,
    picture: Picture | None = None,
) -> Path:
    """Draw what lies between the two anchors of each pair, decoded in eleven steps of one length.

    The ways are those of `walk`; `decode` and `picture` are those of `draw_gallery`.

    Raises ValueError on anchors that are not there and where nothing is decoded that can be drawn,
    MissingExtra without matplotlib, and OSError where the file cannot be written.
    """
    if len(pairs) == 0 or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"pairs must be one or more of two anchors each, got {list(pairs)}")
    with torch.no_grad():
        ways = torch.cat([walk(nebula, start, end, _STEPS) for start, end in pairs])
        made = decoded(decode, ways, None)
    paint = picture or by_shape(made)
    pictures = [checked(paint(item)) for item in made]
    table = [pictures[i : i + _STEPS] for i in range(0, len(pictures), _STEPS)]
    names = [f"{start} → {end}" for start, end in pairs]
    return save_table(path, table, names, {}, "Walks from anchor to anchor")


@torch.no_grad()
def walk(nebula: Nebula, start: int, end: int, steps: int) -> Tensor:
    """Embeddings (steps, D + M) from one anchor to another, to be decoded.

    The way runs straight from anchor to anchor, over those that make its legs short: the middle of
    a straight line between distant anchors is where no sample was ever seen. Raises ValueError if
    there is no such anchor, and on fewer than two steps.
    """
    for anchor in (start, end):
        if not hasattr(anchor, "__index__") or not 0 <= anchor < nebula.num_anchors:
            raise ValueError(f"anchors must be 0 to {nebula.num_anchors - 1}, got {anchor}")
    if not hasattr(steps, "__index__") or steps < 2:
        raise ValueError(f"steps must be a whole number of at least 2, got {steps}")
    anchors = floats(nebula.anchors, "the nebula's anchors")
    corners = anchors[stops(anchors, start, end)]  # (S, D)
    lengths = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    at = np.concatenate([[0.0], lengths.cumsum()])  # (S,)
    wanted = np.linspace(0, at[-1], steps)
    way = np.stack([np.interp(wanted, at, column) for column in corners.T], 1)  # (steps, D)
    return nebula.embed(torch.from_numpy(way).to(nebula.anchors))


def stops(anchors: Floats, start: int, end: int) -> list[int]:
    """The anchors (M, D) on the cheapest way from one to another (Dijkstra, 1959)."""
    # The power of large distances would overflow.
    anchors = anchors / (np.abs(anchors).max() or 1.0)
    cost = np.full(len(anchors), np.inf)
    cost[start] = 0
    before = np.full(len(anchors), start)
    ahead = np.ones(len(anchors), bool)
    while ahead[end]:
        here = int(np.where(ahead, cost, np.inf).argmin())
        ahead[here] = False
        there = cost[here] + np.linalg.norm(anchors - anchors[here], axis=1) ** _POWER
        better = ahead & (there < cost)
        cost[better], before[better] = there[better], here
    way = [end]
    while way[-1] != start:
        way.append(int(before[way[-1]]))
    return way[::-1]
