"""The planes of a cloud or a mesh: points in, planes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nvc3d import ops
from nvc3d.data.draws import rows_drawn
from nvc3d.geometry.mesh import Mesh, Shape, drawn
from nvc3d.geometry.planes import Planes, find_planes, fit_planes
from nvc3d.geometry.upright import UP, check_up
from nvc3d.planar import PlanarAnswer
from nvc3d.tasks.planes.both import cut
from nvc3d.tasks.planes.config import PlanesNet
from nvc3d.tasks.planes.instances import TOLERANCE, Instances, instances
from nvc3d.tasks.planes.model import PlanesModel
from nvc3d.tasks.task import evaluating

DRAWN = 50000
"""Points that a mesh is looked at by."""
CANDIDATES = 6
"""Points that the network saw, around any other, one of which tells its plane."""
HUE = 5.0
"""What a colour counts beside the distance of two points that the network saw."""
FREE = 4.0
"""What it costs a point to be on no plane, where squares of such a distance cost 1."""


@dataclass(frozen=True, eq=False)
class PlanesAnswer:
    """The planes of a cloud, in its own axes and unit."""

    found: PlanarAnswer
    """the points, their planes by least squares, and what is up"""
    types: NDArray[np.int64]
    """(P,): what each plane is of, an index into `names`"""
    names: tuple[str, ...]

    @property
    def planes(self) -> Planes:
        """All that is known of the planes, the one with the most points first."""
        return self.found.planes

    @property
    def instance(self) -> NDArray[np.int64]:
        """(N,): the plane of every point, -1 for none."""
        return self.planes.instance

    @property
    def normal(self) -> NDArray[np.float64]:
        """(P, 3): of length 1."""
        return self.planes.normal

    @property
    def offset(self) -> NDArray[np.float64]:
        """(P,): normal · x of a plane's points, in the unit of the cloud."""
        return self.planes.offset

    def write(self, path: str | Path) -> list[Path]:
        """Write the planes as `PlanarAnswer.write` does; gives what was written."""
        return self.found.write(path)


def answer(
    model: PlanesModel,
    config: PlanesNet,
    shape: Shape,
    *,
    up: str = "z",
    manhattan: bool = False,
    seed: int = 0,
) -> PlanesAnswer:
    """The planes of a cloud, or of 50,000 points of a mesh, in metres unless the cloud has a unit.

    Where planes are is told by `nvc3d.geometry.find_planes`, of all points; what lies flush on them
    by the network, which sees some of the points, drawn at random: each other has the plane of one
    of those near to it, and of its colour, on which it lies best.

    Args:
        up: the axis that is up, as `nvc3d.reconstruct_planes` has it; or "camera": y is down.
        manhattan: turn planes square, as there.
        seed: of the points that are drawn.

    Raises ValueError on an unknown axis, and where the model asks for colours that there are not.
    """
    check_up(up)
    rng = np.random.default_rng(seed)
    cloud = drawn(shape, DRAWN, rng) if isinstance(shape, Mesh) else shape
    if model.channels and cloud.colors is None:
        raise ValueError(
            "the model was trained with colours, and there are none: train one with "
            "--no-attributes for points alone"
        )
    metres = np.asarray(cloud.points, np.float64) * (cloud.unit or 1.0)
    points = torch.from_numpy(np.ascontiguousarray(metres @ turn(up).T)).float()
    rows = torch.from_numpy(rows_drawn(len(points), config.points, rng))
    with evaluating(model) as device:
        seen = points[rows]
        features = None
        if model.channels:
            assert cloud.colors is not None
            features = torch.from_numpy(cloud.colors)[rows][None].to(device).float() / 255
        result = model(seen[None].to(device), features)
        own = instances(seen, *(part[0].float().cpu() for part in result[:4]))
    colors = None
    if cloud.colors is not None:
        colors = torch.from_numpy(np.ascontiguousarray(cloud.colors)).float() / 255
    everywhere = own._replace(instance=spread(points, colors, rows, own))
    region = torch.from_numpy(find_planes(cloud.points).instance)
    cutout = cut(points, region, everywhere, typed=len(model.vocabulary.labels) > 1)
    instance = cutout.instance.numpy()
    planes = fit_planes(cloud.points, instance)
    # They are numbered anew, by their points.
    types = np.full(len(planes.offset), -1)
    there = planes.instance >= 0
    types[planes.instance[there]] = cutout.types.numpy()[instance[there]]
    found = PlanarAnswer.of(cloud, planes, up, manhattan)
    return PlanesAnswer(found, types, model.vocabulary.labels)


def spread(points: Tensor, colors: Tensor | None, rows: Tensor, known: Instances) -> Tensor:
    """The planes (N,) of all points (N, 3), by those of some rows (S,): each point has the plane of
    one of those nearest to it, also by their colours (N, 3), on which it lies best."""
    seen = points[rows]
    apart = ops.knn(seen[None], seen[None], min(4, len(seen))).squared[0, :, -1].mean().sqrt()
    told = points / apart.clamp_min(1e-6)
    if colors is not None:
        told = torch.cat([told, HUE * colors], 1)
    squared, index = ops.knn(told[None], told[rows][None], min(CANDIDATES, len(seen)))
    choice = known.instance[index[0]]  # (N, K)
    off = known.fit.distance(points[:, None].double(), choice)
    cost = squared[0] + torch.where(choice >= 0, (off / TOLERANCE).square().clamp_max(50), FREE)
    instance = choice.gather(1, cost.argmin(1, keepdim=True))[:, 0]
    instance[rows] = known.instance
    return instance


def turn(up: str) -> NDArray[np.float64]:
    """The turn (3, 3) after which an axis, a key of `UP`, is z; of a camera forward is then y."""
    axis = UP[up].direction
    if abs(axis[2]) == 1:
        return np.diag([1.0, axis[2], axis[2]])
    ahead = np.array([0.0, 0.0, 1.0])
    return np.stack([np.cross(ahead, axis), ahead, axis])
