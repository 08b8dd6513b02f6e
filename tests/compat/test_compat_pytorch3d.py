"""PyTorch3D's operators: its own answers, its options, and its known faults put right."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nvc3d.compat.pytorch3d import (
    ball_query,
    chamfer_distance,
    knn_gather,
    knn_points,
    sample_farthest_points,
)


def values(*shape: int, seed: int) -> Tensor:
    """Scattered numbers in [0, 1) that are the same everywhere."""
    i = torch.arange(torch.Size(shape).numel())
    return ((i * i * 7919 + i * 104729 * seed + seed) % 1009).float().view(shape) / 1009


X, Y = values(2, 6, 3, seed=1), values(2, 5, 3, seed=2)
X_NORMALS, Y_NORMALS = values(2, 6, 3, seed=3) - 0.5, values(2, 5, 3, seed=4) - 0.5
X_LENGTHS, Y_LENGTHS = torch.tensor([6, 4]), torch.tensor([2, 5])
WEIGHTS = torch.tensor([0.25, 2.0])
LENGTHS = {"x_lengths": X_LENGTHS, "y_lengths": Y_LENGTHS}
NORMALS = {"x_normals": X_NORMALS, "y_normals": Y_NORMALS}


class Clouds:
    """What is asked of a `Pointclouds`."""

    def __init__(self, points: Tensor, lengths: Tensor, normals: Tensor | None = None) -> None:
        self.points, self.lengths, self.normals = points, lengths, normals

    def points_padded(self) -> Tensor:
        return self.points

    def num_points_per_cloud(self) -> Tensor:
        return self.lengths

    def normals_padded(self) -> Tensor | None:
        return self.normals


# --- golden values: printed by PyTorch3D 0.7.9 (commit 9381c40, CPU, torch 2.13) on X, Y ------

CHAMFER = [
    ({}, 0.43450385332107544, None),
    ({"norm": 1}, 1.3544845581054688, None),
    (NORMALS, 0.43450385332107544, 1.016907811164856),
    (
        {**NORMALS, "abs_cosine": False, "batch_reduction": None},
        [0.44286835193634033, 0.42613932490348816],
        [2.1049656867980957, 2.7533488273620605],
    ),
    ({"weights": WEIGHTS, "point_reduction": "sum"}, 1.9352236986160278, None),
    ({"point_reduction": "max", "batch_reduction": "sum"}, 0.9029026031494141, None),
    (
        {"single_directional": True, "batch_reduction": None, "norm": 1},
        [0.7482656836509705, 0.6469275951385498],
        None,
    ),
    (
        {
            **NORMALS,
            "weights": WEIGHTS,
            "norm": 1,
            "batch_reduction": "sum",
            "point_reduction": "sum",
            "single_directional": True,
        },
        6.297819137573242,
        3.8561599254608154,
    ),
]


@pytest.mark.parametrize(("options", "loss", "normals"), CHAMFER, ids=range(len(CHAMFER)))
def test_chamfer_golden(options: dict, loss: float, normals: float | None) -> None:
    got = chamfer_distance(X, Y, **LENGTHS, **options)
    torch.testing.assert_close(got[0], torch.tensor(loss))
    if normals is None:
        assert got[1] is None
    else:
        torch.testing.assert_close(got[1], torch.tensor(normals))


def test_knn_golden() -> None:
    dists, idx, knn = knn_points(X, Y, X_LENGTHS, Y_LENGTHS, K=3)
    assert knn is None
    assert idx.tolist() == [
        [[0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]],
        [[1, 2, 4], [1, 0, 2], [1, 0, 2], [0, 2, 1], [0, 0, 0], [0, 0, 0]],
    ]
    torch.testing.assert_close(dists[0, :, 2], torch.zeros(6))
    torch.testing.assert_close(dists[0, 0, :2], torch.tensor([0.20922306180, 0.92856466770]))
    torch.testing.assert_close(dists[1, 3], torch.tensor([0.1993996650, 0.23916170001, 0.3437615]))
    dists, idx, _ = knn_points(X, Y, norm=1, K=2)
    assert idx[0].tolist() == [[0, 3], [3, 2], [4, 0], [1, 3], [1, 3], [1, 0]]
    torch.testing.assert_close(dists[0, 1], torch.tensor([0.068384550512, 0.28444004059]))


def test_ball_query_golden() -> None:
    dists, idx, knn = ball_query(X, Y, X_LENGTHS, Y_LENGTHS, K=3, radius=0.5)
    assert idx[0, :, 0].tolist() == [0, 1, 0, -1, 1, -1]
    assert idx[1, 0].tolist() == [1, 2, 4] and idx[1, 3].tolist() == [0, 2, -1]
    assert (idx[0, :, 1:] == -1).all() and (idx[1, 4:] == -1).all()
    torch.testing.assert_close(dists[1, 3], torch.tensor([0.1993996650, 0.23916170001, 0.0]))
    assert torch.equal(knn[1, 3], torch.stack([Y[1, 0], Y[1, 2], torch.zeros(3)]))


def test_sample_farthest_points_golden() -> None:
    points, idx = sample_farthest_points(X, X_LENGTHS, K=[3, 5])
    assert idx.tolist() == [[0, 3, 1, -1, -1], [0, 3, 1, 2, -1]]
    assert torch.equal(points[1, :4], X[1, idx[1, :4]]) and not points[1, 4].any()
    cloud = values(1, 40, 3, seed=5)
    assert sample_farthest_points(cloud, K=8)[1].tolist() == [[0, 4, 15, 22, 24, 7, 27, 8]]


# --- against the plain definition -----------------------------------------------------------


def plain_chamfer(
    norm: int, absolute: bool, weights: Tensor | None
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Distances and cosine distances of both directions in float64, 0 in padding."""
    found: tuple[list, list] = ([], [])
    sides = ((X, Y, X_NORMALS, Y_NORMALS), (Y, X, Y_NORMALS, X_NORMALS))
    for (a, b, na, nb), (la, lb) in zip(
        sides, ((X_LENGTHS, Y_LENGTHS), (Y_LENGTHS, X_LENGTHS)), strict=True
    ):
        distance, cosine = (torch.zeros(a.shape[:2], dtype=torch.float64) for _ in range(2))
        for i in range(2):
            n, m = int(la[i]), int(lb[i])
            difference = a[i, :n, None].double() - b[i, None, :m].double()
            table = difference.abs().sum(-1) if norm == 1 else difference.square().sum(-1)
            least, index = table.min(1)
            similar = F.cosine_similarity(na[i, :n].double(), nb[i, index].double(), dim=1)
            weight = 1 if weights is None else weights[i]
            distance[i, :n] = weight * least
            cosine[i, :n] = weight * (1 - (similar.abs() if absolute else similar))
        found[0].append(distance)
        found[1].append(cosine)
    return tuple(found[0]), tuple(found[1])


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("norm", [1, 2])
def test_every_reduction(norm: int, absolute: bool, weights: Tensor | None) -> None:
    plain = plain_chamfer(norm, absolute, weights)
    for single, point, batch in itertools.product(
        (False, True), ("mean", "sum", "max", None), ("mean", "sum", None)
    ):
        if point is None and batch is not None:
            continue
        normals = {} if point == "max" else NORMALS
        got = chamfer_distance(
            X,
            Y,
            **LENGTHS,
            **normals,
            weights=weights,
            batch_reduction=batch,
            point_reduction=point,
            norm=norm,
            single_directional=single,
            abs_cosine=absolute,
        )
        assert (got[1] is None) == (point == "max")
        for value, sides in zip(got, plain, strict=True):
            if value is None:
                continue
            if point is None:
                expected = list(sides)[: 1 if single else 2]
                value = [value] if single else list(value)
            else:
                reduced = []
                for side, lengths in zip(sides, (X_LENGTHS, Y_LENGTHS), strict=True):
                    total = side.amax(1) if point == "max" else side.sum(1)
                    reduced.append(total / lengths if point == "mean" else total)
                one = reduced[0] if single else sum(reduced)
                one = torch.maximum(*reduced) if point == "max" and not single else one
                if batch is not None:
                    one = one.sum()
                if batch == "mean":
                    one = one / (2 if weights is None else weights.sum())
                assert isinstance(one, Tensor)
                expected, value = [one], [value]
            for a, b in zip(value, expected, strict=True):
                torch.testing.assert_close(a.double(), b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("K", [1, 3, 9])
@pytest.mark.parametrize("norm", [1, 2])
def test_knn_of_clouds_with_fewer_points_than_k(K: int, norm: int) -> None:
    x, y = X.double().requires_grad_(), Y.double().requires_grad_()
    lengths = torch.tensor([6, 0]), torch.tensor([2, 5])
    found = knn_points(x, y, *lengths, norm=norm, K=K, return_nn=True)
    table = (x[0, :, None] - y[0, None, :2]).detach()
    table = table.abs().sum(-1) if norm == 1 else table.square().sum(-1)
    order = table.argsort(1)[:, :K]
    k = order.shape[1]
    assert torch.equal(found.idx[0, :, :k], order) and not found.idx[1].any()
    torch.testing.assert_close(found.dists[0, :, :k].detach(), table.gather(1, order))
    assert not found.dists[1].any() and not found.dists[0, :, k:].any()
    assert torch.equal(found.knn[0, :, :k], y[0, order]) and not found.knn[0, :, k:].any()
    assert torch.autograd.gradcheck(lambda x, y: knn_points(x, y, *lengths, norm, K)[0], (x, y))


def test_objects_bring_their_lengths_and_normals() -> None:
    x, y = Clouds(X, X_LENGTHS, X_NORMALS), Clouds(Y, Y_LENGTHS, Y_NORMALS)
    got = chamfer_distance(x, y)
    expected = chamfer_distance(X, Y, **LENGTHS, **NORMALS)
    assert torch.equal(got[0], expected[0]) and torch.equal(got[1], expected[1])
    assert chamfer_distance(x, Clouds(Y, Y_LENGTHS))[1] is None


def test_padding_reaches_neither_the_result_nor_the_gradient() -> None:
    inputs = [v.clone() for v in (X, Y, X_NORMALS, Y_NORMALS)]
    for value, lengths in zip(inputs, (X_LENGTHS, Y_LENGTHS) * 2, strict=True):
        for b, length in enumerate(lengths):
            value[b, length:] = float("nan")
        value.requires_grad_()
    clean = [v.clone().requires_grad_() for v in (X, Y, X_NORMALS, Y_NORMALS)]
    for x, y, nx, ny in (inputs, clean):
        loss, normals = chamfer_distance(x, y, **LENGTHS, x_normals=nx, y_normals=ny)
        (loss + normals).backward()
        assert loss.isfinite() and normals.isfinite()
    for one, other in zip(inputs, clean, strict=True):
        assert torch.equal(one.grad, other.grad)


def test_double_backward_and_float64() -> None:
    x, y = X.double().requires_grad_(), Y.double().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x, y: chamfer_distance(x, y, **LENGTHS)[0], (x, y))
    assert torch.autograd.gradgradcheck(lambda x, y: ball_query(x, y, K=3, radius=0.8)[0], (x, y))


def test_half_is_computed_in_float32() -> None:
    x, y = X.half(), Y.half()
    assert torch.equal(chamfer_distance(x, y)[0], chamfer_distance(x.float(), y.float())[0])
    assert sample_farthest_points(x, K=3)[0].dtype == torch.float16


def test_l1_gradient_is_0_where_coordinates_are_equal() -> None:
    x = torch.tensor([[[0.0, 0.0, 0.0]]], requires_grad=True)
    y = torch.tensor([[[0.0, 1.0, 0.0]]])
    chamfer_distance(x, y, norm=1, single_directional=True)[0].backward()
    assert x.grad.tolist() == [[[0.0, -1.0, 0.0]]]


def test_empty_clouds_cost_0_but_not_in_silence() -> None:
    x = Clouds(torch.zeros(2, 10, 3), torch.tensor([0, 10]))
    y = Clouds(torch.ones(2, 40, 3), torch.tensor([40, 40]))
    with pytest.warns(UserWarning, match=r"without points .* positions \[0\]"):
        loss, _ = chamfer_distance(x, y, batch_reduction=None)
    assert loss.tolist() == [0.0, 6.0]
    nothing = Clouds(torch.zeros(0, 0, 3), torch.zeros(0, dtype=torch.int64))
    assert chamfer_distance(nothing, nothing)[0] == 0


def test_weights_of_0_cost_0() -> None:
    x = X.clone().requires_grad_()
    loss, normals = chamfer_distance(x, Y, weights=torch.zeros(2))
    assert loss == 0 and normals == 0 and loss.requires_grad
    # the shape that PyTorch3D's own tests ask for
    assert chamfer_distance(x, Y, weights=torch.zeros(2), batch_reduction=None)[0].shape == (2, 2)


def test_random_start_follows_the_seed() -> None:
    cloud = values(40, 9, 3, seed=5)
    torch.manual_seed(0)
    expected = torch.randint(high=9, size=(40,))
    torch.manual_seed(0)
    got = sample_farthest_points(cloud, K=2, random_start_point=True)[1]
    assert torch.equal(got[:, 0], expected)
    lengths = torch.tensor([2] * 40)
    got = sample_farthest_points(cloud, lengths, K=1, random_start_point=True)[1]
    assert got.unique().tolist() == [0, 1]


def test_small_and_huge_clouds_are_sampled_right() -> None:
    for scale in (1e-4, 1.0, 1e5):
        cloud = values(1, 6, 3, seed=5) * scale
        exact = cloud[0].double()
        picks = sample_farthest_points(cloud, K=6)[1][0].tolist()
        assert sorted(picks) == list(range(6))
        for i in range(1, 6):
            table = (exact[:, None] - exact[None, picks[:i]]).square().sum(-1).amin(1)
            assert table[picks[i]] == table.max()


def test_gather_ignores_what_lies_beyond_the_lengths() -> None:
    got = knn_gather(Y, torch.tensor([[[0, 1, 4]], [[3, 2, 1]]]), Y_LENGTHS)
    assert torch.equal(got[0, 0], torch.stack([Y[0, 0], Y[0, 1], torch.zeros(3)]))
    assert torch.equal(got[1, 0], Y[1, [3, 2, 1]])


NAN = X.clone()
NAN[1, 2, 0] = float("nan")
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "NaN": (lambda: chamfer_distance(NAN, Y), r"x must be finite, got 1 .* \[1, 2, 0\]"),
    "a list": (lambda: chamfer_distance([1], Y), "x must be one of Pointclouds objects or torch"),
    "one cloud": (lambda: chamfer_distance(X[0], Y), r"points to be of shape .* got \(6, 3\)"),
    "batches": (lambda: chamfer_distance(X, Y[:1]), "same batch size"),
    "lengths": (
        lambda: chamfer_distance(X, Y, x_lengths=torch.tensor([7, 1])),
        "lengths of x must be from 0 to 6, got 7 at position 0",
    ),
    "lengths of another batch": (
        lambda: knn_points(X, Y, torch.tensor([1, 2, 3])),
        r"lengths to be of shape \(2,\), got \(3,\)",
    ),
    "normals": (
        lambda: chamfer_distance(X, Y, x_normals=X_NORMALS[:, :2]),
        r"normals to be of shape \(2, 6, 3\), got \(2, 2, 3\)",
    ),
    "normals with max": (
        lambda: chamfer_distance(X, Y, **NORMALS, point_reduction="max"),
        "normals must be None",
    ),
    "weights": (lambda: chamfer_distance(X, Y, weights=-WEIGHTS), "weights must be .* negative"),
    "NaN weights": (lambda: chamfer_distance(X, Y, weights=WEIGHTS / 0 * 0), "weights must be"),
    "weights of another batch": (
        lambda: chamfer_distance(X, Y, weights=WEIGHTS[:1]),
        r"weights must be \(2,\), got \(1,\)",
    ),
    "norm": (lambda: knn_points(X, Y, norm=3), "1 or 2 norm"),
    "reduction": (lambda: chamfer_distance(X, Y, point_reduction="min"), "must be one of"),
    "batch reduction": (lambda: chamfer_distance(X, Y, batch_reduction="max"), "must be one of"),
    "K": (lambda: knn_points(X, Y, K=0), "K must be at least 1, got 0"),
    "radius": (lambda: ball_query(X, Y, radius=-1), "radius must not be negative"),
    "NaN radius": (lambda: ball_query(X, Y, radius=float("nan")), "radius must not be negative"),
    "index": (lambda: knn_gather(Y, torch.full((2, 1, 1), 5)), "index must be from -1 to 4, got 5"),
    "no picks": (lambda: sample_farthest_points(X, K=0), "K must be whole numbers of at least 1"),
    "picks of another batch": (lambda: sample_farthest_points(X, K=[1] * 3), "K and points must"),
    "picks from an empty cloud": (
        lambda: sample_farthest_points(X, torch.tensor([0, 3])),
        "lengths of points must be from 1 to 6, got 0 at position 0",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_sentence(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()
