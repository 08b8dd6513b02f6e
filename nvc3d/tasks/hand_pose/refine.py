"""A hand with skin, fitted to what the network says and to the points that are seen."""

from __future__ import annotations

import torch
from torch import Tensor

from nvc3d import ops
from nvc3d.shapes.hands import Hand, Pose, make_hand, surface
from nvc3d.shapes.hands import joints as joints_of

PALM = [0, 1, 5, 9, 13, 17]
"""The wrist and the first joint of each finger, which hardly move against each other."""
PERSON = 0
"""Whose hand is fitted; it may be larger or smaller as a whole."""
TO_JOINTS, TO_POINTS = 60, 80
"""Steps of the fit to the joints alone, and to the points as well."""
TRUSTED = 0.1
"""Weight of the distances to the network's joints, beside those of the points."""
FAR = 15.0
"""Points farther than so many mm from the skin are of something else."""
RATES = {"angles": 0.06, "turn": 0.06, "place": 2.0, "scale": 0.01}
"""Of Adam: radians, radians, mm, and shares."""
SLOWER = 0.25
"""What they are multiplied by once the points count, too."""


def refined(points: Tensor, joints: Tensor, error: Tensor, left: Tensor) -> Tensor:
    """The joints (B, 21, 3) of built-in hands fitted to joints (B, 21, 3) and points (B, P, 3), all
    in mm before the camera.

    First the pose and the size of the hand are fitted to the joints, then the distance of the
    points to its nearest skin counts as well. Joints of which a greater `error` (B, 21) is expected
    weigh less. Left hands (B,) are mirrored.
    """
    with torch.enable_grad(), torch.autocast(points.device.type, enabled=False):
        hand = make_hand(PERSON).to(torch.float32).to(points.device)
        mirror = torch.ones_like(points[:, :1])  # (B, 1, 3)
        mirror[left, :, 0] = -1
        own = joints.float() * mirror
        rest = joints_of(hand.skeleton, Pose.rest(dtype=torch.float32))[PALM].to(own)
        turn, shift = _laid(rest, own[:, PALM])
        weight = 1 / error
        weight = weight / weight.mean(1, keepdim=True)
        cloud = ((points.float() * mirror - shift) @ turn).contiguous()
        found = _fitted(hand, cloud, (own - shift) @ turn, weight)
        return (found @ turn.mT + shift) * mirror


def _laid(rest: Tensor, joints: Tensor) -> tuple[Tensor, Tensor]:
    """The turns (B, 3, 3) and shifts (B, 1, 3) that best lay rows (N, 3) on joints (B, N, 3)."""
    middle, centre = rest.mean(0), joints.mean(1, keepdim=True)
    u, _, v = torch.linalg.svd((joints - centre).mT @ (rest - middle))
    sign = torch.ones_like(centre[:, 0])
    sign[:, 2] = torch.linalg.det(u @ v).sign()
    turn = u @ (sign[..., None] * v)
    return turn, centre - middle[None] @ turn.mT


def _fitted(hand: Hand, cloud: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The joints (B, 21, 3) of the hand fitted to clouds (B, P, 3) and joints that lie nearly as
    its palm does at rest."""
    count = len(cloud)
    start = Pose.rest(count)
    values = {name: value.to(cloud).requires_grad_() for name, value in start._asdict().items()}
    pose = Pose(**values)
    optimizer = torch.optim.Adam([{"params": [values[name]], "lr": RATES[name]} for name in RATES])
    for step in range(TO_JOINTS + TO_POINTS):
        away = torch.linalg.vector_norm(joints_of(hand.skeleton, pose) - target, dim=-1)
        loss = (away * weight).mean(1)
        if step == TO_JOINTS:
            for group in optimizer.param_groups:
                group["lr"] *= SLOWER
        if step >= TO_JOINTS:
            loss = TRUSTED * loss + _to_skin(cloud, surface(hand, pose)).mean(1)
        optimizer.zero_grad()
        # Of each hand by itself: Adam keeps no number that hands share.
        loss.sum().backward()
        optimizer.step()
    return joints_of(hand.skeleton, pose).detach()


def _to_skin(cloud: Tensor, skin: Tensor) -> Tensor:
    """Distances (B, P) of points to the nearest vertex (B, V, 3), `FAR` at most."""
    index = ops.nearest(cloud, skin.detach().contiguous()).index
    near = skin.gather(1, index[..., None].expand(-1, -1, 3))
    # Rounded off below a millimetre, where a plain distance has no gradient.
    return ((near - cloud).square().sum(-1) + 1).sqrt().clamp_max(FAR)
