"""ChamferDistancePytorch's Chamfer distance of points with 5 coordinates; see dist_chamfer_3D."""

from __future__ import annotations

from .dist_chamfer_3D import chamfer_3DDist, chamfer_3DFunction


class chamfer_5DFunction(chamfer_3DFunction):
    """What `chamfer_5DDist` does, under the name of its function."""

    dimension = 5


class chamfer_5DDist(chamfer_3DDist):
    """Find the nearest point of the other cloud, from both sides."""

    function = chamfer_5DFunction
