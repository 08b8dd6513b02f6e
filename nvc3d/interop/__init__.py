"""At the door: shapes as other libraries have them become Cloud or Mesh."""

from nvc3d.interop.shapes import as_shape, several

__all__ = ["as_shape", "several"]
