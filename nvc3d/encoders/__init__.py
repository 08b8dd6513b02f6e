"""Encoders: from points (B, N, 3) to a global feature (B, dim) and point features (B, N, C)."""

from __future__ import annotations

from nvc3d.encoders.dgcnn import DGCNN
from nvc3d.encoders.pointnet import PointNet, orthogonality_loss

__all__ = ["DGCNN", "PointNet", "orthogonality_loss"]
