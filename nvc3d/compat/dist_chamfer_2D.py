"""ChamferDistancePytorch's Chamfer distance of points with 2 coordinates; see dist_chamfer_3D."""

from __future__ import annotations

from .dist_chamfer_3D import chamfer_3DDist, chamfer_3DFunction


class chamfer_2DFunction(chamfer_3DFunction):
    """What `chamfer_2DDist` does, under the name of its function."""

    dimension = 2


class chamfer_2DDist(chamfer_3DDist):
    """Find the nearest point of the other cloud, from both sides."""

    function = chamfer_2DFunction
