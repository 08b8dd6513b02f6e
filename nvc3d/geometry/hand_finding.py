"""Where the hands are in what a depth camera saw: the ends of limbs, without the arm.

What is wider than any arm is trunk; what sticks out of it, or into the image, or hangs on nothing
is a limb. Along a limb, from its end on, the width grows to the palm and shrinks to the wrist: it
is cut there. Of several limbs the nearest are taken for those that show a hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.geometry.depth_graph import DepthGraph, Floats, Nodes
from nvc3d.geometry.intrinsics import Intrinsics

CUBE = 250.0
"""The side of the cube around a hand's middle that holds it. This and all that follow: mm."""
SPACING, JUMP = 6.0, 20.0
"""Between the nodes that the image is seen by, and of depth between neighbours on one surface."""
NODES = 6000
"""How many of them at most."""
THICK, SURROUNDED, BESIDE = 75.0, 0.8, (100.0, 50.0)
"""What is trunk: how far around, for which share of the circle, and how much nearer and farther
than it there is something."""
ROUND = 1.2
"""How much longer a way along a surface is than across the image."""
STICKS_OUT, LEAST = 150.0, 60.0
"""How long a limb is that comes out of a trunk, and one that hangs on nothing."""
INSIDE = 10.0
"""How far the middle of a hand is behind that of what is seen of it."""
AREA, OF_HAND = 3000.0, 1500.0
"""How much must be seen of a limb, and of the hand at its end, mm^2."""
BEHIND, UNFIT = 200.0, 150.0
"""How much farther than the nearest hand another may be, and for how much farther is taken what is
not as wide as a hand and a wrist."""
HAND = 200.0
"""What hangs on nothing and is shorter is a hand without an arm."""
ASIDE = JUMP + 1.5 * SPACING
"""How far in depth what is seen of a hand may be from the nearest node."""
NEAREST, FARTHEST = 50.0, 10000.0
"""Between which most of what a depth camera sees lies."""
COARSER = 4
"""How many sizes of places are tried for points, until two lie in each."""
STEP, PALM, WRIST = 10.0, 160.0, (45.0, 110.0)
"""Of the widths along a limb; from the end of a limb to the widest of the palm at most, and from
there to the wrist."""
ABOUT = 1.1
"""How wide a wrist is at most, in widths of the narrowest place near it: the first is taken."""
NARROW, WIDEST = 0.85, 140.0
"""How wide a wrist is at most, in widths of the palm, and how wide a palm with its thumb."""
FINGERS = 100.0
"""How much of an end is looked at for fingers, which lie at edges."""


class NoHand(ValueError):
    """Nothing that was seen may be a hand."""


@dataclass(frozen=True, eq=False)
class FoundHand:
    """A hand that was found. Lengths are millimetres, x to the right, y down, z forward.

    Args:
        centre: (3,) float64, the middle of it as far as it is seen.
        points: (N, 3) float32, what is seen of it, without the arm.
        cube: the side of the cube around the centre that holds it.
    """

    centre: NDArray[np.float64]
    points: NDArray[np.float32]
    cube: float = CUBE


def find_hands(depth: ArrayLike, camera: Intrinsics, most: int = 2) -> list[FoundHand]:
    """The hands in a depth image, the nearest first.

    Args:
        depth: (height, width) metres, 0 where nothing was seen.
        camera: that took it.
        most: how many at most.

    Raises NoHand where nothing may be a hand, and ValueError on an image of another size than the
    camera's, on one that saw nothing, and on another unit.
    """
    z = camera.checked(depth).astype(np.float32) * 1000
    _require_millimetres(z[z > 0])
    stride = _stride(z, camera)
    at = stride // 2
    some = z[at::stride, at::stride]
    rows, columns = np.nonzero(some)
    points = _before(camera, at + stride * rows, at + stride * columns, some[rows, columns])
    graph = _graph(some.shape, rows, columns, points, stride / camera.fx)

    def shown(hand: Nodes) -> Floats:
        of_hand = np.zeros(some.shape, np.float32)
        of_hand[rows[hand], columns[hand]] = some[rows[hand], columns[hand]]
        top, left = rows[hand].min(), columns[hand].min()
        nodes = of_hand[top : rows[hand].max() + 1, left : columns[hand].max() + 1]
        node = nodes.repeat(stride, 0).repeat(stride, 1)
        top, left = top * stride, left * stride
        window = z[top : top + len(node), left : left + node.shape[1]]
        node = node[: len(window), : window.shape[1]]
        v, u = np.nonzero((node > 0) & (window > 0) & (np.abs(window - node) <= ASIDE))
        return _before(camera, v + top, u + left, window[v, u])

    return _found(graph, most, shown)


def find_hands_in_points(points: ArrayLike, most: int = 2) -> list[FoundHand]:
    """The hands in points (N, 3) before a camera, in mm, the nearest first.

    Raises NoHand where nothing may be a hand, and ValueError on points behind the camera and on
    another unit.
    """
    rows = _millimetres(points)
    tangents = rows[:, :2] / rows[:, 2:]
    low, extent = tangents.min(0), float(np.ptp(tangents, 0).max())
    cell = max(SPACING / float(np.percentile(rows[:, 2], 10)), extent / 1000)
    for _ in range(COARSER):
        # With a margin: points have no border that a limb could come in by.
        places = np.rint((tangents - low) / cell).astype(np.int64) + 1
        columns, lines = (places.max(0) + 2).tolist()
        place = places[:, 1] * columns + places[:, 0]
        off = np.abs(tangents - low - (places - 1) * cell).max(1)
        order = np.lexsort((off, place))
        first = np.diff(place[order], prepend=-1) != 0
        if 2 * first.sum() <= len(rows):
            break
        cell *= 1.5
    taken = order[first]
    node = np.empty(len(rows), np.int64)
    node[order] = np.cumsum(first) - 1
    graph = _graph((lines, columns), places[taken, 1], places[taken, 0], rows[taken], cell)

    def shown(hand: Nodes) -> Floats:
        aside = np.abs(rows[:, 2] - rows[taken[node], 2])
        return rows[np.isin(node, hand) & (aside <= ASIDE)]

    return _found(graph, most, shown)


def _limbs(graph: DepthGraph) -> Iterator[tuple[Nodes, bool]]:
    """The nodes of what may be the hand of each limb, and whether its widths are those of one."""
    thick = np.flatnonzero(graph.surrounded(THICK, *BESIDE) >= SURROUNDED)
    trunk = np.zeros(len(graph.points), bool)
    trunk[graph.distances(thick, ROUND * THICK) < np.inf] = True
    beside_trunk = np.asarray(trunk[graph.neighbours].any(0))
    rows, columns = graph.places
    height, width = graph.number.shape
    at_border = (rows == 0) | (columns == 0) | (rows == height - 1) | (columns == width - 1)
    rest = np.flatnonzero(~trunk)
    limbs = graph.part(rest)
    for piece in limbs.pieces():
        nodes = rest[piece]
        if graph.area(nodes) < AREA:
            continue
        limb, out_of_trunk = limbs.part(piece), np.flatnonzero(beside_trunk[nodes])
        roots = out_of_trunk if len(out_of_trunk) else np.flatnonzero(at_border[nodes])
        way = limb.distances(roots) if len(roots) else _from_the_arm(limb)
        if way.max() >= (STICKS_OUT if len(out_of_trunk) else LEAST):
            end, fits = _end(limb, way.max() - way, len(roots) == 0)
            if limb.area(end) >= OF_HAND:
                yield nodes[end], fits


def _end(limb: DepthGraph, way: Floats, free: bool) -> tuple[Nodes, bool]:
    """The nodes of a limb as far as the wrist, and whether its widths are those of a hand.

    Args:
        way: from the end of the limb on.
        free: whether it hangs on nothing.
    """
    if free and way.max() < HAND:
        return np.arange(len(way)), True
    widths = _widths(limb, way)
    palm = int(widths[: round(PALM / STEP)].argmax())
    nearest, farthest = (palm + round(length / STEP) for length in WRIST)
    nearest = min(nearest, len(widths) - 1)
    beyond = widths[nearest : farthest + 1]
    wrist = nearest + int((beyond <= ABOUT * beyond.min()).argmax())
    fits = bool(widths[wrist] < NARROW * widths[palm] and widths[palm] < WIDEST)
    return np.flatnonzero(way < (wrist + 1) * STEP), fits


def _from_the_arm(limb: DepthGraph) -> Floats:
    """How far each node of a limb that hangs on nothing is from that of its ends which is less like
    a hand."""
    start = limb.distances(np.array([0]))
    one = limb.distances(np.array([start.argmax()]))
    other = limb.distances(np.array([one.argmax()]))
    return one if _likeness(limb, one) < _likeness(limb, other) else other


def _likeness(limb: DepthGraph, way: Floats) -> float:
    """How much an end of a limb is like a hand: wide, of fingers, and near. `way`: from the end."""
    end = way < FINGERS
    fingers = float(np.isinf(limb.apart[:, end]).any(0).mean())
    wide = float(np.log(_widths(limb, way)[: round(PALM / STEP)].max()))
    return wide + 2.5 * fingers - float(limb.points[end, 2].mean()) / 600


def _widths(limb: DepthGraph, way: Floats) -> NDArray[np.float64]:
    """How wide a limb is, step by step along the way."""
    areas = np.bincount((way / STEP).astype(np.int64), limb.widths.astype(np.float64) ** 2)
    return np.convolve(np.pad(areas, 1, mode="edge"), (0.25, 0.5, 0.25), "valid") / STEP


def _found(graph: DepthGraph, most: int, shown: Callable[[Nodes], Floats]) -> list[FoundHand]:
    """The nearest of the hands, each with the points that it is shown by."""
    limbs = []
    for hand, fits in _limbs(graph):
        depth = float(np.median(graph.points[hand, 2]))
        limbs.append((depth if fits else depth + UNFIT, fits, hand))
    if not limbs:
        raise NoHand(
            f"no hand was found: nothing of {AREA / 100:g} cm² or more ends as an arm does; say "
            "where it is"
        )
    limbs.sort(key=lambda limb: limb[0])
    found: list[FoundHand] = []
    for depth, fits, hand in limbs[:most]:
        if not found or (fits and depth <= limbs[0][0] + BEHIND):
            # Of what is not joined rightly, little is left so.
            centre = np.percentile(graph.points[hand].astype(np.float64), (2, 98), axis=0).mean(0)
            centre *= 1 + INSIDE / np.linalg.norm(centre)
            points = shown(hand)
            found.append(FoundHand(centre, points[np.abs(points - centre).max(1) <= CUBE / 2]))
    return found


def _graph(
    shape: tuple[int, ...], rows: Nodes, columns: Nodes, points: Floats, width: float
) -> DepthGraph:
    """A graph of points, each in a place of a grid, given row by row; `width`: between places, at a
    depth of 1."""
    number = np.full(shape, -1)
    number[rows, columns] = np.arange(len(rows))
    return DepthGraph(number, points, (points[:, 2] * width).astype(np.float32), JUMP)


def _stride(z: Floats, camera: Intrinsics) -> int:
    """Of how many pixels one becomes a node, across and down."""
    seen = z[::4, ::4]
    seen = seen[seen > 0] if seen.any() else z[z > 0]
    by_width = round(SPACING * camera.fx / float(np.percentile(seen, 10)))
    by_count = round(float(np.sqrt((z > 0).sum() / NODES)))
    return max(by_width, by_count, 1)


def _before(camera: Intrinsics, v: Nodes, u: Nodes, z: Floats) -> Floats:
    return camera.lifted(u, v, z).astype(np.float32)


def _millimetres(points: ArrayLike) -> Floats:
    rows = np.asarray(points, np.float32)
    if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) == 0 or not np.isfinite(rows).all():
        raise ValueError(f"points must be (N, 3) and finite, with N > 0, got {rows.shape}")
    behind = int((rows[:, 2] <= 0).sum())
    if behind:
        raise ValueError(
            f"{behind} of {len(rows)} points are not before the camera: z must be forward, x to "
            "the right and y down; nvc3d.geometry.intrinsics.turned turns other axes"
        )
    _require_millimetres(rows[:, 2])
    return rows


def _require_millimetres(z: Floats) -> None:
    usual = float(np.median(z[:: max(len(z) // 1000, 1)]))
    if not NEAREST <= usual <= FARTHEST:
        raise ValueError(
            f"most of it lies {usual / 1000:.3g} m before the camera, expected {NEAREST / 1000:g} "
            f"to {FARTHEST / 1000:g} m: its unit is another"
        )
