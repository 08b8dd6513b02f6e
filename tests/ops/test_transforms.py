"""What torch does with operators: forward-mode derivatives, torch.func, vmap, compile, export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap
from torch.utils.checkpoint import checkpoint

from nvc3d import ops
from nvc3d.compat import pytorch3d
from nvc3d.ops.distance_table import distance_table

pytestmark = pytest.mark.usefixtures("device")


def cloud(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(shape, generator=generator, dtype=torch.float64, device="cpu")
    return points.to(torch.get_default_device())


X, Y = cloud(2, 7, 3, seed=1), cloud(2, 9, 3, seed=2)
LENGTHS = (torch.tensor([7, 4]), torch.tensor([5, 9]))
INDEX = torch.tensor([[0, 4, -1], [8, 2, 2]])[:, None].expand(2, 7, 3)


def table(x: Tensor, y: Tensor, norm: int = 2) -> Tensor:
    return torch.stack([distance_table(a, b, norm) for a, b in zip(x, y, strict=True)])


def real(x: Tensor, y: Tensor) -> Tensor:
    """The table with what is no pair of two real points at infinity."""
    columns = torch.arange(9, device=x.device) >= LENGTHS[1][:, None]
    return table(x, y).masked_fill(columns[:, None], float("inf"))


def shift(x: Tensor, y: Tensor) -> Tensor:
    match = ops.earth_movers_distance(x.detach(), y[:, :7].detach()).match
    chosen = y.gather(1, match[..., None].expand(-1, -1, 3))
    return torch.linalg.vector_norm(x - chosen, dim=-1).mean(1)


# name -> a call of two clouds, and what it means in plain PyTorch
FUNCTIONS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "nearest": (lambda x, y: ops.nearest(x, y)[0], lambda x, y: table(x, y).amin(2)),
    "nearest, lengths": (
        lambda x, y: ops.nearest(x, y, *LENGTHS)[0],
        lambda x, y: real(x, y).amin(2) * (torch.arange(7, device=x.device) < LENGTHS[0][:, None]),
    ),
    "knn": (lambda x, y: ops.knn(x, y, 3)[0], lambda x, y: table(x, y).sort(2)[0][..., :3]),
    "knn, L1": (
        lambda x, y: ops.knn(x, y, 3, norm=1)[0],
        lambda x, y: table(x, y, 1).sort(2)[0][..., :3],
    ),
    "ball_query": (
        lambda x, y: ops.ball_query(x, y, 0.4, 9)[0].sum(2),
        lambda x, y: table(x, y).where(table(x, y) < 0.16, 0).sum(2),
    ),
    "chamfer_distance": (
        lambda x, y: ops.chamfer_distance(x, y),
        lambda x, y: table(x, y).amin(2).mean() + table(x, y).amin(1).mean(),
    ),
    "chamfer_distance, L1": (
        lambda x, y: ops.chamfer_distance(x, y, norm=1),
        lambda x, y: table(x, y, 1).amin(2).mean() + table(x, y, 1).amin(1).mean(),
    ),
    "assign_anchors": (
        lambda x, y: ops.assign_anchors(x, y[0])[0],
        lambda x, y: distance_table(x.flatten(0, 1), y[0]).amin(1).view(2, 7),
    ),
    "group": (
        lambda x, y: ops.group(y, INDEX) * x[:, :, None],
        lambda x, y: (
            y[torch.arange(2)[:, None, None], INDEX] * (INDEX >= 0)[..., None] * x[:, :, None]
        ),
    ),
    "earth_movers_distance": (
        lambda x, y: ops.earth_movers_distance(x, y[:, :7]).distance,
        shift,
    ),
    "farthest_point_sampling": (
        lambda x, y: ops.group(x, ops.farthest_point_sampling(x, 3)[..., None]) * y[:, :3, None],
        lambda x, y: (
            x.gather(1, ops.farthest_point_sampling(x.detach(), 3)[..., None].expand(-1, -1, 3))[
                :, :, None
            ]
            * y[:, :3, None]
        ),
    ),
    "pytorch3d.knn_points": (
        lambda x, y: pytorch3d.knn_points(x, y, K=3, return_nn=True).knn * x[:, :, None],
        lambda x, y: (
            x[:, :, None]
            * torch.stack([b[d.argsort(1)[:, :3]] for b, d in zip(y, table(x, y), strict=True)])
        ),
    ),
    "pytorch3d.chamfer_distance": (
        lambda x, y: pytorch3d.chamfer_distance(x, y)[0],
        lambda x, y: table(x, y).amin(2).mean() + table(x, y).amin(1).mean(),
    ),
    "pytorch3d.sample_farthest_points": (
        lambda x, y: pytorch3d.sample_farthest_points(x, K=3)[0],
        lambda x, y: x.gather(
            1, ops.farthest_point_sampling(x.detach(), 3)[..., None].expand(-1, -1, 3)
        ),
    ),
}
NAMES = list(FUNCTIONS)


def same(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_forward_mode_derivatives(name: str) -> None:
    function, plain = FUNCTIONS[name]
    tangents = (cloud(2, 7, 3, seed=3), cloud(2, 9, 3, seed=4))
    expected = jvp(plain, (X, Y), tangents)
    assert expected[1].any()
    same(jvp(function, (X, Y), tangents), expected)
    same(jacfwd(function)(X, Y), jacrev(plain)(X, Y))
    for leaf in (X, X.clone().requires_grad_()):
        with forward_ad.dual_level():
            duals = (forward_ad.make_dual(a, t) for a, t in zip((leaf, Y), tangents, strict=True))
            same(forward_ad.unpack_dual(function(*duals)).tangent.detach(), expected[1])
    assert torch.autograd.gradcheck(
        function,
        (X.clone().requires_grad_(), Y.clone().requires_grad_()),
        check_forward_ad=True,
        check_batched_grad=True,
        check_batched_forward_grad=True,
        fast_mode=True,
    )


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node")
@pytest.mark.parametrize("name", NAMES)
def test_linearize(name: str) -> None:
    function, plain = FUNCTIONS[name]
    tangents = (cloud(2, 7, 3, seed=3), cloud(2, 9, 3, seed=4))
    value, derivative = linearize(function, X, Y)
    same((value, derivative(*tangents)), jvp(plain, (X, Y), tangents))


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_of_torch_func(name: str) -> None:
    function, plain = ((lambda x, y, f=f: f(x, y).square().sum()) for f in FUNCTIONS[name])
    same(grad(function, (0, 1))(X, Y), grad(plain, (0, 1))(X, Y))
    same(vjp(function, X, Y)[1](torch.ones_like(X[0, 0, 0])), grad(plain, (0, 1))(X, Y))
    expected = hessian(plain, (0, 1))(X, Y)
    same(hessian(function, (0, 1))(X, Y), expected)
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            same(outer(inner(function))(X, Y), expected[0][0])
    same(
        torch.autograd.functional.hessian(
            function, (X, Y), vectorize=True, outer_jacobian_strategy="forward-mode"
        ),
        expected,
    )


@pytest.mark.parametrize("name", NAMES)
def test_vmap_is_a_loop(name: str) -> None:
    function, _ = FUNCTIONS[name]
    x, y = cloud(3, 4, 2, 7, 3, seed=5), cloud(3, 2, 9, 3, seed=6)

    def loop(call: Callable[..., Tensor], *lists: Any) -> Tensor:
        return torch.stack([call(*each) for each in zip(*lists, strict=True)])

    expected = loop(function, x[:, 0], y)
    same(vmap(function)(x[:, 0], y), expected)
    same(vmap(function, in_dims=(-1, 0))(x[:, 0].movedim(0, -1), y), expected)
    same(vmap(function, (0, None))(x[:, 0], Y), loop(lambda a: function(a, Y), x[:, 0]))
    same(vmap(function, (None, 0))(X, y), loop(lambda b: function(X, b), y))
    nested = loop(lambda a, b: loop(lambda one: function(one, b), a), x, y)
    same(vmap(vmap(function, (0, None)))(x, y), nested)

    def loss(a: Tensor, b: Tensor) -> Tensor:
        return function(a, b).square().sum()

    gradients = loop(grad(loss), x[:, 0], y)
    same(vmap(grad(loss))(x[:, 0], y), gradients)
    same(grad(lambda a: vmap(loss)(a, y).sum())(x[:, 0]), gradients)
    leaf = x[:, 0].clone().requires_grad_()
    vmap(loss)(leaf, y).sum().backward()
    same(leaf.grad, gradients)


def test_vmap_of_what_is_no_batch_is_refused_with_the_shape_that_came() -> None:
    with pytest.raises(ValueError, match=r"x must be \(B, N, D\), got \(7, 3\)"):
        vmap(ops.nearest)(X, Y)
    with pytest.raises(ValueError, match=r"index must be from -1 to 8, got 9"):
        vmap(ops.group)(Y[None], INDEX[None] + 1)


def test_checkpoint_and_inference_mode() -> None:
    leaf = X.clone().requires_grad_()
    checkpoint(ops.chamfer_distance, leaf, Y, use_reentrant=False).backward()
    same(leaf.grad, grad(ops.chamfer_distance)(X, Y))
    with torch.inference_mode():
        same(ops.chamfer_distance(X, Y), ops.chamfer_distance(leaf.detach(), Y))


LAYOUTS: list[Callable[[Tensor], Tensor]] = [
    lambda a: a.mT.contiguous().mT,
    lambda a: torch.stack([a, a], 2)[:, :, 1],
    lambda a: a[:1].expand_as(a),
    lambda a: a[:, :1].expand_as(a),
]


def gradients(call: Callable[..., Tensor], layout: Callable[[Tensor], Tensor]) -> list[Tensor]:
    leaves = [a.clone().requires_grad_() for a in (X, Y)]
    loss = call(*map(layout, leaves)).square().sum()
    loss.backward()
    found = [leaf.grad for leaf in leaves]
    return [loss.detach(), *(grad for grad in found if grad is not None)]


@pytest.mark.parametrize("layout", range(len(LAYOUTS)))
def test_compiled_gradients_of_dynamic_sizes_and_strides(layout: int) -> None:
    compiled = torch.compile(
        ops.chamfer_distance, fullgraph=True, dynamic=True, backend="aot_eager"
    )
    same(gradients(compiled, LAYOUTS[layout]), gradients(ops.chamfer_distance, LAYOUTS[layout]))


def test_inductor_compiles_gradients_of_a_network_with_channels_first() -> None:
    network = torch.nn.Conv1d(8, 3, 1).double()
    features = cloud(2, 8, 50, seed=7)

    def loss(features: Tensor, y: Tensor) -> Tensor:
        x = network(features).mT
        distance, index = ops.knn(x, y, 3)
        near = distance.sum() + ops.ball_query(x, y, 0.5, 4)[0].sum()
        near = near + ops.assign_anchors(x, y[0])[0].sum() + ops.group(x, index % 50).square().sum()
        return near + ops.chamfer_distance(x, y) + ops.nearest(x, y)[0].sum()

    loss(features, Y).backward()
    expected = network.weight.grad.clone()
    network.zero_grad()
    torch.compile(loss, fullgraph=True)(features, Y).backward()
    same(network.weight.grad, expected)


@pytest.mark.parametrize("name", [name for name in NAMES if "lengths" not in name])
def test_exports_with_dynamic_sizes(name: str) -> None:
    function, _ = FUNCTIONS[name]

    class Model(torch.nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return function(x, y)

    free = torch.export.Dim.AUTO
    sizes = {0: free, 1: free} if "group" not in name and "assign" not in name else None
    program = torch.export.export(Model(), (X.mT.contiguous().mT, Y), dynamic_shapes=(sizes, sizes))
    same(program.module()(X, Y), function(X, Y))
    if sizes and name != "earth_movers_distance" and "assign" not in name:
        x, y = cloud(5, 17, 3, seed=8), cloud(5, 12, 3, seed=9)
        same(program.module()(x, y), function(x, y))


# --- nothing there ----------------------------------------------------------------------------

NONE = torch.empty(0, 5, 3)

EMPTY: dict[str, tuple[Callable[[], Tensor], tuple[int, ...]]] = {
    "nearest": (lambda: ops.nearest(NONE, NONE)[1], (0, 5)),
    "knn": (lambda: ops.knn(NONE, NONE, 2)[1], (0, 5, 2)),
    "ball_query": (lambda: ops.ball_query(NONE, NONE, 1.0, 2)[1], (0, 5, 2)),
    "farthest_point_sampling": (lambda: ops.farthest_point_sampling(NONE, 2), (0, 2)),
    "chamfer_distance": (lambda: ops.chamfer_distance(NONE, NONE, batch_reduction=None), (0,)),
    "earth_movers_distance": (lambda: ops.earth_movers_distance(NONE, NONE).distance, (0,)),
    "assign_anchors": (lambda: ops.assign_anchors(NONE, X[0].float())[1], (0, 5)),
    "group, no cloud": (lambda: ops.group(NONE, torch.empty(0, 4, 2).long()), (0, 4, 2, 3)),
    "group, no centre": (lambda: ops.group(X, torch.empty(2, 0, 2).long()), (2, 0, 2, 3)),
    "group, no neighbour": (lambda: ops.group(X, torch.empty(2, 4, 0).long()), (2, 4, 0, 3)),
    "group, no value": (lambda: ops.group(X[..., :0], INDEX % 7), (2, 7, 3, 0)),
    "group, no point": (lambda: ops.group(X[:, :0], INDEX * 0 - 1), (2, 7, 3, 3)),
    "pytorch3d.ball_query": (lambda: pytorch3d.ball_query(NONE, NONE, K=3).knn, (0, 5, 3, 3)),
    "pytorch3d.ball_query, no centre": (
        lambda: pytorch3d.ball_query(X[:, :0], Y, K=3).knn,
        (2, 0, 3, 3),
    ),
    "pytorch3d.knn_points": (
        lambda: pytorch3d.knn_points(NONE, NONE, K=3, return_nn=True).knn,
        (0, 5, 3, 3),
    ),
    "pytorch3d.knn_points, no query": (
        lambda: pytorch3d.knn_points(X[:, :0], Y, K=3, return_nn=True).knn,
        (2, 0, 3, 3),
    ),
    "pytorch3d.chamfer_distance": (
        lambda: pytorch3d.chamfer_distance(NONE, NONE, x_normals=NONE, y_normals=NONE)[1],
        (),
    ),
}


@pytest.mark.parametrize("case", EMPTY)
def test_of_nothing_comes_nothing(case: str) -> None:
    call, shape = EMPTY[case]
    assert call().shape == shape


def test_gradients_of_nothing_are_zero() -> None:
    anchors = X[0].clone().requires_grad_()
    ops.assign_anchors(Y[:0], anchors)[0].sum().backward()
    assert torch.equal(anchors.grad, torch.zeros_like(anchors))
    values = X[:, :0].clone().requires_grad_()
    ops.group(values, INDEX * 0 - 1).sum().backward()
    assert values.grad.shape == (2, 0, 3)
    with pytest.raises(ValueError, match=r"index must be from -1 to -1, got 0"):
        ops.group(values, INDEX * 0)


@pytest.mark.parametrize("name", [name for name in NAMES if "lengths" not in name])
def test_shapes_and_strides_on_the_meta_device(name: str) -> None:
    if name == "group":
        got, expected = ops.group(Y.to("meta"), INDEX.to("meta")), ops.group(Y, INDEX)
    else:
        function, _ = FUNCTIONS[name]
        with torch.device("meta"):
            got = function(X.to("meta"), Y.to("meta"))
        expected = function(X, Y)
    assert (got.shape, got.stride()) == (expected.shape, expected.stride())
