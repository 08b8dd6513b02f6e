"""Data sets of points whose planes are known, each read in the layout in which it is handed out."""

from nvc3d.data.planes.base import PlaneFrame, Planes

__all__ = ["PlaneFrame", "Planes"]
