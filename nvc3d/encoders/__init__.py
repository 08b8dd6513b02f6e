"""Encoders: from points (B, N, 3) to a global feature (B, dim) and point features (B, N, C), or
from voxel grids to a global feature and feature maps."""

from __future__ import annotations

from nvc3d.encoders.dgcnn import DGCNN
from nvc3d.encoders.encoder import EncoderName, PointEncoder, make
from nvc3d.encoders.pointnet import PointNet, orthogonality_loss
from nvc3d.encoders.pointnet2 import PointNet2
from nvc3d.encoders.voxels import VoxelEncoder

__all__ = [
    "DGCNN",
    "EncoderName",
    "PointEncoder",
    "PointNet",
    "PointNet2",
    "VoxelEncoder",
    "make",
    "orthogonality_loss",
]
