"""What geometry finds, cut where the network knows better."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d.geometry.plane_regions import Fit
from nvc3d.tasks.planes.instances import LEAST, Instances


def cut(points: Tensor, region: Tensor, known: Instances, typed: bool = True) -> Instances:
    """Planes of a cloud (N, 3): the regions (N,) that geometry finds, out of which the instances of
    the network are cut that mostly lie in one and are of another type than most of it is: a door
    out of its wall. Where types are not told apart, all but the one that most of it is. An instance
    that geometry mostly missed is a plane too. All other points stay where they are, as do pieces
    of few points.
    """
    own = known.instance
    kind = _at(known.types if typed else torch.arange(len(known.types)), own)
    main, _ = _commonest(region, kind)
    home, shared = _commonest(own, region)
    sizes = torch.bincount(own[own >= 0])
    home = torch.where(2 * shared > sizes, home, -1)
    apart = (region >= 0) & (_at(home, own) == region)
    apart &= (kind >= 0) & (kind != _at(main, region))
    free = (region < 0) & (own >= 0)
    missed = 2 * torch.bincount(own[free], minlength=len(sizes)) > sizes
    apart |= free & (_at(missed.long(), own) == 1)
    pieces = torch.where(apart, own, -1)
    size = torch.bincount(pieces[apart], minlength=len(home))
    apart &= _at(size, pieces) >= LEAST
    numbers, instance = torch.where(apart, len(main) + own, region).unique(return_inverse=True)
    instance = instance - int((numbers < 0).any())
    types, _ = _commonest(instance, _at(known.types, own))
    return Instances(instance, types, Fit.of(points.double(), instance, len(types)))


def _at(values: Tensor, numbers: Tensor) -> Tensor:
    """The values (P,) of numbers (N,), -1 where those are."""
    return torch.cat([values, values.new_tensor([-1])])[numbers]


def _commonest(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """For each number among rows (N,) the one that columns (N,) have most often beside it, and how
    often; numbers below 0 count nowhere."""
    count, wide = int(rows.max()) + 1, max(int(columns.max()) + 1, 1)
    both = (rows >= 0) & (columns >= 0)
    table = torch.bincount(rows[both] * wide + columns[both], minlength=count * wide)
    times, most = table.view(count, wide).max(1)
    return most, times
