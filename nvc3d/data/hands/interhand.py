"""InterHand2.6M: one hand or two in colour, without depth, in a dome of cameras."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nvc3d.data.hands.base import HandFrame, Side
from nvc3d.data.hands.listed import Listed, ListedHands
from nvc3d.data.registry import DataSet
from nvc3d.data.stored import read_from, require_split
from nvc3d.files import PathLike
from nvc3d.geometry.intrinsics import Intrinsics

SPLITS = ("train", "val", "test")
KINDS = ("data", "camera", "joint_3d")
ROWS: tuple[tuple[Side, slice], ...] = (("right", slice(0, 21)), ("left", slice(21, 42)))


class InterHand(ListedHands):
    """The data set of Moon, Yu, Wen, Shiratori, Lee, "InterHand2.6M: A Dataset and Baseline for 3D
    Interacting Hand Pose Estimation from a Single RGB Image", ECCV 2020.

        annotations/<split>/InterHand2.6M_<split>_data.json      as COCO has it: images, and of each
                                                                 joint_valid of 42 joints
                            InterHand2.6M_<split>_camera.json    {capture: {campos, camrot, focal,
                                                                 princpt: {camera: numbers}}}
                            InterHand2.6M_<split>_joint_3d.json  {capture: {frame: {world_coord
                                                                 (42, 3), mm}}}
        images/<split>/Capture0/.../image0023.jpg

    or annotations/all/ for all splits, as the first version has it. An item is a hand of which a
    joint at least is valid: one or two of a picture. The 42 joints are the right hand's, then the
    left one's.

    Args:
        root: the folder.
        split: "train", "val" or "test".
        points, seed: see Hands.

    Raises:
        FileNotFoundError: there are no such annotations.
        ValueError: annotations of other forms, or no image there.
    """

    def __init__(self, root: PathLike, split: str, points: int = 1024, seed: int = 0) -> None:
        require_split(split, SPLITS)
        data, cameras, joints = (_path(Path(root), split, kind) for kind in KINDS)
        told = [read_from(path, _json) for path in (data, cameras, joints)]
        with_images = Path(root) / "images" / split
        frames = read_from(data, lambda _: list(_frames(with_images, *told)))
        super().__init__(data, frames, points, seed, split == "train")

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        return HandFrame(frame.joints, "interhand", frame.camera, side=frame.side, image=frame.path)


def _path(root: Path, split: str, kind: str) -> Path:
    file = f"InterHand2.6M_{split}_{kind}.json"
    own = root / "annotations" / split / file
    return own if own.is_file() else root / "annotations" / "all" / file


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"expected a dict, got {type(found).__name__}")
    return found


def _frames(
    folder: Path, data: dict[str, Any], cameras: dict[str, Any], joints: dict[str, Any]
) -> Iterator[Listed]:
    images = {image["id"]: image for image in _told(data, "images", "the annotations")}
    for hands in _told(data, "annotations", "the annotations"):
        number = _told(hands, "image_id", "an annotation")
        what = f"image {number}"
        if number not in images:
            raise ValueError(f"{what} is not among the images")
        image = images[number]
        keys = ("capture", "camera", "frame_idx", "file_name", "width", "height")
        capture, camera, frame, file, width, height = (_told(image, key, what) for key in keys)
        of_camera = [
            np.array(_told(cameras, str(capture), key, str(camera), what), np.float64)
            for key in ("campos", "camrot", "focal", "princpt")
        ]
        where, turn, (fx, fy), (cx, cy) = of_camera
        world = _told(joints, str(capture), str(frame), "world_coord", what)
        points = np.array(world, np.float64)
        valid = np.array(_told(hands, "joint_valid", what), np.float64).ravel() > 0
        if points.shape != (42, 3) or valid.shape != (42,):
            raise ValueError(
                f"{what}: expected 42 joints, got world_coord {points.shape} and "
                f"joint_valid {valid.shape}"
            )
        before = np.where(valid[:, None], (points - where) @ turn.T, np.nan)
        pinhole = Intrinsics(fx, fy, cx, cy, width, height)
        for side, rows in ROWS:
            if valid[rows].any():
                name = f"{Path(file).with_suffix('').as_posix()}/{side}"
                yield Listed(name, side, folder / file, before[rows], pinhole, side)


def _told(found: Any, *keys: str) -> Any:
    """What lies under some keys, one below the other; the last of them is for messages."""
    *path, what = keys
    for key in path:
        if not isinstance(found, dict) or key not in found:
            raise ValueError(f"{what}: expected {' / '.join(path)}")
        found = found[key]
    return found


DATA_SETS = (
    DataSet(
        name="InterHand2.6M (no depth)",
        gives="hands",
        told_by="`annotations/*/InterHand2.6M_*_joint_3d.json`",
        holds=lambda path: any(path.glob("annotations/*/InterHand2.6M_*_joint_3d.json")),
        open=lambda root, training, wanted: InterHand(
            root, SPLITS[0 if training else 2], wanted.points, wanted.seed
        ),
        split="`train`, `test`",
        labels="21 joints of each hand",
    ),
)
