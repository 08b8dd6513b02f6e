"""A GPU without memory is reported by torch's own exception."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from nvc3d import ops

X = torch.rand(2, 9, 3)
pytestmark = pytest.mark.filterwarnings("ignore:Warning only once for all operators")
CALLS: dict[str, Callable[[Tensor], object]] = {
    "nearest": lambda x: ops.nearest(x, x),
    "knn": lambda x: ops.knn(x, x, 3),
    "ball_query": lambda x: ops.ball_query(x, x, 0.5, 3),
    "farthest_point_sampling": lambda x: ops.farthest_point_sampling(x, 3),
    "assign_anchors": lambda x: ops.assign_anchors(x, x[0]),
}


@pytest.fixture(params=["CUDA out of memory. Tried to allocate 20.00 GiB.", "something else"])
def failing(request: pytest.FixtureRequest) -> Iterator[str]:
    """The compiled operators fail with this text, as C++ does."""

    def fail(*arguments: object) -> None:
        raise RuntimeError(request.param)

    library = torch.library.Library("nvc3d", "FRAGMENT")
    for name in CALLS:
        library.impl(name, fail, "CPU", allow_override=True)
    yield request.param
    library._destroy()


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_no_memory_is_torchs_own_exception(failing: str, name: str, grad: bool) -> None:
    expected = torch.OutOfMemoryError if "memory" in failing else RuntimeError
    with pytest.raises(RuntimeError) as error:
        CALLS[name](X.clone().requires_grad_(grad))
    assert type(error.value) is expected and failing in str(error.value)


def test_operators_are_whole_again() -> None:
    assert ops.nearest(X, X).index.tolist() == [list(range(9))] * 2
