"""Depth images as graphs, beside plain definitions."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from nvc3d.geometry.depth_graph import DepthGraph


def graph(shape: tuple[int, int] = (14, 17), seed: int = 0, share: float = 0.7) -> DepthGraph:
    """A rough surface with holes and steps."""
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(rng.random(shape) < share)
    number = np.full(shape, -1)
    number[rows, columns] = np.arange(len(rows))
    z = 500 + 60.0 * (columns > 8) + rng.normal(size=len(rows)) * 8
    points = np.stack([columns * 6.0, rows * 6.0, z], 1).astype(np.float32)
    return DepthGraph(number, points, (z * 0.012).astype(np.float32), 20.0)


def edges(of: DepthGraph) -> list[list[tuple[int, float]]]:
    rows, columns = of.places
    found: list[list[tuple[int, float]]] = []
    for a in range(len(rows)):
        own = []
        for b in range(len(rows)):
            beside = max(abs(rows[a] - rows[b]), abs(columns[a] - columns[b])) == 1
            apart = float(np.linalg.norm(of.points[a] - of.points[b]))
            if beside and apart <= of.jump + 0.75 * (of.widths[a] + of.widths[b]):
                own.append((b, apart))
        found.append(own)
    return found


def shortest(of: list[list[tuple[int, float]]], start: list[int]) -> np.ndarray:
    found = np.full(len(of), np.inf)
    heap = [(0.0, node) for node in start]
    while heap:
        way, node = heapq.heappop(heap)
        if way < found[node]:
            found[node] = way
            for other, apart in of[node]:
                heapq.heappush(heap, (way + apart, other))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_distances_and_pieces(seed: int) -> None:
    of = graph(seed=seed, share=0.55)
    plain = edges(of)
    start = np.array([3, 20])
    expected = shortest(plain, start.tolist())
    assert np.isinf(expected).any() and np.isfinite(expected).sum() > 20, "it must tell something"
    np.testing.assert_allclose(of.distances(start), expected, rtol=1e-5)
    near = of.distances(start, 40)
    assert np.array_equal(np.isfinite(near), expected <= 40)
    pieces = of.pieces()
    assert sorted(np.concatenate(pieces).tolist()) == list(range(len(of.points)))
    assert [len(p) for p in pieces] == sorted((len(p) for p in pieces), reverse=True)
    for piece in pieces:
        assert np.array_equal(np.flatnonzero(np.isfinite(shortest(plain, [piece[0]]))), piece)


def test_a_part_is_joined_as_the_whole_is() -> None:
    of = graph(seed=1)
    nodes = np.flatnonzero(np.random.default_rng(2).random(len(of.points)) < 0.8)
    part = of.part(nodes)
    anew = DepthGraph(part.number, part.points, part.widths, part.jump)
    assert np.array_equal(part.neighbours, anew.neighbours)
    assert np.array_equal(part.apart, anew.apart)
    assert np.array_equal(part.points, of.points[nodes])
    assert part.area(np.arange(len(nodes))) == pytest.approx(of.area(nodes))


def test_surrounded() -> None:
    """In the middle of a plate, at its edge, in its corner, and before another one."""
    number = np.arange(41 * 41).reshape(41, 41)
    rows, columns = np.divmod(np.arange(41 * 41), 41)
    z = np.where((rows < 20) & (columns < 20), 500.0, 700.0)
    points = np.stack([columns * 5.0, rows * 5.0, z], 1).astype(np.float32)
    of = DepthGraph(number, points, np.full(len(z), 5, np.float32), 20)
    share = of.surrounded(40, 30, 30).reshape(41, 41)
    assert share[30, 30] == 1 and share[9, 9] == 1
    assert share[40, 30] == pytest.approx(0.5, abs=0.1) and share[19, 5] < 0.6
    assert share[40, 40] == pytest.approx(0.25, abs=0.1)
    assert of.surrounded(40, 30, 300).reshape(41, 41)[18, 18] == 1, "what is behind counts"
