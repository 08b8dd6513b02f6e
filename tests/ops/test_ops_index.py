"""An index gives what the operators give, bit for bit, however often it is asked."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from nvc3d import ops

LENGTHS = torch.tensor([900, 1000])


def cloud(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def same(got: ops.Neighbours, expected: ops.Neighbours) -> None:
    assert torch.equal(got.squared, expected.squared)
    assert torch.equal(got.index, expected.index)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [1, 3, 5, 9])
def test_equals_the_operators(dim: int, dtype: torch.dtype) -> None:
    y = cloud(2, 1000, dim, seed=1).mul(8).round().to(dtype)  # ties, and doubles
    y[1] = cloud(1000, dim, seed=2)
    y[0, 900:] = torch.nan
    index = ops.Index(y, LENGTHS)
    for size, x_lengths in ((1, None), (400, torch.tensor([400, 90]))):
        x = cloud(2, size, dim, seed=3).mul(8).to(dtype)
        x[0].round_()
        both = (x_lengths, LENGTHS)
        for k in (1, 9, 200):
            for norm in (1, 2):
                same(index.knn(x, k, x_lengths, norm=norm), ops.knn(x, y, k, *both, norm=norm))
        same(index.knn(x, 9, x_lengths, radius=1.5), ops.knn(x, y, 9, *both, radius=1.5))
        same(index.nearest(x, x_lengths), ops.nearest(x, y, *both))
        for radius, k in ((0.0, 3), (1.5, 4), (30.0, 70)):
            same(index.ball_query(x, radius, k, x_lengths), ops.ball_query(x, y, radius, k, *both))


def test_without_compiled_trees_the_operators_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = cloud(1, 40, 3), cloud(1, 1000, 3, seed=1)
    trees = ops.Index(y)
    monkeypatch.setattr("nvc3d.ops.index._BUILDS", False)
    plain = ops.Index(y)
    same(plain.knn(x, 4, radius=0.1), trees.knn(x, 4, radius=0.1))
    same(plain.nearest(x, norm=1), trees.nearest(x, norm=1))
    same(plain.ball_query(x, 0.1, 4), trees.ball_query(x, 0.1, 4))
    with pytest.raises(ValueError, match="y must be finite"):
        ops.Index(y / 0)


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "torch.save"])
def test_is_kept_and_copied(way: str) -> None:
    x, y = cloud(1, 40, 3), cloud(1, 1000, 3, seed=1)
    index = ops.Index(y, torch.tensor([800]))
    if way == "pickle":
        other = pickle.loads(pickle.dumps(index))
    elif way == "deepcopy":
        other = copy.deepcopy(index)
    else:
        torch.save(index, file := io.BytesIO())
        file.seek(0)
        other = torch.load(file, weights_only=False)
    same(other.knn(x, 5), index.knn(x, 5))
    assert other.y_lengths.tolist() == [800]


def test_later_writes_to_the_clouds_change_nothing() -> None:
    x, y = cloud(1, 40, 3), cloud(1, 1000, 3, seed=1)
    index = ops.Index(y)
    before = index.knn(x, 5)
    y.zero_()
    same(index.knn(x, 5), before)


def test_several_threads_at_once() -> None:
    y = cloud(1, 3000, 3, seed=1)
    index = ops.Index(y)
    queries = [cloud(1, 50, 3, seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        for x, got in zip(queries, pool.map(lambda x: index.knn(x, 7), queries), strict=True):
            same(got, ops.knn(x, y, 7))


def test_gradients_in_x() -> None:
    x, y = cloud(1, 2, 3).double().requires_grad_(), cloud(1, 500, 3, seed=1).double()
    index = ops.Index(y)
    assert torch.autograd.gradcheck(lambda x: index.knn(x, 3).squared, x)
    assert torch.autograd.gradgradcheck(lambda x: index.knn(x, 3).squared, x)
    assert torch.autograd.gradcheck(lambda x: index.ball_query(x, 0.2, 3).squared, x)
    one, other = (
        torch.func.grad(f)(x.detach())
        for f in (
            lambda x: index.nearest(x).squared.sum(),
            lambda x: ops.nearest(x, y).squared.sum(),
        )
    )
    assert torch.equal(one, other)


def test_opcheck_and_compile() -> None:
    x, y = cloud(1, 7, 3), cloud(1, 500, 3, seed=1)
    tree = torch.ops.nvc3d.build_tree(y, None, True)
    checks = ("test_schema", "test_faketensor")
    for operator, arguments in (
        (torch.ops.nvc3d.knn_in_tree, (x, y, tree, 3, None, None, 2, True, 0.3)),
        (torch.ops.nvc3d.ball_query_in_tree, (x, y, tree, 3, 0.04, None, None, True)),
    ):
        torch.library.opcheck(operator.default, arguments, test_utils=checks)
    index = ops.Index(y)
    compiled = torch.compile(lambda x: index.knn(x, 3), fullgraph=True, backend="aot_eager")
    same(compiled(x), index.knn(x, 3))


INDEX = ops.Index(cloud(2, 11, 3))
X = cloud(2, 4, 3, seed=1)
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "empty": (lambda: ops.Index(X[:, :0]), "y must not be empty"),
    "one cloud": (lambda: ops.Index(X[0]), r"y must be \(B, N, D\), got \(4, 3\)"),
    "NaN in y": (lambda: ops.Index(X / 0), "y must be finite"),
    "lengths": (lambda: ops.Index(X, torch.tensor([4, 5])), "from 1 to 4, got 5 at position 1"),
    "NaN in x": (lambda: INDEX.knn(X * torch.nan, 2), "x must be finite"),
    "k > M": (lambda: INDEX.knn(X, 12), r"number of points of y, got k = 12 of 11"),
    "batches": (lambda: INDEX.nearest(X[:1]), "batch"),
    "dtypes": (lambda: INDEX.nearest(X.double()), "same dtype"),
    "radius": (lambda: INDEX.ball_query(X, -1.0, 2), "radius must not be negative, got -1.0"),
    "another tree": (
        lambda: torch.ops.nvc3d.knn_in_tree(
            X, X, torch.zeros(2, 9, dtype=torch.uint8), 2, None, None, 2, True
        ),
        "tree must be that of y",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_a_sentence(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()
