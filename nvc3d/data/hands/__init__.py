"""Data sets of hands whose joints are known, each read in the layout in which it is handed out."""

from nvc3d.data.hands.base import HandFrame, Hands

__all__ = ["HandFrame", "Hands"]
