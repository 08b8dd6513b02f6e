"""What is too large for the kernels' 32-bit indices is refused before any work is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nvc3d import ops

SMALL = torch.zeros(1, 2, 3)
# One number in memory, however large the shape.
HUGE = torch.zeros(()).expand(1, 2**31, 3)

CALLS: dict[str, tuple[str, Callable[[Tensor], Any]]] = {
    "nearest, queries": ("x", lambda cloud: ops.nearest(cloud, SMALL)),
    "nearest, targets": ("y", lambda cloud: ops.nearest(SMALL, cloud)),
    "chamfer_distance": ("y", lambda cloud: ops.chamfer_distance(SMALL, cloud)),
    "knn": ("y", lambda cloud: ops.knn(SMALL, cloud, 2)),
    "farthest_point_sampling": ("points", lambda cloud: ops.farthest_point_sampling(cloud, 2)),
    "ball_query": ("y", lambda cloud: ops.ball_query(SMALL, cloud, 0.1, 2)),
    "assign_anchors": ("anchors", lambda cloud: ops.assign_anchors(SMALL[0], cloud[0])),
}


@pytest.mark.parametrize("call", CALLS)
def test_clouds_past_two_to_the_31st_are_refused(call: str) -> None:
    name, operator = CALLS[call]
    with pytest.raises(ValueError, match=rf"{name} .*fewer.*2147483647.*got.*2147483648"):
        operator(HUGE)
