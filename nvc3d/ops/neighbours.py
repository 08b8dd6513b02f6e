"""What the operators return that find neighbours."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Neighbours(NamedTuple):
    """The neighbours of every point, or the nearest anchor of every latent.

    `squared` holds the squared Euclidean distances, and `index`, int64 and of the same shape, says
    which points they lead to. Where norm=1 was asked for, `squared` holds L1 distances, the plain
    sums of absolute differences: nothing is squared then.
    """

    squared: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which nobody asks of neighbours


# So that torch.export.save takes a program that returns them.
torch.utils._pytree._register_namedtuple(Neighbours, serialized_type_name="nvc3d.ops.Neighbours")
