"""Points within a radius, and the values of neighbours."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nvc3d import ops

pytestmark = pytest.mark.usefixtures("device")


def cloud(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(shape, generator=generator, dtype=dtype, device="cpu")
    return points.to(torch.get_default_device())


X, Y = cloud(2, 9, 3, seed=1), cloud(2, 11, 3, seed=2)
LENGTHS = (torch.tensor([9, 4]), torch.tensor([5, 11]))


def plain(x: Tensor, y: Tensor, radius: float, k: int) -> Tensor:
    """The indices, one loop after the other, for integer coordinates: nothing is rounded."""
    index = torch.full((len(x), k), -1)
    for i, centre in enumerate(x.double()):
        inside = ((y.double() - centre).square().sum(1) < radius * radius).nonzero()[:k, 0]
        index[i, : len(inside)] = inside
    return index


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40),
    m=st.integers(1, 700),
    dim=st.integers(1, 6),
    k=st.integers(1, 50),
    radius=st.sampled_from([0.0, 1.0, 1.5, 2.0, 3.0, 100.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 1000),
)
def test_equals_the_plain_definition(
    n: int, m: int, dim: int, k: int, radius: float, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = (
        torch.randint(-3, 4, (size, dim), generator=generator, device="cpu").to(X.device, dtype)
        for size in (n, m)
    )
    distance, index = ops.ball_query(x[None], y[None], radius, k)
    assert torch.equal(index[0], plain(x, y, radius, k))
    table = (x[:, None] - ops.group(y[None], index)[0]).square().sum(-1)
    assert torch.equal(distance[0], table.masked_fill(index[0] < 0, 0))


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1.0, 1e6, 1e18])
def test_any_unit(scale: float) -> None:
    x, y = (v.mul(4).round() * scale for v in (cloud(1, 60, 3, seed=3), cloud(1, 500, 3, seed=4)))
    for radius in (1.5, 2.5):
        expected = plain(x[0].double() / scale, y[0].double() / scale, radius, 40)
        assert torch.equal(ops.ball_query(x, y, radius * scale, 40)[1][0], expected)


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_reference(seed: int) -> None:
    x, y = cloud(2, 50, 3, seed=seed), cloud(2, 900, 3, seed=seed + 9)
    lengths = torch.tensor([50, 20]), torch.tensor([300, 900])
    for radius, k in ((0.1, 4), (0.3, 30), (2.0, 1000)):
        got = ops.ball_query(x, y, radius, k, *lengths)
        exact = ops.reference.ball_query(x.double(), y.double(), k, radius**2, *lengths, True)
        assert torch.equal(got[1], exact[1])
        torch.testing.assert_close(got[0].double(), exact[0], rtol=1e-5, atol=1e-9)


def test_padding_is_neither_read_nor_returned() -> None:
    x, y = X.clone(), Y.clone()
    x[1, 4:], y[0, 5:] = float("nan"), float("inf")
    distance, index = ops.ball_query(x, y, 0.7, 6, *LENGTHS)
    for b in range(2):
        n, m = int(LENGTHS[0][b]), int(LENGTHS[1][b])
        alone = ops.ball_query(X[b : b + 1, :n], Y[b : b + 1, :m], 0.7, 6)
        assert torch.equal(distance[b, :n], alone[0][0])
        assert torch.equal(index[b, :n], alone[1][0])
        assert not distance[b, n:].any() and (index[b, n:] == -1).all()


def test_opcheck() -> None:
    for lengths in ((None, None), LENGTHS):
        inputs = (X.clone().requires_grad_(), Y.clone().requires_grad_())
        torch.library.opcheck(torch.ops.nvc3d.ball_query.default, (*inputs, 4, 0.3, *lengths, True))


@pytest.mark.parametrize("ragged", [False, True])
def test_gradients(ragged: bool) -> None:
    lengths = LENGTHS if ragged else (None, None)
    x, y = X.double().requires_grad_(), Y.double().requires_grad_()
    index = ops.ball_query(x, y, 0.7, 4, *lengths)[1]
    assert (index < 0).any() and (index >= 0).any()
    assert torch.autograd.gradcheck(lambda x, y: ops.ball_query(x, y, 0.7, 4, *lengths)[0], (x, y))
    assert torch.autograd.gradgradcheck(
        lambda x, y: ops.ball_query(x, y, 0.7, 4, *lengths)[0], (x, y)
    )


def test_group_gathers_and_leaves_out() -> None:
    index = torch.tensor([[[0, 10], [3, -1]], [[-1, -1], [5, 5]]])
    values = Y.double().requires_grad_()
    got = ops.group(values, index)
    assert torch.equal(got[0, 0], values[0, [0, 10]]) and torch.equal(got[0, 1, 0], values[0, 3])
    assert not got[0, 1, 1].any() and not got[1, 0].any()
    assert torch.autograd.gradcheck(lambda v: ops.group(v, index), (values,))
    assert torch.autograd.gradgradcheck(lambda v: ops.group(v, index).square(), (values,))
    assert ops.group(Y.long(), index).dtype == torch.int64


def test_group_leaves_nan_where_it_is() -> None:
    values = Y.clone()
    values[:, 0] = float("nan")
    values.requires_grad_()
    got = ops.group(values, torch.tensor([[[-1, 2]]]).expand(2, 1, 2))
    got.sum().backward()
    assert got.isfinite().all() and values.grad.isfinite().all()


def test_group_has_the_same_gradient_on_any_number_of_threads() -> None:
    values, weight = cloud(2, 500, 16, seed=1), cloud(2, 4000, 20, 16, seed=2)
    index = (cloud(2, 4000, 20, seed=3) * 500).long()
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3, 2):
            torch.set_num_threads(count)
            leaf = values.clone().requires_grad_()
            (ops.group(leaf, index) * weight).sum().backward()
            found.append(leaf.grad)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_compiles_without_a_graph_break_and_exports() -> None:
    class Model(torch.nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            distance, index = ops.ball_query(x, y, 0.7, 4)
            return distance.sum() + ops.group(y, index).square().sum()

    model, grads = Model(), []
    for call in (model, torch.compile(model, fullgraph=True, backend="aot_eager")):
        x, y = X.clone().requires_grad_(), Y.clone().requires_grad_()
        call(x, y).backward()
        grads.append((x.grad, y.grad))
    torch.testing.assert_close(grads[0], grads[1])
    torch.testing.assert_close(torch.export.export(model, (X, Y)).module()(X, Y), model(X, Y))


def test_half_is_computed_in_float32() -> None:
    got = ops.ball_query(X.half(), Y.half(), 0.7, 4)
    expected = ops.ball_query(X.half().float(), Y.half().float(), 0.7, 4)
    assert torch.equal(got[0], expected[0]) and torch.equal(got[1], expected[1])
    assert ops.group(Y.half(), got[1]).dtype == torch.float16


def test_unchecked_nan_is_harmless() -> None:
    nan = torch.full((1, 300, 3), float("nan"))
    for x, y in ((nan, X[:1]), (X[:1], nan)):
        assert (ops.ball_query(x, y, 1.0, 3, check_finite=False)[1] == -1).all()


NAN = X.clone()
NAN[1, 2, 0] = float("nan")
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "NaN": (lambda: ops.ball_query(NAN, Y, 1.0, 3), r"x must be finite, got 1 .* \[1, 2, 0\]"),
    "empty": (lambda: ops.ball_query(X, Y[:, :0], 1.0, 3), r"y must not be empty"),
    "k": (lambda: ops.ball_query(X, Y, 1.0, 0), "k must be at least 1, got 0"),
    "radius": (lambda: ops.ball_query(X, Y, -0.5, 3), "radius must not be negative, got -0.5"),
    "NaN radius": (lambda: ops.ball_query(X, Y, float("nan"), 3), "radius .* got nan"),
    "batches": (lambda: ops.ball_query(X, Y[:1], 1.0, 3), "same batch size"),
    "lengths": (
        lambda: ops.ball_query(X, Y, 1.0, 3, torch.tensor([9, 0])),
        "lengths of x must be from 1 to 9, got 0 at position 1",
    ),
    "group: one cloud": (lambda: ops.group(Y[0], LENGTHS[0]), r"values must be \(B, N, C\)"),
    "group: batches": (
        lambda: ops.group(Y, torch.zeros(3, 1, 1).long()),
        r"index must be \(2, M, K\), got \(3, 1, 1\)",
    ),
    "group: int32": (
        lambda: ops.group(Y, torch.zeros(2, 1, 1).int()),
        "index must be torch.int64, got torch.int32",
    ),
    "group: too large": (lambda: ops.group(Y, torch.full((2, 1, 1), 11)), "to 10, got 11"),
    "group: too small": (lambda: ops.group(Y, torch.full((2, 1, 1), -2)), "from -1 .* got -2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_sentence(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_plain_definition_refuses_the_same_in_the_same_words() -> None:
    for arguments in (
        (X, Y, 0, 1.0, None, None, True),
        (X, Y, 1, -1.5, None, None, True),
        (NAN, Y, 1, 1.0, None, None, True),
        (X, Y, 1, 1.0, torch.tensor([0, 1]), None, True),
    ):
        messages = []
        for function in (torch.ops.nvc3d.ball_query, ops.reference.ball_query):
            with pytest.raises(ValueError) as error:
                function(*arguments)
            messages.append(str(error.value))
        assert messages[0] == messages[1]
