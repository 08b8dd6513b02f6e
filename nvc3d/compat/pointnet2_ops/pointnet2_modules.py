"""pointnet2_ops.pointnet2_modules over our operators: its layers, whose weights are named alike.

    from nvc3d.compat.pointnet2_ops.pointnet2_modules import PointnetFPModule, PointnetSAModule

A peer's checkpoint loads, and these lists of widths stay as they were given. (Qi et al.,
"PointNet++: Deep Hierarchical Feature Learning on Point Sets in a Metric Space", NeurIPS 2017.)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from . import pointnet2_utils


def build_shared_mlp(mlp_spec: Sequence[int], bn: bool = True) -> nn.Sequential:
    """Layers of the given widths that act on each point alone: (B, C, M, K) to (B, C', M, K)."""
    layers: list[nn.Module] = []
    for width, following in pairwise(mlp_spec):
        layers.append(nn.Conv2d(width, following, kernel_size=1, bias=not bn))
        if bn:
            layers.append(nn.BatchNorm2d(following))
        layers.append(nn.ReLU(True))
    return nn.Sequential(*layers)


class _PointnetSAModuleBase(nn.Module):
    """What is found around picked points: a subclass sets `npoint`, `groupers` and `mlps`."""

    npoint: int | None
    groupers: nn.ModuleList
    mlps: nn.ModuleList

    def forward(self, xyz: Tensor, features: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """From (B, N, 3) and (B, C, N) to the picks (B, npoint, 3) and features (B, C', npoint)."""
        centres = None
        if self.npoint is not None:
            index = pointnet2_utils.furthest_point_sample(xyz, self.npoint)
            picked = pointnet2_utils.gather_operation(xyz.transpose(1, 2), index)
            centres = picked.transpose(1, 2).contiguous()
        found = [
            mlp(grouper(xyz, centres, features)).amax(-1)
            for grouper, mlp in zip(self.groupers, self.mlps, strict=True)
        ]
        return centres, torch.cat(found, 1)


class PointnetSAModuleMSG(_PointnetSAModuleBase):
    """Set abstraction at several scales: the features of balls around picked points.

    Args:
        npoint: how many points are picked; None for one group of all points.
        radii: the radius of each scale.
        nsamples: how many points a ball has at each scale.
        mlps: the widths of the layers at each scale; the first is that of the features.
        bn: normalise by batches.
        use_xyz: coordinates are features too.
    """

    def __init__(
        self,
        npoint: int | None,
        radii: Sequence[float | None],
        nsamples: Sequence[int | None],
        mlps: Sequence[Sequence[int]],
        bn: bool = True,
        use_xyz: bool = True,
    ) -> None:
        super().__init__()
        if not len(radii) == len(nsamples) == len(mlps):
            raise ValueError(
                f"radii, nsamples and mlps must be equally many, got {len(radii)}, "
                f"{len(nsamples)} and {len(mlps)}"
            )
        self.npoint = npoint
        self.groupers, self.mlps = nn.ModuleList(), nn.ModuleList()
        for radius, nsample, (width, *widths) in zip(radii, nsamples, mlps, strict=True):
            if npoint is None:
                self.groupers.append(pointnet2_utils.GroupAll(use_xyz))
            elif radius is None or nsample is None:
                raise ValueError(f"radius and nsample must be given, got {radius} and {nsample}")
            else:
                self.groupers.append(pointnet2_utils.QueryAndGroup(radius, nsample, use_xyz))
            self.mlps.append(build_shared_mlp([width + 3 * use_xyz, *widths], bn))


class PointnetSAModule(PointnetSAModuleMSG):
    """Set abstraction at one scale; see `PointnetSAModuleMSG`."""

    def __init__(
        self,
        mlp: Sequence[int],
        npoint: int | None = None,
        radius: float | None = None,
        nsample: int | None = None,
        bn: bool = True,
        use_xyz: bool = True,
    ) -> None:
        super().__init__(npoint, [radius], [nsample], [mlp], bn, use_xyz)


class PointnetFPModule(nn.Module):
    """Feature propagation: features of a few points, interpolated at many.

    Args:
        mlp: the widths of the layers; the first is that of both features together.
        bn: normalise by batches.
    """

    def __init__(self, mlp: Sequence[int], bn: bool = True) -> None:
        super().__init__()
        self.mlp = build_shared_mlp(mlp, bn)

    def forward(
        self,
        unknown: Tensor,
        known: Tensor | None,
        unknow_feats: Tensor | None,
        known_feats: Tensor,
    ) -> Tensor:
        """Features at `unknown` (B, N, 3), by those of the three nearest of `known`.

        Args:
            unknown: (B, N, 3).
            known: (B, M, 3); None where `known_feats` (B, C2, 1) are those of the whole cloud.
            unknow_feats: what is known at the many already (B, C1, N), or None.
            known_feats: (B, C2, M).

        Returns:
            (B, C, N).
        """
        if known is None:
            found = known_feats.expand(-1, -1, unknown.shape[1])
        else:
            distance, index = pointnet2_utils.three_nn(unknown, known)
            closeness = 1 / (distance + 1e-8)
            weight = closeness / closeness.sum(2, keepdim=True)
            found = pointnet2_utils.three_interpolate(known_feats, index, weight)
        if unknow_feats is not None:
            found = torch.cat([found, unknow_feats], 1)
        return self.mlp(found[..., None])[..., 0]
