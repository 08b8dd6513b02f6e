"""ChamferDistancePytorch's Chamfer distance of points with 6 coordinates; see dist_chamfer_3D."""

from __future__ import annotations

from .dist_chamfer_3D import chamfer_3DDist, chamfer_3DFunction


class chamfer_6DFunction(chamfer_3DFunction):
    """What `chamfer_6DDist` does, under the name of its function."""

    dimension = 6


class chamfer_6DDist(chamfer_3DDist):
    """Find the nearest point of the other cloud, from both sides."""

    function = chamfer_6DFunction
