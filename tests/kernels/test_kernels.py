"""Each variant of the nearest-neighbour kernels against numpy, on random and hostile clouds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernels.build import load

VARIANTS = load().variants()
PORTABLE = VARIANTS[0]
EACH = pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
BOTH_TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def fma(a, b, c):
    """a * b + c rounded once, for float32 by way of long double, which holds the exact product."""
    assert a.dtype == np.float32
    product = a.astype(np.float64) * b  # exact: 48 bits
    total = product + c
    # Round to odd: the bits lost in the sum must not make the second rounding see a tie.
    with np.errstate(invalid="ignore"):
        rest = (product - (total - c)) + (c - (total - (total - c)))
    rest = np.where(np.isfinite(rest), rest, 0)
    bits = total.view(np.int64)
    even_and_inexact = (rest != 0) & (bits & 1 == 0)
    towards = np.where((rest > 0) == (total > 0), 1, -1)
    return np.where(even_and_inexact, (bits + towards).view(np.float64), total).astype(np.float32)


def pairwise(x, y, norm):
    """The distance as the kernels define it: bit for bit in float32, nearly so in float64."""
    with np.errstate(over="ignore", under="ignore"):
        difference = x[:, None, :] - y[None, :, :]
        if norm == 1:
            total = np.abs(difference[..., 0])
            for d in range(1, x.shape[1]):
                total = total + np.abs(difference[..., d])
            return total
        total = difference[..., 0] * difference[..., 0]
        for d in range(1, x.shape[1]):
            step = np.ascontiguousarray(difference[..., d])
            total = fma(step, step, total) if x.dtype == np.float32 else step * step + total
        return total


class Reference:
    """The sorted distances from some rows of x to all of y."""

    def __init__(self, x, y, norm, rows=slice(None)):
        self.rows, self.exact = rows, x.dtype == np.float32
        self.distance = pairwise(x[rows], y, norm)
        self.order = np.argsort(self.distance, axis=1, kind="stable")

    def check(self, distance, index):
        """Exact in float32: values, and the lowest index first on ties. Close in float64."""
        distance, index = distance[self.rows], index[self.rows]
        if distance.ndim == 1:
            distance, index = distance[:, None], index[:, None]
        order = self.order[:, : index.shape[1]]
        expected = np.take_along_axis(self.distance, order, 1)
        if self.exact:
            np.testing.assert_array_equal(distance, expected)
            np.testing.assert_array_equal(index, order)
            return
        np.testing.assert_allclose(distance, expected, rtol=1e-14)
        chosen = np.take_along_axis(self.distance, index, 1)
        np.testing.assert_allclose(distance, chosen, rtol=1e-14)
        assert all(len(set(row)) == len(row) for row in index.tolist())
        later_on_ties = (np.diff(distance, axis=1) == 0) & (np.diff(index, axis=1) < 0)
        assert not later_on_ties.any()


def check_everything(variants, x, y, k, norm, threads=1, step=1):
    """All three kernels; of large clouds every step-th row."""
    forth = Reference(x, y, norm, slice(None, None, step))
    back = Reference(y, x, norm, slice(None, None, step))
    for variant in variants:
        forth.check(*variant.nearest(x, y, norm, threads))
        both = variant.nearest_both(x, y, norm, threads)
        forth.check(*both[:2])
        back.check(*both[2:])
        forth.check(*variant.knn(x, y, k, norm, threads))


CLOUDS = {
    "cube": lambda rng, n, dim: rng.random((n, dim)),
    "normal": lambda rng, n, dim: rng.normal(size=(n, dim)),
    "grid": lambda rng, n, dim: rng.integers(0, 4, (n, dim)) / 4,
    "identical": lambda rng, n, dim: np.full((n, dim), 0.3),
    "two places": lambda rng, n, dim: rng.integers(0, 2, (n, 1)) * np.ones((1, dim)),
    "line": lambda rng, n, dim: rng.random((n, 1)) * np.arange(1, dim + 1),
    "axis": lambda rng, n, dim: rng.random((n, 1)) * np.eye(1, dim),
    "cluster": lambda rng, n, dim: np.where(
        rng.random((n, 1)) < 0.9, 0.5 + 1e-6 * rng.random((n, dim)), rng.random((n, dim)) * 10
    ),
    "clusters in clusters": lambda rng, n, dim: (
        rng.normal(size=(n, dim)) * 10.0 ** rng.integers(-12, 3, (n, 1))
    ),
    "far from the origin": lambda rng, n, dim: 1e6 + rng.random((n, dim)),
    "tiny": lambda rng, n, dim: 1e-6 * rng.random((n, dim)),
    "denormal": lambda rng, n, dim: rng.integers(0, 50, (n, dim)) * 1e-45,
    "overflowing": lambda rng, n, dim: rng.choice([-3e38, 1e30, 2e30, 3e38], (n, dim)),
    "zeros of both signs": lambda rng, n, dim: rng.choice([0.0, -0.0, 1.0], (n, dim)),
}


@st.composite
def pairs(draw):
    """Two clouds of float32, of one kind or of two."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dim = draw(st.sampled_from([3, 3, 3, 1, 2, 4, 7, 20]))
    kind = draw(st.sampled_from(sorted(CLOUDS)))
    other = draw(st.sampled_from([kind, kind, *sorted(CLOUDS)]))
    n, m = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    x = CLOUDS[kind](rng, n, dim).astype(np.float32)
    y = CLOUDS[other](rng, m, dim).astype(np.float32)
    if draw(st.booleans()):  # points that both have
        common = min(n, m) // 2
        y[:common] = x[:common]
    k = draw(st.integers(1, m) | st.just(m))
    return x, y, k


@settings(max_examples=60, deadline=None)
@given(pairs(), st.sampled_from([1, 2]))
@example((np.zeros((1, 3), np.float32), np.zeros((1, 3), np.float32), 1), 2)
def test_equals_plain_numpy_on_any_cloud(pair, norm):
    x, y, k = pair
    check_everything(VARIANTS, x, y, k, norm)
    check_everything(VARIANTS, x.astype(np.float64), y.astype(np.float64), k, norm)


@settings(max_examples=30, deadline=None)
@given(pairs(), st.sampled_from([1, 2]), st.sampled_from([1, 1e-3]))
def test_variants_agree_bit_for_bit_in_float64(pair, norm, scale):
    x, y, k = pair
    x, y = x.astype(np.float64) * scale / 3, y.astype(np.float64) * scale / 3
    expected = (*PORTABLE.nearest_both(x, y, norm), *PORTABLE.knn(x, y, k, norm))
    for variant in VARIANTS[1:]:
        got = (*variant.nearest_both(x, y, norm), *variant.knn(x, y, k, norm))
        for a, b in zip(expected, got, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dim", [3, 6])
@pytest.mark.parametrize("k", [1, 7, 90])
def test_a_limit_of_distances(dim: int, k: int) -> None:
    """Nothing changes below it; what is beyond is not kept."""
    x, y = (np.random.default_rng(seed).random((3000, dim)) for seed in (1, 2))
    whole, order = PORTABLE.knn(x, y, k)
    limit = float(np.median(whole))
    for variant in VARIANTS:
        distance, index = variant.knn(x, y, k, limit=limit)
        below = whole < limit
        np.testing.assert_array_equal(distance[below], whole[below])
        np.testing.assert_array_equal(index[below], order[below])
        beyond = distance[~below]
        assert (beyond >= limit).all()
        if k > 1:
            assert (np.isinf(beyond) | (beyond == limit)).all()


@BOTH_TYPES
@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("kind", sorted(CLOUDS))
def test_larger_clouds_of_every_kind(dtype, norm, kind):
    rng = np.random.default_rng(len(kind))
    x = CLOUDS[kind](rng, 6001, 3).astype(np.float32).astype(dtype)
    y = CLOUDS[kind](rng, 5777, 3).astype(np.float32).astype(dtype)
    check_everything(VARIANTS, x, y, 20, norm, threads=3, step=60)


@pytest.mark.parametrize("dim", [2, 4, 5, 8, 12])
@pytest.mark.parametrize("kind", ["grid", "two places", "line", "cluster", "overflowing", "sheet"])
def test_larger_clouds_of_other_dimensions(kind, dim):
    rng = np.random.default_rng(dim)
    draw = CLOUDS.get(kind, lambda rng, n, dim: rng.random((n, 2)) @ rng.random((2, dim)))
    x = draw(np.random.default_rng(1), 3003, dim).astype(np.float32)
    y = np.concatenate([x[:1500], draw(rng, 1409, dim)]).astype(np.float32)
    check_everything(VARIANTS, x, y, 20, 2, threads=3, step=90)
    check_everything(VARIANTS, x.astype(np.float64), y.astype(np.float64), 70, 1, step=150)


def check_balls(x, y, cases, threads=1):
    """Against the definition, for each (share, k): a radius that about `share` of all pairs are
    within."""
    table = pairwise(x, y, 2)
    finite = table[np.isfinite(table)]
    shares = [share for share, _ in cases]
    radii = np.quantile(finite, shares) if finite.size else np.ones(len(cases))
    for radius, (_, k) in zip(radii.astype(x.dtype), cases, strict=True):
        inside = table < radius
        place = np.cumsum(inside, 1, dtype=np.int32) - 1
        index, distance = np.full((len(x), k), -1), np.zeros((len(x), k), x.dtype)
        row, column = np.nonzero(inside & (place < k))
        index[row, place[row, column]] = column
        distance[row, place[row, column]] = table[row, column]
        for variant in VARIANTS:
            got = variant.ball_query(x, y, radius, k, threads)
            np.testing.assert_array_equal(got[1], index, variant.name)
            np.testing.assert_array_equal(got[0], distance, variant.name)


@settings(max_examples=60, deadline=None)
@given(pairs(), st.sampled_from([0, 0.01, 0.3, 1]))
def test_balls_of_any_cloud(pair, share):
    x, y, k = pair
    check_balls(x, y, [(share, k)])


@pytest.mark.parametrize("kind", sorted(CLOUDS))
def test_balls_in_larger_clouds_of_every_kind(kind):
    rng = np.random.default_rng(len(kind))
    x = CLOUDS[kind](rng, 1501, 3).astype(np.float32)
    y = CLOUDS[kind](rng, 2777, 3).astype(np.float32)
    check_balls(x, y, [(0.0005, 8), (0.01, 5), (0.01, 60), (0.05, 500), (1, 20)], threads=3)


@pytest.mark.parametrize("dim", [2, 4, 6, 7, 11])
def test_balls_in_other_dimensions(dim):
    rng = np.random.default_rng(dim)
    x = rng.integers(0, 40, (1101, 2)) @ rng.integers(0, 2, (2, dim))
    y = rng.integers(0, 40, (3311, 2)) @ rng.integers(0, 2, (2, dim))
    check_balls(x.astype(np.float32), y.astype(np.float32), [(0.001, 8), (0.02, 5)], threads=3)


@BOTH_TYPES
def test_points_on_the_edge_of_a_ball_and_more_places_than_points(dtype):
    x = np.random.default_rng(4).integers(0, 15, (2000, 3)).astype(dtype)
    table = np.square(x[:, None].astype(np.int32) - x[None].astype(np.int32)).sum(-1)
    for squared_radius in (0, 1, 4, 9, 1000):
        inside = table < squared_radius
        expected = np.sort(np.where(inside, np.arange(len(x)), len(x)), 1)
        expected[expected == len(x)] = -1
        for variant in VARIANTS:
            index = variant.ball_query(x, x, squared_radius, 2100)[1]
            np.testing.assert_array_equal(index[:, :2000], expected)
            assert (index[:, 2000:] == -1).all()


@EACH
@pytest.mark.parametrize("dim", [1, 2, 3, 5, 20])
def test_number_of_threads_changes_nothing(variant, dim):
    rng = np.random.default_rng(dim)
    x = rng.random((5000, dim), dtype=np.float32)
    y = np.round(rng.random((2100, dim), dtype=np.float32), 2)  # with ties
    one = (*variant.nearest_both(x, y), *variant.knn(x, y, 4))
    four = (*variant.nearest_both(x, y, threads=4), *variant.knn(x, y, 4, threads=4))
    for a, b in zip(one, four, strict=True):
        np.testing.assert_array_equal(a, b)


@EACH
def test_very_different_sizes(variant):
    rng = np.random.default_rng(0)
    for n, m in [(1, 20000), (20000, 1), (3, 5000), (0, 5)]:
        x, y = rng.random((n, 3), dtype=np.float32), rng.random((m, 3), dtype=np.float32)
        step = 1 + n // 50
        reference = Reference(x, y, 2, slice(None, None, step))
        reference.check(*variant.nearest(x, y))
    distance, index = variant.knn(x[:0], y, 2)
    assert distance.shape == index.shape == (0, 2)


@EACH
@BOTH_TYPES
def test_k_as_large_as_the_cloud(variant, dtype):
    rng = np.random.default_rng(1)
    for dim in (3, 6):
        y = rng.integers(0, 9, (2500, dim)).astype(dtype)
        Reference(y[:20], y, 2).check(*variant.knn(y[:20], y, 2500))


@EACH
@BOTH_TYPES
def test_one_cloud_as_both(variant, dtype):
    x = np.random.default_rng(2).random((6000, 3)).astype(dtype)
    distance, index = variant.knn(x, x, 3)
    np.testing.assert_array_equal(index[:, 0], np.arange(len(x)))
    assert not distance[:, 0].any()
    copy = variant.knn(x, x.copy(), 3)
    np.testing.assert_array_equal(distance, copy[0])
    np.testing.assert_array_equal(index, copy[1])


@EACH
@BOTH_TYPES
@pytest.mark.parametrize("size", [1, 40, 5000])
def test_values_that_are_not_finite_do_no_harm(variant, dtype, size):
    rng = np.random.default_rng(size)
    for share, dim in ((0.01, 3), (0.5, 3), (1.0, 3), (0.01, 4), (1.0, 6)):
        x, y = rng.random((size, dim)).astype(dtype), rng.random((size, dim)).astype(dtype)
        for cloud in (x, y):
            bad = rng.random(cloud.shape) < share
            cloud[bad] = rng.choice([np.nan, np.inf, -np.inf], bad.sum())
        k = min(size, 10)
        _, nearest, _, back = variant.nearest_both(x, y)
        _, index = variant.knn(x, y, k)
        for found in (nearest, back, index):
            assert found.min() >= 0
            assert found.max() < size
        _, index = variant.ball_query(x, y, 0.1, k)
        assert index.min() >= -1
        assert index.max() < size


@EACH
@BOTH_TYPES
def test_count_nonfinite(variant, dtype):
    rng = np.random.default_rng(3)
    for size in (0, 1, 15, 64, 1000):
        values = rng.uniform(-1, 1, size).astype(dtype) * np.finfo(dtype).max
        assert variant.count_nonfinite(values) == (0, -1)
        for count in range(1, min(size, 4)):
            places = np.sort(rng.choice(size, count, replace=False))
            spoiled = values.copy()
            spoiled[places] = rng.choice([np.nan, np.inf, -np.inf], count)
            assert variant.count_nonfinite(spoiled) == (count, places[0])
