"""Every operator alike, whatever the layout of its tensors: its schema, its strides, and its answer
beside the plain definition."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from test_ops import LENGTHS, X, Y, cloud
from torch import Tensor

from nvc3d import ops
from nvc3d.ops.library import OPERATORS, PLAIN, describe

pytestmark = pytest.mark.usefixtures("device")

NEAR = torch.cdist(X[0], X[0]).argsort(1)[:, :5]
S = torch.tensor([4, 1, 8])
REGION = torch.tensor([0, 1, 0, 1, -1, 1, 0, 0, -1])
ROWS = torch.randint(-1, 9, (2, 9, 4))

# name -> a call of the operator's schema, with every kind of argument it takes
CALLS: dict[str, list[tuple]] = {
    "nearest": [(X, Y, None, None, 2, True), (X, Y, *LENGTHS, 1, True)],
    "nearest_both": [(X, Y, None, None, 2, True), (X, Y, *LENGTHS, 1, False)],
    "knn": [(X, Y, 3, None, None, 2, True, 1e9), (X.double(), Y.double(), 2, *LENGTHS, 1, True)],
    "distance_backward": [
        (cloud(2, 9, 2), X, Y, torch.randint(0, 11, (2, 9, 2)), None, 2),
        (cloud(2, 9, 2), X, Y, torch.randint(0, 11, (2, 9, 2)), LENGTHS[0], 1),
    ],
    "farthest_point_sampling": [
        (X, 4, None, torch.tensor([0, 3]), True),
        (X, 3, LENGTHS[0], torch.tensor([0, 3]), False),
    ],
    "ball_query": [(X, Y, 4, 1.0, None, None, True), (X, Y, 20, 0.5, *LENGTHS, False)],
    "optimal_matching": [(X, Y[:, :9], None, 0.0, True), (X, Y[:, :9], LENGTHS[0], 0.0, False)],
    "assign_anchors": [(X[0], Y[0], True)],
    "local_planes": [(X[0], NEAR), (X[0].double(), NEAR[:, :4])],
    "grow_planes": [
        (X[0], NEAR, Y[0, :9] / Y[0, :9].norm(dim=1, keepdim=True), X[0, :, 0].abs(), S, 0.2, 3)
    ],
    "pool_neighbours": [(X, ROWS), (cloud(2, 11, 20).double(), ROWS)],
    "pool_neighbours_backward": [(X, X, ROWS, ROWS[..., :3].clamp_max(8).int(), 11)],
    "shared_planes": [(X[0], NEAR), (X[0].double(), NEAR[:4])],
    "assign_planes": [
        (
            X[0],
            NEAR,
            torch.tensor([0, 1, 0, 1, -1, 1, 0, 0, -1]),
            Y[0, :2],
            Y[0, :2, 0],
            X[0, :2, 1],
        ),
    ],
    "plane_moments": [(X[0], torch.tensor([0, 1, 0, 1, -1, 1, 0, 0, -1]), 3)],
    "region_borders": [(NEAR, torch.tensor([0, 1, 0, 1, -1, 1, 0, 0, -1]))],
    "gather_index": [(torch.randint(-1, 11, (2, 9, 3)), 11)],
}


def contiguous(value: Tensor) -> Tensor:
    return value


def transposed(value: Tensor) -> Tensor:
    return value.mT.contiguous().mT if value.dim() > 1 else value


def batch_last(value: Tensor) -> Tensor:
    return value.movedim(0, -1).contiguous().movedim(-1, 0)


def sliced(value: Tensor) -> Tensor:
    """With an offset, and steps between the numbers."""
    return torch.stack([torch.zeros_like(value), value], -1)[..., 1]


def expanded(value: Tensor) -> Tensor:
    return value[:1].expand_as(value)


def one_point(value: Tensor) -> Tensor:
    return value[:1, :1].expand_as(value) if value.dim() > 1 else value


def no_batch(value: Tensor) -> Tensor:
    return value[:0]


# What may differ from layout to layout is what is given, not that it can be traced.
CHECKS_OF_LAYOUT = ("test_schema", "test_faketensor")
CHECKS = (*CHECKS_OF_LAYOUT, "test_autograd_registration", "test_aot_dispatch_dynamic")
LAYOUTS = [contiguous, transposed, batch_last, sliced, expanded, one_point, no_batch]


def with_gradients(arguments: tuple) -> tuple:
    return tuple(
        a.detach().requires_grad_() if isinstance(a, Tensor) and a.is_floating_point() else a
        for a in arguments
    )


# Parts of ops.Index, which calls the operators where they are not.
IN_TREES = {"build_tree", "knn_in_tree", "ball_query_in_tree"}


def test_every_operator_has_its_calls() -> None:
    registered = {
        name.removeprefix("nvc3d::")
        for name in torch._C._dispatch_get_all_op_names()
        if name.startswith("nvc3d::")
    }
    assert set(CALLS) == registered - IN_TREES == {f.__name__ for f in (*OPERATORS, *PLAIN)}


def test_compiled_operators_are_active() -> None:
    # Else the tests below would compare the plain definitions with themselves.
    assert describe()["compiled"], describe()["reason"]


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
def test_schema_is_that_of_the_plain_definition(function: Callable) -> None:
    compiled = getattr(torch.ops.nvc3d, function.__name__).default._schema
    plain = torch._C.parse_schema("plain" + torch.library.infer_schema(function, mutates_args=()))
    assert [(a.name, str(a.type)) for a in compiled.arguments] == [
        (a.name, str(a.type)) for a in plain.arguments
    ]
    assert [str(r.type) for r in compiled.returns] == [str(r.type) for r in plain.returns]
    assert all(r.name for r in compiled.returns)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("name", CALLS)
def test_opcheck(name: str, layout: Callable[[Tensor], Tensor]) -> None:
    for arguments in CALLS[name] if layout is contiguous else CALLS[name][-1:]:
        laid = tuple(layout(a) if isinstance(a, Tensor) else a for a in arguments)
        if name == "assign_anchors" and layout is no_batch:
            laid = (laid[0], *arguments[1:])  # anchors there must be
        torch.library.opcheck(
            getattr(torch.ops.nvc3d, name).default,
            with_gradients(laid),
            test_utils=CHECKS if layout in (contiguous, no_batch) else CHECKS_OF_LAYOUT,
        )


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("name", CALLS)
def test_plain_definitions_have_the_same_strides(
    name: str, layout: Callable[[Tensor], Tensor]
) -> None:
    for arguments in CALLS[name]:
        laid = tuple(layout(a) if isinstance(a, Tensor) else a for a in arguments)
        if name == "assign_anchors" and layout is no_batch:
            laid = (laid[0], *arguments[1:])
        expected = _tuple(getattr(ops.reference, name)(*laid))
        got = _tuple(getattr(torch.ops.nvc3d, name)(*laid))
        assert [o.stride() for o in got] == [o.stride() for o in expected]


@pytest.mark.parametrize("name", CALLS)
def test_equals_the_plain_definition(name: str) -> None:
    for arguments in CALLS[name]:
        exact = [
            a.double() if isinstance(a, Tensor) and a.is_floating_point() else a for a in arguments
        ]
        expected = getattr(ops.reference, name)(*exact)
        got = getattr(torch.ops.nvc3d, name)(*arguments)
        for one, other in zip(_tuple(got), _tuple(expected), strict=True):
            torch.testing.assert_close(one, other, check_dtype=False)


def _tuple(value: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)
