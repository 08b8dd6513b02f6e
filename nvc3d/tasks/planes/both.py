"""What geometry finds, cut where the network knows better."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d.geometry.plane_regions import Fit
from nvc3d.tasks.planes.instances import LEAST, Instances


def cut(points: Tensor, region: Tensor, known: Instances, least: int = LEAST) -> Instances:
    """Planes of a cloud (N, 3): the regions (N,) that geometry finds, out of which the instances of
    the network are cut that mostly lie in one and are of another type than most of it is: a door
    out of its wall. Points in no region keep their instance.

    Pieces of fewer than `least` points stay where they are.
    """
    count, types = int(known.instance.max()) + 1, len(known.types)
    own = known.instance
    kind = torch.cat([known.types, torch.tensor([-1])])[own] if types else torch.full_like(own, -1)
    regions = int(region.max()) + 1
    both = (region >= 0) & (kind >= 0)
    kinds = int(known.types.max()) + 1 if types else 1
    table = torch.bincount(region[both] * kinds + kind[both], minlength=regions * kinds)
    main = table.view(regions, kinds).argmax(1) if regions else table.new_zeros(0)
    of_region = torch.cat([main, torch.tensor([-1])])[region]
    shared = torch.bincount(own[both] * regions + region[both], minlength=count * regions)
    shared = shared.view(count, regions)
    home = (
        torch.where(
            shared.amax(1) > torch.bincount(own[own >= 0], minlength=count) / 2,
            shared.argmax(1),
            -1,
        )
        if count and regions
        else own.new_full((count,), -1)
    )
    at_home = torch.cat([home, torch.tensor([-2])])[own] == region
    apart = both & at_home & (kind != of_region)
    free = (region < 0) & (own >= 0)
    key = region.clone()
    key[apart] = regions + region[apart] * count + own[apart]
    key[free] = regions + regions * count + own[free]
    numbers, place, sizes = key.unique(return_inverse=True, return_counts=True)
    small = (sizes < least)[place] & (key >= regions)
    key[small] = region[small]
    numbers, place = key.unique(return_inverse=True)
    instance = place - int((numbers < 0).any())
    planes = int(instance.max()) + 1
    inside = (instance >= 0) & (kind >= 0)
    votes = torch.bincount(instance[inside] * kinds + kind[inside], minlength=planes * kinds)
    told = votes.view(planes, kinds).argmax(1) if planes else votes.new_zeros(0)
    return Instances(instance, told, Fit.of(points.double(), instance, planes))
