"""Bones: how long they are, and joints rebuilt with the bones of another hand."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d.geometry.hand_joints import BONES

PARENT, CHILD = (list(ends) for ends in zip(*BONES, strict=True))


def bones(joints: Tensor) -> Tensor:
    """The bones (..., 20, 3) of joints (..., 21, 3), from parent to child."""
    return joints[..., CHILD, :] - joints[..., PARENT, :]


def rebuilt(joints: Tensor, lengths: Tensor) -> Tensor:
    """Joints (..., 21, 3) with bones in the directions that they have, and as long as those of
    another hand, lengths (20,), all times the one size that fits best; their mean stays."""
    own = bones(joints)
    length = torch.linalg.vector_norm(own, dim=-1)  # (..., 20)
    size = (length * lengths).sum(-1) / lengths.square().sum()
    direction = own / length.clamp_min(1e-9)[..., None]
    put = [torch.zeros_like(joints[..., 0, :])]
    for bone, parent in enumerate(PARENT):  # parents come before their children
        step = direction[..., bone, :] * (size * lengths[bone])[..., None]
        put.append(put[parent] + step)
    found = torch.stack(put, -2)
    return found + (joints - found).mean(-2, keepdim=True)
