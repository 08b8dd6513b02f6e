"""Each variant of farthest point sampling, of the nearest anchor and of pooling against numpy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernels import BOTH_TYPES, CLOUDS, EACH, PORTABLE, VARIANTS, pairwise

QUICK = settings(max_examples=40, deadline=None)


def greedy_picks(points, k, start):
    """The definition, with the kernels' own distance: bit for bit in float32."""
    picks, nearest = [start], np.full(len(points), np.inf, points.dtype)
    while len(picks) < k:
        latest = points[picks[-1]][None]
        nearest = np.minimum(nearest, pairwise(points, latest, 2)[:, 0])
        picks.append(int(nearest.argmax()))
    return np.array(picks)


def assert_greedy(points, picks):
    """In float64, where rounding may break a tie either way: each pick is as far as any point."""
    nearest = np.full(len(points), np.inf)
    for pick, following in itertools.pairwise(picks):
        nearest = np.minimum(nearest, np.square(points - points[pick]).sum(1))
        assert nearest[following] >= nearest.max() * (1 - 1e-12)


@QUICK
@given(st.data())
def test_farthest_points_are_the_greedy_ones(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    kind = data.draw(st.sampled_from(sorted(CLOUDS)))
    dim = data.draw(st.sampled_from([3, 3, 1, 2, 5, 17]))
    n = data.draw(st.integers(1, 400))
    k, start = data.draw(st.integers(1, n)), data.draw(st.integers(0, n - 1))
    points = CLOUDS[kind](rng, n, dim).astype(np.float32)
    expected = greedy_picks(points, k, start)
    for variant in VARIANTS:
        np.testing.assert_array_equal(
            variant.farthest_point_sampling(points, k, start), expected, variant.name
        )


@pytest.mark.parametrize("kind", sorted(CLOUDS))
def test_farthest_points_of_large_clouds(kind):
    rng = np.random.default_rng(7)
    points = CLOUDS[kind](rng, 5003, 3).astype(np.float32)
    expected = greedy_picks(points, 450, 4000)
    for variant in VARIANTS:
        for threads in (1, 3):
            picks = variant.farthest_point_sampling(points, 450, 4000, threads)
            np.testing.assert_array_equal(picks, expected, variant.name)


@pytest.mark.parametrize("dim", [2, 4, 6, 7, 12])
@pytest.mark.parametrize("kind", ["cluster", "grid", "line"])
def test_farthest_points_of_large_clouds_in_other_dimensions(kind, dim):
    points = CLOUDS[kind](np.random.default_rng(dim), 2503, dim).astype(np.float32)
    expected = greedy_picks(points, 390, 2000)
    for variant in VARIANTS:
        picks = variant.farthest_point_sampling(points, 390, 2000, 3)
        np.testing.assert_array_equal(picks, expected, variant.name)


@pytest.mark.parametrize(
    "n, dim, k", [(300, 3, 300), (6000, 3, 600), (700, 8, 90), (2500, 2, 400), (2500, 5, 400)]
)
def test_farthest_points_in_double(n, dim, k):
    points = np.random.default_rng(1).normal(size=(n, dim))
    picks = PORTABLE.farthest_point_sampling(points, k, 5)
    assert picks[0] == 5
    assert len(set(picks)) == k
    assert_greedy(points, picks)
    for variant in VARIANTS:
        np.testing.assert_array_equal(variant.farthest_point_sampling(points, k, 5), picks)


@EACH
def test_every_point_of_a_large_cloud_is_picked_once(variant):
    points = np.random.default_rng(2).random((3000, 3), np.float32)
    picks = variant.farthest_point_sampling(points, 3000, 17)
    np.testing.assert_array_equal(np.sort(picks), np.arange(3000))


@EACH
@BOTH_TYPES
@pytest.mark.parametrize("n, k", [(40, 12), (4000, 500)])
def test_index_0_is_repeated_once_all_places_are_taken(variant, dtype, n, k):
    rng = np.random.default_rng(3)
    places = rng.random((7, 3)).astype(dtype)
    points = places[np.r_[np.arange(7), rng.integers(0, 7, n - 7)]]
    picks = variant.farthest_point_sampling(points, k, 4)
    assert len(np.unique(points[picks[:7]], axis=0)) == 7
    assert set(picks[7:]) == {0}


@EACH
@BOTH_TYPES
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n, k", [(100, 50), (3000, 400)])
def test_bad_coordinates_do_no_harm(variant, dtype, bad, n, k):
    points = np.random.default_rng(4).random((n, 3)).astype(dtype)
    points[::5] = bad
    picks = variant.farthest_point_sampling(points, k, 5)
    assert ((picks >= 0) & (picks < n)).all()
    index, _ = variant.assign_anchors(points, points[: n // 4].copy())
    assert ((index >= 0) & (index < n // 4)).all()


def squared_distances(latents, anchors):
    """Exact differences, sums in long double."""
    differences = latents[:, None].astype(np.longdouble) - anchors[None].astype(np.longdouble)
    return np.square(differences).sum(-1)


def assert_nearest_anchors(latents, anchors, threads=(1,)):
    """Of anchors at the same distance, up to rounding in double, any may be chosen; of equal
    anchors only the first."""
    exact = squared_distances(latents, anchors)
    least = exact.min(1)
    first_of_equals = [int((anchors == anchor).all(1).argmax()) for anchor in anchors]
    answers = [v.assign_anchors(latents, anchors, t) for v in VARIANTS for t in threads]
    for index, squared in answers:
        chosen = exact[np.arange(len(latents)), index]
        assert (chosen <= least * (1 + 1e-13 * anchors.shape[1])).all()
        np.testing.assert_array_equal(index, np.take(first_of_equals, index))
        eps = np.finfo(latents.dtype).eps
        tiny = np.finfo(latents.dtype).tiny * anchors.shape[1]
        largest = np.finfo(latents.dtype).max
        rounding = (anchors.shape[1] + 4) * eps * chosen + tiny
        wrong = (np.abs(squared - chosen) > rounding) & ~(
            np.isinf(squared) & (chosen > largest / 2)
        )
        assert not wrong.any()
        np.testing.assert_array_equal(index, answers[0][0])
        np.testing.assert_array_equal(squared, answers[0][1])


@BOTH_TYPES
@QUICK
@given(st.data())
def test_nearest_anchors_of_random_latents(dtype, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, m = data.draw(st.integers(1, 250)), data.draw(st.integers(1, 70))
    dim = data.draw(st.sampled_from([1, 2, 3, 8, 15, 16, 17, 33, 64]))
    offset = data.draw(st.sampled_from([0, 1, 1000, 1e6]))
    spread = data.draw(st.sampled_from([1, 1e-3, 10]))
    latents = (rng.normal(size=(n, dim)) + offset).astype(dtype)
    anchors = (rng.normal(size=(m, dim)) * spread + offset).astype(dtype)
    assert_nearest_anchors(latents, anchors)


@BOTH_TYPES
@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-19, 1e-10, 1e10, 1e18, 1e25, 1e37])
def test_nearest_anchors_at_the_ends_of_the_number_range(dtype, scale):
    rng = np.random.default_rng(5)
    latents = (rng.normal(size=(97, 20)) * scale).astype(dtype)
    anchors = (rng.normal(size=(37, 20)) * scale).astype(dtype)
    assert_nearest_anchors(latents, anchors)


@BOTH_TYPES
@pytest.mark.parametrize(
    "n, m, dim", [(700, 1, 300), (500, 16, 256), (333, 33, 257), (200, 100, 1040), (99, 500, 40)]
)
def test_nearest_anchors_of_all_shapes_of_tile(dtype, n, m, dim):
    rng = np.random.default_rng(6)
    latents = rng.normal(size=(n, dim)).astype(dtype)
    anchors = rng.normal(size=(m, dim)).astype(dtype)
    assert_nearest_anchors(latents, anchors, threads=(1, 2, 5))


@BOTH_TYPES
@pytest.mark.parametrize("count", [40, 48])  # near-equal ones in different lanes and in the same
def test_close_calls_between_anchors(dtype, count):
    """Rows half-way between anchors that differ in the last bits, and far from all of them."""
    rng = np.random.default_rng(8)
    base = rng.normal(size=(count, 24)).astype(dtype)
    step = np.finfo(dtype).eps * 4 * rng.integers(-2, 3, base.shape)
    anchors = np.concatenate([base, base + base * step, base[:5]]).astype(dtype)
    pairs = rng.integers(0, len(anchors), (300, 2))
    between = (anchors[pairs[:, 0]] + anchors[pairs[:, 1]]) / 2
    far = rng.normal(size=(50, 24)) * 1e4
    assert_nearest_anchors(np.concatenate([between, far]).astype(dtype), anchors)


@pytest.mark.parametrize("spread", [1e-7, 1e-6, 1e-3])
def test_anchors_that_nearly_coincide_in_a_few_places(spread):
    """No score in float tells them apart: more rows than a sample, which is all that is tried."""
    rng = np.random.default_rng(10)
    places = rng.normal(size=(4, 20))[rng.integers(0, 4, 60)]
    anchors = (places * (1 + spread * rng.normal(size=places.shape))).astype(np.float32)
    anchors[rng.integers(0, 60, 10)] = anchors[rng.integers(0, 60, 10)]
    latents = rng.normal(size=(2500, 20)).astype(np.float32)
    assert_nearest_anchors(latents, anchors, threads=(1, 3))


@BOTH_TYPES
@pytest.mark.parametrize("n", [50, 3000])
def test_of_many_anchors_at_one_distance_the_first_is_taken(dtype, n):
    """Small integers: every distance is exact, and most of the least ones are shared."""
    rng = np.random.default_rng(11)
    anchors = rng.choice([-1, 1], size=(90, 12)).astype(dtype)
    latents = rng.integers(-1, 2, size=(n, 12)).astype(dtype)
    latents[n // 3 :] = 0
    expected = squared_distances(latents, anchors)
    for index, squared in (v.assign_anchors(latents, anchors, t) for v in VARIANTS for t in (1, 2)):
        np.testing.assert_array_equal(index, expected.argmin(1))
        np.testing.assert_array_equal(squared, expected.min(1))


@EACH
def test_zeros_of_either_sign_are_equal(variant):
    anchors = np.array([[1, 0.0], [0.0, 0.0], [-0.0, 0.0], [0.0, -0.0]], np.float32)
    latents = np.array([[-0.0, 0.0], [0.1, -0.1], [2, 0]], np.float32)
    np.testing.assert_array_equal(variant.assign_anchors(latents, anchors)[0], [1, 1, 0])


def test_no_rounding_decides():
    """Latents of one sign, whose sums round the most, half-way between anchors a few ulps apart."""
    rng = np.random.default_rng(12)
    for dim in (1, 7, 64, 300, 1024):
        base = 1 + rng.random((6, dim))
        anchors = np.concatenate([base + rng.normal(size=base.shape) * 2.0**-e for e in range(24)])
        anchors = anchors.astype(np.float32)
        pairs = rng.integers(0, len(anchors), (50, 2))
        latents = (anchors[pairs[:, 0]].astype(float) + anchors[pairs[:, 1]]) / 2
        assert_nearest_anchors(latents.astype(np.float32), anchors)


@EACH
@BOTH_TYPES
def test_equal_anchors_and_exact_hits(variant, dtype):
    anchors = np.repeat(np.random.default_rng(9).normal(size=(6, 9)).astype(dtype), 5, axis=0)
    index, squared = variant.assign_anchors(anchors, anchors)
    np.testing.assert_array_equal(index, np.arange(30) // 5 * 5)
    np.testing.assert_array_equal(squared, 0)


@EACH
@BOTH_TYPES
def test_no_latents(variant, dtype):
    index, squared = variant.assign_anchors(np.empty((0, 4), dtype), np.ones((3, 4), dtype))
    assert index.shape == squared.shape == (0,)


@BOTH_TYPES
@pytest.mark.parametrize("dim", [1, 16, 37])
@pytest.mark.parametrize("threads", [1, 3])
def test_pooled_neighbours_have_the_same_bits_in_every_variant(dtype, dim, threads):
    rng = np.random.default_rng(dim)
    values = rng.integers(-4, 5, (90, dim)).astype(dtype) + rng.normal(size=dim).astype(dtype)
    index = rng.integers(-1, 90, (400, 11))
    index[0] = -1
    values[7, 0] = np.nan
    around = np.where(index[..., None] < 0, -np.inf, values[index])
    expected = np.where((index < 0).all(1)[:, None], 0, around.max(1))
    results = []
    for variant in VARIANTS:
        maximum, total, which = variant.pool_neighbours(values, index, threads)
        np.testing.assert_array_equal(maximum, expected, variant.name)
        there = which >= 0
        np.testing.assert_array_equal(maximum[there], values[which, np.arange(dim)][there])
        grad = variant.pool_neighbours_backward(maximum, total, index, which, 90, threads)
        results.append((maximum, total, which, grad))
    sums = np.where(index[..., None] < 0, 0, values[index]).astype(np.float64).sum(1)
    np.testing.assert_allclose(results[0][1], sums, rtol=1e-4, atol=1e-4)
    for found in results[1:]:
        for got, first in zip(found, results[0], strict=True):
            np.testing.assert_array_equal(got, first)
