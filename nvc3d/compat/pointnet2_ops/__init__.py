"""pointnet2_ops (the operators and layers of PointNet++ for PyTorch) over our operators."""

from __future__ import annotations

from . import pointnet2_modules, pointnet2_utils

__all__ = ["pointnet2_modules", "pointnet2_utils"]
__version__ = "3.0.0"  # whose names and signatures these are
