"""Data sets: what lies in folders, made into items that a training can draw from."""

from typing import TYPE_CHECKING

from nvc3d import lazy

if TYPE_CHECKING:
    from nvc3d.data.folder import ShapeFolder
    from nvc3d.data.pairs.views import PartialViews

__all__ = ["PartialViews", "ShapeFolder"]
__getattr__, __dir__ = lazy.names(
    __name__, {"folder": ("ShapeFolder",), "pairs.views": ("PartialViews",)}
)
