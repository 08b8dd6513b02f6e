"""The earth mover's distance: exact where it says so, within the stated error elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from nvc3d import ops


def cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shapes(kind: str, n: int, dim: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    x, y = cloud(n, dim, seed=seed), cloud(n, dim, seed=seed + 1)
    if kind == "far apart":
        y = y + 5
    elif kind == "one point":
        x = x[:1].expand(n, dim)
    elif kind == "both one point":
        x, y = x[:1].expand(n, dim), x[:1].expand(n, dim)
    elif kind == "grid":
        x, y = x.mul(3).floor(), y.mul(3).floor()
    elif kind == "dense cluster":
        x[: n // 2] *= 1e-4
        y[: n // 3] *= 1e-4
    elif kind == "line":
        x[:, 1:], y[:, 1:] = 0, 0
    elif kind == "shuffled":
        y = x[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]
    elif kind == "outlier":
        y[0] += 1e4
    elif kind == "tiny ball":
        x = 0.5 + 0.01 * x
    return x, y


KINDS = (
    "cube",
    "far apart",
    "one point",
    "both one point",
    "grid",
    "dense cluster",
    "line",
    "shuffled",
    "outlier",
    "tiny ball",
)


def least(x: Tensor, y: Tensor) -> float:
    table = (x[:, None] - y[None]).square().sum(-1).sqrt()
    rows, columns = linear_sum_assignment(table.numpy())
    return float(table[rows, columns].mean())


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    n=st.integers(1, 120),
    dim=st.integers(1, 5),
    scale=st.sampled_from([1e-30, 1e-6, 1.0, 1e6, 1e30]),
    tolerance=st.sampled_from([0.0, 0.01, 0.3]),
    seed=st.integers(0, 1000),
)
def test_distance_is_within_the_stated_error(
    kind: str, n: int, dim: int, scale: float, tolerance: float, seed: int
) -> None:
    x, y = (v * scale for v in shapes(kind, n, dim, seed))
    distance, error, match = (
        v[0] for v in ops.earth_movers_distance(x[None], y[None], tolerance=tolerance)
    )
    assert torch.equal(match.sort()[0], torch.arange(n))
    torch.testing.assert_close(distance, (x - y[match]).norm(dim=1).mean())
    exact, rounding = least(x, y), 1e-9 * float(distance)
    assert exact - rounding <= distance <= (1 + tolerance) * exact + rounding
    assert error >= 0 and distance - error <= exact + rounding
    if tolerance == 0:
        assert error <= rounding


@pytest.mark.parametrize("kind", KINDS)
def test_exact_by_default(kind: str) -> None:
    x, y = shapes(kind, 400)
    got = ops.earth_movers_distance(x[None], y[None])
    assert float(got.distance) == pytest.approx(least(x, y), rel=1e-9)
    single = ops.earth_movers_distance(x[None].float(), y[None].float())
    assert float(single.distance) == pytest.approx(least(x.float(), y.float()), rel=1e-5)


@pytest.mark.parametrize(("n", "dim"), [(300, 16), (300, 5), (200, 256), (1, 6), (9, 64)])
def test_exact_in_many_dimensions(n: int, dim: int) -> None:
    x, y = cloud(1, n, dim, seed=1), cloud(1, n, dim, seed=2)
    got = ops.earth_movers_distance(x, y)
    assert float(got.distance) == pytest.approx(least(x[0], y[0]), rel=1e-12)
    assert not got.error.any()


@pytest.mark.parametrize("dim", [3, 6])
def test_more_points_than_rows_of_distances_are_kept(dim: int) -> None:
    """From one place to a cube: every matching is the best, which an auction learns late."""
    x, y = cloud(1, 1, dim).expand(1, 4200, dim), cloud(1, 4200, dim, seed=1)
    got = ops.earth_movers_distance(x, y)
    torch.testing.assert_close(got.distance, (x - y).norm(dim=2).mean(1))
    assert got.error <= 0.01 * got.distance
    assert torch.equal(got.match[0].sort()[0], torch.arange(4200))


def test_large_clouds_come_with_a_small_error() -> None:
    x, y = cloud(1, 4000, 3, seed=1), cloud(1, 4000, 3, seed=2)
    distance, error, match = ops.earth_movers_distance(x, y)
    assert 0 < error <= 0.01 * distance
    assert torch.equal(match[0].sort()[0], torch.arange(4000))
    closer = ops.earth_movers_distance(x, y, tolerance=1e-4)
    assert distance - error <= closer.distance <= distance and closer.error < error


@pytest.mark.parametrize("kind", KINDS)
def test_plain_definition_finds_the_same_distance(kind: str) -> None:
    x, y = shapes(kind, 40)
    match, error = ops.reference.optimal_matching(x[None], y[None], None, 0.0, True)
    assert torch.equal(match[0].sort()[0], torch.arange(40)) and not error.any()
    assert float((x - y[match[0]]).norm(dim=1).mean()) == pytest.approx(least(x, y), rel=1e-9)


def test_lengths() -> None:
    x, y, lengths = cloud(2, 30, 3, seed=1), cloud(2, 30, 3, seed=2), torch.tensor([30, 12])
    x[1, 12:] = y[1, 12:] = float("nan")
    x.requires_grad_()
    got = ops.earth_movers_distance(x, y, lengths=lengths)
    for b, n in enumerate(lengths.tolist()):
        alone = ops.earth_movers_distance(x[b : b + 1, :n], y[b : b + 1, :n])
        torch.testing.assert_close(got.distance[b], alone.distance[0])
        assert torch.equal(got.match[b, :n], alone.match[0]) and not got.match[b, n:].any()
    got.distance.sum().backward()
    assert x.grad.isfinite().all() and not x.grad[1, 12:].any()


def test_gradients() -> None:
    x, y = (cloud(2, 12, 3, seed=s).requires_grad_() for s in (1, 2))
    assert torch.autograd.gradcheck(lambda x, y: ops.earth_movers_distance(x, y)[0], (x, y))
    assert torch.autograd.gradgradcheck(lambda x, y: ops.earth_movers_distance(x, y)[0], (x, y))


def test_gradient_is_0_where_points_coincide() -> None:
    x = cloud(1, 12, 3).requires_grad_()
    ops.earth_movers_distance(x, x.detach().flip(1)).distance.sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_moving_along_the_gradient_turns_one_cloud_into_the_other() -> None:
    x, y = cloud(1, 100, 3, seed=1), cloud(1, 100, 3, seed=2)
    for step in range(100):
        x = x.detach().requires_grad_()
        loss = ops.earth_movers_distance(x, y).distance.sum()
        (slope,) = torch.autograd.grad(loss, x)
        x = x - 0.01 * (1 - step / 100) * 100 * slope
    assert ops.earth_movers_distance(x, y).distance < 1e-3


def test_same_bits_on_any_number_of_threads() -> None:
    x, y = cloud(5, 300, 3, seed=1), cloud(5, 300, 3, seed=2)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(ops.earth_movers_distance(x, y, tolerance=0.05))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_opcheck_compile_and_half() -> None:
    x, y = cloud(2, 9, 3, seed=1).float(), cloud(2, 9, 3, seed=2).float()
    for lengths in (None, torch.tensor([9, 4])):
        torch.library.opcheck(torch.ops.nvc3d.optimal_matching.default, (x, y, lengths, 0.01, True))
    compiled = torch.compile(
        lambda x, y: ops.earth_movers_distance(x, y).distance.sum(),
        fullgraph=True,
        backend="aot_eager",
    )
    torch.testing.assert_close(compiled(x, y), ops.earth_movers_distance(x, y).distance.sum())
    half = ops.earth_movers_distance(x.half(), y.half()).distance
    assert torch.equal(half, ops.earth_movers_distance(x.half().float(), y.half().float())[0])


def test_unchecked_nan_is_harmless() -> None:
    x, y = cloud(1, 50, 3), cloud(1, 50, 3, seed=1)
    x[0, 3, 1] = float("nan")
    got = ops.earth_movers_distance(x, y, check_finite=False)
    assert got.distance.isnan() and got.error.isnan()
    assert torch.equal(got.match[0].sort()[0], torch.arange(50))


X, Y = cloud(2, 9, 3, seed=1), cloud(2, 9, 3, seed=2)
NAN = X.clone()
NAN[1, 2, 0] = float("nan")
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "sizes": (
        lambda: ops.earth_movers_distance(X, Y[:, :5]),
        r"same number of points, got \(2, 9, 3\) and \(2, 5, 3\)",
    ),
    "empty": (lambda: ops.earth_movers_distance(X[:, :0], Y[:, :0]), "x must not be empty"),
    "NaN": (lambda: ops.earth_movers_distance(NAN, Y), r"x must be finite, got 1 .* \[1, 2, 0\]"),
    "one cloud": (lambda: ops.earth_movers_distance(X[0], Y), r"x must be \(B, N, D\)"),
    "dtypes": (lambda: ops.earth_movers_distance(X, Y.float()), "same dtype"),
    "tolerance": (
        lambda: ops.earth_movers_distance(X, Y, tolerance=-0.1),
        "tolerance must not be negative, got -0.1",
    ),
    "NaN tolerance": (
        lambda: ops.earth_movers_distance(X, Y, tolerance=float("nan")),
        "tolerance must not be negative, got nan",
    ),
    "lengths": (
        lambda: ops.earth_movers_distance(X, Y, lengths=torch.tensor([9, 10])),
        "lengths of x must be from 1 to 9, got 10 at position 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_sentence(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()
