"""A hand before a camera, and files of it as data sets have them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image

from nvc3d.data.hands import HandFrame
from nvc3d.geometry.hand_joints import FINGERS, from_canonical
from nvc3d.geometry.intrinsics import CAMERAS, Intrinsics

HAND = np.zeros((21, 3))
"""An open hand in our order, in mm, fingers up (y down), 400 mm away; nearer towards the tips."""
HAND[0] = 10, 40, 400
for number, chain in enumerate(FINGERS.values()):
    for step, joint in enumerate(chain):
        side = 22.0 * (number - 2)
        HAND[joint] = side + 2 * step, -30 - 22 * step + 8 * abs(number - 2), 396 - 4 * step


def depth_of(camera: Intrinsics, joints: np.ndarray = HAND) -> np.ndarray:
    """The depth (height, width) in mm of small squares around joints (J, 3), and of a wall."""
    depth = np.full((camera.height, camera.width), 2000.0)
    depth[:8] = 0
    for u, v, z in sorted(camera.project(joints).tolist(), key=lambda place: -place[2]):
        row, column = round(v), round(u)
        depth[row - 2 : row + 3, column - 2 : column + 3] = z
    return depth


def stored(order: str, joints: np.ndarray = HAND) -> np.ndarray:
    """The hand in a set's order, what we do not know somewhere in its middle."""
    own = from_canonical(joints, order)
    return np.where(np.isnan(own), joints.mean(0), own)


def write_depth(path: Path, depth: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(depth).astype(np.uint16)).save(path)


def write_colors(path: Path, red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([red, green, blue], -1).astype(np.uint8)).save(path)


def write_msra(root: Path, frames: int = 3) -> Path:
    """MSRA15 of two people, a gesture each, the hand farther to the right in every frame."""
    camera = CAMERAS["msra"]
    for person in ("P1", "P2"):
        folder = root / person / "TIP"
        folder.mkdir(parents=True)
        rows = []
        for number in range(frames):
            joints = HAND + np.array([10.0 * number, 0, 0])
            own = stored("msra", joints) * [1, -1, -1]
            rows.append(" ".join(f"{value:.4f}" for value in own.ravel()))
            part = depth_of(camera, joints)[50:200, 90:260].astype("<f4")
            part[part > 1000] = 0
            header = struct.pack("<6i", 320, 240, 90, 50, 260, 200)
            (folder / f"{number:06d}_depth.bin").write_bytes(header + part.tobytes())
        (folder / "joint.txt").write_text(f"{frames}\n" + "\n".join(rows) + "\n")
    return root


def check(frame: HandFrame, joints: np.ndarray = HAND, within: float = 1.0) -> None:
    """The joints are those that were written, and lie where the depth image shows them."""
    told, there = frame.canonical
    assert there.any() and np.allclose(told[there], joints[there], atol=within)
    assert frame.depth is not None
    for u, v, z in frame.camera.project(told[there]).tolist():
        assert abs(frame.depth[round(v), round(u)] - z) <= 5  # a finger may hide another
    points = frame.points()
    assert len(points) > 0 and points[:, 2].max() < 500, "the wall is not of the hand"
