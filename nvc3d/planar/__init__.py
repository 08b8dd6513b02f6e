"""The planes of a shape with their outlines: found, and written to files."""

from nvc3d.planar.answer import PlanarAnswer, reconstruct_planes

__all__ = ["PlanarAnswer", "reconstruct_planes"]
