"""The kernels of planes against numpy in float64, with the same bits on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.build import load
from test_kernels import BOTH_TYPES

PLANES = load().planes


def neighbours(points, k):
    """The nearest of each (N, K), itself first."""
    apart = np.square(points[:, None] - points[None]).sum(-1)
    return np.argsort(apart, axis=1, kind="stable")[:, :k].copy()


def corner(dtype, n=150):
    """Points (2 n, 3) of a floor and a wall, and which they are on."""
    u, v = np.random.default_rng(0).random((2, n))
    zero = np.zeros(n)
    points = np.concatenate([np.stack([u, v, zero], 1), np.stack([zero, u, v], 1)])
    return points.astype(dtype), np.repeat([0, 1], n)


def same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@BOTH_TYPES
@pytest.mark.parametrize("n, k", [(1, 1), (5, 3), (2300, 12)])
def test_planes_of_neighbours(dtype, n, k):
    rng = np.random.default_rng(n)
    points = (rng.normal(size=(n, 3)) * [1, 1, 0.1] + 7).astype(dtype)
    index = rng.integers(0, n, (n, k))
    normal, variance = PLANES.local_planes(points, index)
    same((normal, variance), PLANES.local_planes(points, index, threads=3))
    around = points[index].astype(np.float64)
    away = around - around.mean(1, keepdims=True)
    values, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", away, away) / k)
    np.testing.assert_allclose(variance, values.clip(0), rtol=1e-4, atol=1e-6)
    clear = values[:, 1] > 1.5 * values[:, 0] + 1e-9
    along = np.abs((normal * axes[:, :, 0]).sum(1))
    np.testing.assert_allclose(along[clear], 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, rtol=1e-6)


@BOTH_TYPES
@pytest.mark.parametrize("n, regions", [(0, 2), (9, 0), (200, 5), (150000, 3)])
def test_moments_of_regions(dtype, n, regions):
    rng = np.random.default_rng(n)
    points = rng.normal((0, 0, 50), 1, (n, 3)).astype(dtype)
    region = rng.integers(-1, max(regions, 0), n)
    size, centre, scatter = PLANES.plane_moments(points, region, regions)
    same((size, centre, scatter), PLANES.plane_moments(points, region, regions, threads=3))
    for r in range(regions):
        own = points[region == r].astype(np.float64)
        assert size[r] == len(own)
        expected = (own.mean(0), np.cov(own.T, bias=True)) if len(own) else (0, 0)
        np.testing.assert_allclose(centre[r], expected[0], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(scatter[r], expected[1], rtol=1e-5, atol=1e-6)


@BOTH_TYPES
def test_regions_grow_to_the_edge_between_two_faces(dtype):
    points, face = corner(dtype)
    index = neighbours(points, 12)
    normal, _ = PLANES.local_planes(points, index)
    tolerance = np.full(len(points), 1e-3, dtype)
    seeds = np.concatenate([[75, 225, 75], np.arange(len(points))])
    seed = PLANES.grow_planes(points, index, normal, tolerance, seeds, 0.9, 50)
    inside = seed >= 0
    assert inside.mean() > 0.7 and set(seed[inside]) == {75, 225}
    assert np.array_equal(seed[inside] == 225, face[inside] == 1)
    large = PLANES.grow_planes(points, index, normal, tolerance, seeds, 0.9, len(points))
    assert (large == -1).all(), "regions that are too small give their points back"
    no_seeds = seeds[:0]
    none = PLANES.grow_planes(points, index, normal, tolerance, no_seeds, 0.9, 3)
    assert (none == -1).all()


@BOTH_TYPES
def test_equal_points_and_lines_grow_without_harm(dtype):
    for points in (np.ones((40, 3)), np.arange(40.0)[:, None] * [1, 2, 3]):
        points = points.astype(dtype)
        index = neighbours(points, 8)
        normal, variance = PLANES.local_planes(points, index)
        assert np.isfinite(normal).all() and np.isfinite(variance).all()
        tolerance = np.full(40, 0.1, dtype)
        seed = PLANES.grow_planes(points, index, normal, tolerance, np.arange(40), 0.9, 3)
        assert ((seed >= -1) & (seed < 40)).all()
        _, width, score = PLANES.shared_planes(points, index)
        assert np.isfinite(width).all() and (score <= 0).all()


@BOTH_TYPES
@pytest.mark.parametrize("k", [1, 2, 20, 64])
def test_shared_planes_are_those_of_one_of_the_faces(dtype, k):
    points, face = corner(dtype)
    index = neighbours(points, k)
    normal, width, score = PLANES.shared_planes(points, index)
    same((normal, width, score), PLANES.shared_planes(points, index, threads=3))
    sure = score < -15
    assert sure.mean() > 0.9 or k < 20
    across = np.abs(normal[np.arange(len(points)), np.where(face == 0, 2, 0)])
    assert (across[sure] > 0.999).sum() >= 0.95 * sure.sum()
    assert (width >= 0).all() and (score <= 0).all()


@BOTH_TYPES
def test_the_nearest_plane_of_those_around(dtype):
    rng = np.random.default_rng(3)
    points = rng.random((5000, 3)).astype(dtype)
    index, region = rng.integers(0, 900, (5000, 7)), rng.integers(-1, 6, 900)
    normal = rng.normal(size=(6, 3))
    normal = (normal / np.linalg.norm(normal, axis=1, keepdims=True)).astype(dtype)
    offset, reach = rng.random(6).astype(dtype), np.full(6, 0.2, dtype)
    found = PLANES.assign_planes(points, index, region, normal, offset, reach)
    again = PLANES.assign_planes(points, index, region, normal, offset, reach, threads=3)
    np.testing.assert_array_equal(found, again)
    off = np.abs(points.astype(np.float64) @ normal.T.astype(np.float64) - offset)
    there = np.zeros_like(off, bool)
    rows, columns = np.nonzero(region[index] >= 0)
    there[rows, region[index][rows, columns]] = True
    off = np.where(there & (off <= reach), off, np.inf)
    np.testing.assert_array_equal(found, np.where(np.isinf(off).all(1), -1, off.argmin(1)))


@pytest.mark.parametrize("n, k", [(0, 3), (1, 1), (9001, 5)])
def test_neighbours_in_other_regions(n, k):
    rng = np.random.default_rng(n)
    index, region = rng.integers(0, max(n, 1), (n, k)), rng.integers(-1, 3, n)
    one, other = PLANES.region_borders(index, region)
    same((one, other), PLANES.region_borders(index, region, threads=3))
    rows, columns = np.nonzero(region[index] != region[:, None])
    np.testing.assert_array_equal(one, rows)
    np.testing.assert_array_equal(other, index[rows, columns])
