"""Where regions of points meet."""

from __future__ import annotations

import torch
from torch import Tensor

from . import checks, transforms


def region_borders(index: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    """Find the neighbours that are in different regions, or one of them in none.

    Args:
        index: the neighbours of every point (N, K), int64.
        region: of every point (N,), int64; any number of its own means none.

    Returns:
        `one` (E,), points in their order, and `other` (E,), a neighbour of each in another region,
        in the order of its neighbours; both int64.

    Raises:
        ValueError: on shapes, dtypes or devices that do not fit together, and an index that is
            none of a point.
    """
    return torch.ops.nvc3d.region_borders(index, region)


@torch.library.register_fake("nvc3d::region_borders")
def _fake(index: Tensor, region: Tensor) -> tuple[Tensor, Tensor]:
    checks.check_borders(index, region)
    pairs = torch.library.get_ctx().new_dynamic_size()
    return region.new_empty(pairs), region.new_empty(pairs)


transforms.register_no_gradient("region_borders")
