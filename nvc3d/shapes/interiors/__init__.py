"""Built-in interiors: rooms of exact planes, and what a depth camera or a scanner sees of them."""

from nvc3d.shapes.interiors.content import TYPES, Interior
from nvc3d.shapes.interiors.making import make_interior
from nvc3d.shapes.interiors.sight import Sight, look

__all__ = ["TYPES", "Interior", "Sight", "look", "make_interior"]
