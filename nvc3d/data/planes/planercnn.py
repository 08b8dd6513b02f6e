"""PlaneRCNN: planes of ScanNet's scenes, with depth, camera and pose of every frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.deal import deal
from nvc3d.data.planes.base import PlaneFrame, Planes
from nvc3d.data.planes.images import UPRIGHT, frame_of_image
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from
from nvc3d.extras import require
from nvc3d.files import PathLike
from nvc3d.files.depth import read_depth
from nvc3d.geometry.intrinsics import Intrinsics
from nvc3d.geometry.plane_forms import from_times_offset, moved, times_offset

UNKNOWN = 167771
"""The number of pixels of which nobody says anything."""
_CAMERA = ("fx_depth", "fy_depth", "mx_depth", "my_depth", "depthWidth", "depthHeight")


class PlaneRCNN(Planes):
    """The layout of Liu, Kim, Gu, Furukawa, Kautz, "PlaneRCNN: 3D Plane Detection and
    Reconstruction from a Single Image", CVPR 2019.

        [scans/]SCENE/SCENE.txt                      fx_depth = 577.87 and so on: the camera
        [scans/]SCENE/frames/depth/0.png             in mm
        [scans/]SCENE/frames/pose/0.txt              (4, 4), from the camera to the world
        [scans/]SCENE/frames/color/0.jpg
        [scans/]SCENE/annotation/planes.npy          (P, 3), n·d in the world
        [scans/]SCENE/annotation/segmentation/0.png  100 (number + 1) in 24 bits, 0 for none

    Args:
        root: the folder.
        scenes: names of those wanted.
        training: whether what is drawn is new in each epoch.
        points, seed: see Planes.

    Raises ValueError where the scenes have no frame.
    """

    colors = True

    def __init__(
        self,
        root: PathLike,
        scenes: Sequence[str],
        training: bool,
        points: int = 1024,
        seed: int = 0,
    ) -> None:
        super().__init__(points, seed, training)
        self._root, self.categories = _scans(Path(root)), ("ScanNet",)
        self._frames = [
            (scene, path.stem)
            for scene in scenes
            for path in sorted((self._root / scene / "annotation/segmentation").glob("*.png"))
        ]
        if not self._frames:
            raise ValueError(f"{root}: its scenes have no frame, annotation/segmentation/*.png")

    def __len__(self) -> int:
        return len(self._frames)

    def name(self, index: int) -> str:
        return "/".join(self._frames[index])

    def label(self, index: int) -> int:
        return 0

    def read(self, index: int) -> PlaneFrame:
        scene, frame = self._frames[index]
        folder = self._root / scene
        camera = read_from(folder / f"{scene}.txt", _camera)
        depth = read_depth(folder / f"frames/depth/{frame}.png")
        pose = read_from(folder / f"frames/pose/{frame}.txt", _pose)
        planes = read_from(folder / "annotation/planes.npy", _planes)
        path = folder / f"annotation/segmentation/{frame}.png"
        red, green, blue = np.moveaxis(_image(path, depth.shape).astype(np.int64), 2, 0)
        numbers = (65536 * red + 256 * green + blue) // 100 - 1
        numbers = np.where(numbers == UNKNOWN, -1, numbers)
        image = _image(folder / f"frames/color/{frame}.jpg", depth.shape)
        told = planes.any(1)
        vectors = np.zeros(planes.shape)
        # From the world to the camera, then to z up.
        turn = UPRIGHT @ pose[:3, :3].T
        vectors[told] = times_offset(
            *moved(*from_times_offset(planes[told]), turn, -turn @ pose[:3, 3])
        )
        try:
            return frame_of_image(depth, camera, numbers, vectors, image)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _camera(path: Path) -> Intrinsics:
    said: dict[str, str] = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition("=")
        said[name.strip()] = value.strip()
    if missing := [name for name in _CAMERA if name not in said]:
        raise ValueError(f"it does not tell {missing[0]}, which the camera needs")
    fx, fy, cx, cy, width, height = (float(said[name]) for name in _CAMERA)
    return Intrinsics(fx, fy, cx, cy, int(width), int(height))


def _pose(path: Path) -> NDArray[np.float64]:
    pose = np.array(path.read_text().split(), np.float64)
    if pose.size != 16 or not np.isfinite(pose).all():
        raise ValueError(f"expected a matrix (4, 4), finite, got {pose.size} numbers")
    turn = pose.reshape(4, 4)[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-2:
        raise ValueError("its matrix is no turn")
    return pose.reshape(4, 4)


def _planes(path: Path) -> NDArray[np.float64]:
    planes = np.load(path, allow_pickle=False)
    if planes.ndim != 2 or planes.shape[1] != 3 or not np.isfinite(planes).all():
        raise ValueError(f"expected finite planes (P, 3), got {planes.shape}")
    return planes.astype(np.float64)


def _image(path: Path, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """An image (height, width, 3), of the size of the depth by its nearest pixels."""
    pillow = require("PIL.Image", "to read images")
    with pillow.open(path) as image:
        if image.size != (size[1], size[0]):
            image = image.resize((size[1], size[0]), pillow.Resampling.NEAREST)
        return np.asarray(image.convert("RGB"))


def _scans(root: Path) -> Path:
    return root / "scans" if (root / "scans").is_dir() else root


def _scenes(root: Path) -> list[str]:
    found = _scans(root).glob("*/annotation/planes.npy")
    return sorted(path.parent.parent.name for path in found)


def _open(root: Path, training: bool, wanted: Wanted) -> PlaneRCNN:
    scenes = _scenes(root)
    chosen = scenes
    if wanted.holdout < 1:
        shares = (1 - wanted.holdout, wanted.holdout)
        parts = deal(scenes, wanted.seed, shares, "scenes")
        chosen = [scenes[i] for i in parts[0 if training else 1]]
    return PlaneRCNN(root, chosen, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="PlaneRCNN's ScanNet",
        gives="planes",
        told_by="`[scans/]*/annotation/planes.npy`",
        holds=lambda path: bool(_scenes(path)),
        open=_open,
        split="`--holdout` of the scenes",
        labels="planes of whole scenes",
    ),
)
