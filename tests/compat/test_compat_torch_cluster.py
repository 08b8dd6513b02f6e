"""torch-cluster's operators: its own answers, its options, and its known faults put right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.compat.torch_cluster import fps, knn, knn_graph, nearest, radius, radius_graph


def values(*shape: int, seed: int) -> Tensor:
    """Scattered numbers in [0, 1) that are the same everywhere."""
    i = torch.arange(torch.Size(shape).numel())
    return ((i * i * 7919 + i * 104729 * seed + seed) % 1009).float().view(shape) / 1009


X, Y = values(12, 3, seed=6), values(5, 3, seed=7)
BATCH_X = torch.tensor([0] * 5 + [1] * 4 + [3] * 3)  # no point is of cloud 2
BATCH_Y = torch.tensor([0, 0, 1, 2, 3])


def pairs(edges: Tensor) -> list[tuple[int, int]]:
    return sorted(map(tuple, edges.t().tolist()))


def test_one_large_cloud_among_small_ones_is_not_padded_for(monkeypatch) -> None:
    counts = torch.tensor([3000, *[7, 12, 9] * 60, 400])
    batch = torch.arange(len(counts)).repeat_interleave(counts)
    x = torch.rand(len(batch), 3, generator=torch.Generator().manual_seed(0))
    taken = []

    def watched(call: Callable, points: Tensor, *rest, **named):
        taken.append(points.shape[0] * points.shape[1])
        return call(points, *rest, **named)

    for name in ("knn", "ball_query", "farthest_point_sampling"):
        monkeypatch.setattr(ops, name, partial(watched, getattr(ops, name)))
    results = [knn_graph(x, 4, batch), radius_graph(x, 0.2, batch), fps(x, batch, 0.1, False)]
    results.append(nearest(x, x + 0.01, batch, batch))
    assert max(taken) <= 2 * len(x)
    begin = 0
    for part in x.split(counts.tolist()):
        alone = [knn_graph(part, 4), radius_graph(part, 0.2), fps(part, None, 0.1, False)]
        alone.append(nearest(part, part + 0.01))
        for i, expected in enumerate(alone):
            width = expected.shape[-1]
            assert torch.equal(results[i][..., :width], expected + begin)
            results[i] = results[i][..., width:]
        begin += len(part)
    assert not any(rest.numel() for rest in results)


# --- golden values: printed by torch-cluster 1.6.3 (commit 3d1d9e3, CPU, torch 2.13) ----------


def test_knn_golden() -> None:
    assert knn(X, Y, 4, BATCH_X, BATCH_Y).tolist() == [
        [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4],
        [0, 2, 4, 3, 3, 4, 2, 1, 6, 7, 5, 8, 10, 11, 9],
    ]


def test_knn_graph_golden() -> None:
    expected = [
        [2, 4, 3, 4, 0, 3, 4, 1, 3, 1, 7, 8, 7, 5, 8, 5, 7, 5, 11, 10, 9, 11, 9, 10],
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11],
    ]
    assert knn_graph(X, 2, BATCH_X).tolist() == expected
    assert knn_graph(X, 2, BATCH_X, flow="target_to_source").tolist() == expected[::-1]


def test_nearest_golden() -> None:
    batch_y = torch.tensor([0, 0, 1, 3, 3])
    assert nearest(X, Y, BATCH_X, batch_y).tolist() == [0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4]
    assert nearest(X, Y).tolist() == [0, 4, 1, 4, 1, 1, 2, 0, 0, 0, 3, 1]


def test_radius_golden() -> None:
    expected = [(0, 0), (0, 2), (1, 2), (1, 3), (1, 4), (2, 6)]
    assert pairs(radius(X, Y, 0.6, BATCH_X, BATCH_Y)) == expected
    expected = [(1, 3), (3, 1), (3, 4), (4, 3), (5, 7), (5, 8), (7, 5), (7, 8), (8, 5), (8, 7)]
    assert pairs(radius_graph(X, 0.6, BATCH_X)) == expected


def test_fps_golden() -> None:
    batch = torch.tensor([0] * 5 + [1] * 4 + [2] * 3)
    assert fps(X, batch, 0.5, False).tolist() == [0, 1, 4, 5, 6, 9, 10]
    expected = [0, 1, 6, 7, 10]
    assert fps(X, ptr=[0, 7, 12], ratio=0.3, random_start=False).tolist() == expected
    ptr = torch.tensor([0, 7, 12])
    assert fps(X, ptr=ptr, ratio=torch.tensor(0.3), random_start=False).tolist() == expected


# --- against the plain definition -----------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", [1, 3, 120])
def test_knn_equals_the_plain_definition(k: int, dtype: torch.dtype) -> None:
    x, y = values(130, 2, seed=1).to(dtype), values(40, 2, seed=2).to(dtype)
    batch_x, batch_y = (values(len(v), seed=3).mul(4).long().sort()[0] for v in (x, y))
    expected: list[list[int]] = [[], []]
    for i, point in enumerate(y):
        mine = (batch_x == batch_y[i]).nonzero()[:, 0]
        order = (x[mine].double() - point.double()).square().sum(1).argsort(stable=True)[:k]
        expected[0] += [i] * len(order)
        expected[1] += mine[order].tolist()
    assert knn(x, y, k, batch_x, batch_y).tolist() == expected


def test_cosine_is_the_angle_from_the_origin() -> None:
    x = torch.tensor([[1.0, 0], [1, 1], [-1, 0], [0, 100]])
    edges = knn(x, torch.tensor([[50.0, 0], [1e-30, 1e-30]]), 2, cosine=True)
    assert edges.tolist() == [[0, 0, 1, 1], [0, 1, 1, 0]]
    assert knn_graph(x, 1, cosine=True)[0].tolist()[:2] == [1, 0]


def test_every_point_gets_its_k_neighbours_among_duplicates() -> None:
    # torch-cluster searches k + 1 and drops the point itself where it is among them
    graph = knn_graph(torch.zeros(9, 3), 2)
    assert torch.bincount(graph[1]).tolist() == [2] * 9
    assert (graph[0] != graph[1]).all()
    graph = radius_graph(torch.zeros(9, 3), 1.0, max_num_neighbors=3)
    assert torch.bincount(graph[1]).tolist() == [3] * 9
    assert (graph[0] != graph[1]).all()
    assert knn_graph(torch.zeros(2, 3), 5).tolist() == [[1, 0], [0, 1]]
    assert knn_graph(torch.zeros(2, 3), 5, loop=True).shape == (2, 4)


def test_radius_takes_the_first_by_index_and_only_what_is_nearer() -> None:
    x = torch.arange(5.0)
    assert pairs(radius(x, x[:1], 2.0)) == [(0, 0), (0, 1)]
    assert pairs(radius(x, x[4:], 9.0, max_num_neighbors=2)) == [(0, 0), (0, 1)]
    skipped = radius(x, x[4:], 9.0, max_num_neighbors=2, ignore_same_index=True)
    assert pairs(skipped) == [(0, 1), (0, 2)]


def test_fps_is_right_in_any_unit_and_keeps_to_the_seed() -> None:
    for scale in (1.0, 1e5):
        points = values(60, 3, seed=9) * scale
        exact, picks = points.double(), fps(points, ratio=0.5, random_start=False).tolist()
        assert len(set(picks)) == 30
        for i in range(1, 30):
            table = (exact[:, None] - exact[None, picks[:i]]).square().sum(-1).amin(1)
            assert table[picks[i]] == table.max()
    draws = []
    for _ in range(2):
        torch.manual_seed(4)
        draws.append([int(fps(points, ratio=0.01)[0]) for _ in range(30)])
    assert draws[0] == draws[1] and len(set(draws[0])) > 10


def test_one_ratio_for_each_cloud() -> None:
    picks = fps(X, ptr=[0, 6, 12], ratio=torch.tensor([1.0, 0.5]), random_start=False)
    assert sorted(picks[:6].tolist()) == list(range(6)) and len(picks) == 9
    assert (picks[6:] >= 6).all()


def test_columns_and_integers() -> None:
    assert nearest(torch.tensor([0, 9, 4]), torch.tensor([1, 8])).tolist() == [0, 1, 0]
    assert fps(torch.arange(5), ratio=0.4, random_start=False).tolist() == [0, 4]


def test_half_is_computed_in_float32() -> None:
    x, y = X.half(), Y.half()
    assert torch.equal(knn(x, y, 3), knn(x.float(), y.float(), 3))
    assert torch.equal(fps(x, random_start=False), fps(x.float(), random_start=False))


def test_nothing_gives_no_pairs() -> None:
    assert knn(X[:0], Y, 2).shape == radius(X, Y[:0], 1.0).shape == (2, 0)
    assert knn(X[:2], Y[:2], 2, torch.tensor([0, 0]), torch.tensor([1, 1])).shape == (2, 0)
    assert knn_graph(X[:0], 3).shape == (2, 0)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_functions_can_be_scripted() -> None:
    for function, arguments in (
        (knn, (X, Y, 2)),
        (knn_graph, (X, 2)),
        (nearest, (X, Y)),
        (radius, (X, Y, 0.6)),
        (radius_graph, (X, 0.6)),
    ):
        assert torch.equal(torch.jit.script(function)(*arguments), function(*arguments))
    assert torch.jit.script(fps)(X, None, 0.5, False).tolist() == fps(X, None, 0.5, False).tolist()


NAN = X.clone()
NAN[7, 1] = float("nan")
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "NaN": (lambda: knn(NAN, Y, 2), r"x must be finite, got 1 .* at \[7, 1\]"),
    "NaN in y": (lambda: radius(X, NAN, 1.0), "y must be finite"),
    "NaN in src": (lambda: fps(NAN), "src must be finite"),
    "k": (lambda: knn(X, Y, 0), "k must be at least 1, got 0"),
    "dimensions": (lambda: knn(X, Y[:, :2], 2), r"same dimension, got \(12, 3\) and \(5, 2\)"),
    "dtypes": (lambda: nearest(X, Y.double()), "same dtype"),
    "unsorted": (lambda: knn(X, Y, 2, BATCH_X.flip(0), BATCH_Y), "batch_x must be sorted"),
    "negative": (lambda: knn(X, Y, 2, BATCH_X - 1, BATCH_Y), "batch_x must not be negative"),
    "another size": (
        lambda: knn(X, Y, 2, BATCH_X[:4], BATCH_Y),
        r"batch_x must be integers \(12,\), got \(4,\)",
    ),
    "one batch vector": (lambda: knn(X, Y, 2, BATCH_X), "must both be given, for 4 clouds"),
    "batch_size": (lambda: knn(X, Y, 2, BATCH_X, BATCH_Y, batch_size=2), "at least 4, got 2"),
    "flow": (lambda: knn_graph(X, 2, flow="up"), "flow must be .* got 'up'"),
    "r": (lambda: radius(X, Y, -1.0), "r must not be negative"),
    "NaN r": (lambda: radius(X, Y, float("nan")), "r must not be negative"),
    "max_num_neighbors": (lambda: radius(X, Y, 1.0, max_num_neighbors=0), "at least 1, got 0"),
    "other clouds": (lambda: nearest(X, Y, BATCH_X, BATCH_Y), r"same clouds, not so \[2\]"),
    "the origin": (lambda: knn(X, Y * 0, 1, cosine=True), r"origin, which is y\[0\]"),
    "empty src": (lambda: fps(X[:0]), r"src must not be empty, got \(0, 3\)"),
    "ratio": (lambda: fps(X, ratio=1.5), "ratio must be above 0 and at most 1"),
    "ratio of 0": (lambda: fps(X, ratio=0.0), "ratio must be above 0"),
    "ratios": (lambda: fps(X, ratio=torch.tensor([0.5] * 3)), "one for each of 1 clouds"),
    "ptr": (lambda: fps(X, ptr=[0, 7]), r"ptr must rise from 0 to 12, got \[0, 7\]"),
    "falling ptr": (lambda: fps(X, ptr=[0, 7, 5, 12]), "ptr must rise"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_sentence(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()
