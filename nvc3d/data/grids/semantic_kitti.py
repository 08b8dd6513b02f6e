"""SemanticKITTI's voxels: what a laser saw of a street, and the whole of it with its classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.grids.scanned import ScannedGrids
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import read_from, require_split
from nvc3d.files import PathLike
from nvc3d.geometry.voxelise import UNKNOWN

SIZE = (256, 256, 32)
"""Voxels ahead, to the left and up, of 0.2 m."""
SEQUENCES = {"train": (0, 1, 2, 3, 4, 5, 6, 7, 9, 10), "val": (8,)}
CLASSES = (
    *("car", "bicycle", "motorcycle", "truck", "other-vehicle", "person", "bicyclist"),
    *("motorcyclist", "road", "parking", "sidewalk", "other-ground", "building", "fence"),
    *("vegetation", "trunk", "terrain", "pole", "traffic-sign"),
)
# The stored labels of each class, moving things with those at rest.
_STORED = (
    *((10, 252), (11,), (15,), (18, 258), (13, 16, 20, 256, 257, 259), (30, 254), (31, 253)),
    *((32, 255), (40, 60), (44,), (48,), (49,), (50,), (51,), (70,), (71,), (72,), (80,), (81,)),
)


class SemanticKitti(ScannedGrids):
    """Semantic scene completion of streets (Behley et al., "SemanticKITTI: A Dataset for Semantic
    Scene Understanding of LiDAR Sequences", ICCV 2019).

        sequences/NN/voxels/FFFFFF.bin      what the scan saw, a bit a voxel
        sequences/NN/voxels/FFFFFF.label    uint16 a voxel
        sequences/NN/voxels/FFFFFF.invalid  what no scan saw, a bit a voxel

    Labels that are none of the 19 classes, and voxels that no scan saw, are unknown; see
    ScannedGrids.

    Args:
        root: the folder that holds `sequences`.
        split: "train" or "val" (sequence 08).

    Raises:
        ValueError: a split unknown, or no frame there.
    """

    categories = ("street",)
    classes = CLASSES
    size = SIZE

    def __init__(self, root: PathLike, split: str) -> None:
        require_split(split, tuple(SEQUENCES))
        folders = [Path(root) / "sequences" / f"{n:02d}" / "voxels" for n in SEQUENCES[split]]
        self._frames = [label for folder in folders for label in sorted(folder.glob("*.label"))]
        if not self._frames:
            raise ValueError(f"{root}: no sequences/NN/voxels/*.label of the split {split!r}")
        super().__init__()

    def __len__(self) -> int:
        return len(self._frames)

    def label(self, index: int) -> int:
        return 0

    def name(self, index: int) -> str:
        frame = self._frames[index]
        return f"{frame.parents[1].name}/{frame.stem}"

    def load(self, index: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        frame = self._frames[index]
        seen, invalid = (_bits(frame.with_suffix(kind)) for kind in (".bin", ".invalid"))
        labels = read_from(frame, lambda path: np.fromfile(path, "<u2"))
        if labels.size != np.prod(SIZE):
            raise ValueError(f"{frame}: expected {np.prod(SIZE)} labels, got {labels.size}")
        grid = class_table()[labels].reshape(SIZE)
        grid[invalid] = UNKNOWN
        return seen, grid


def _bits(path: Path) -> NDArray[np.bool_]:
    packed = read_from(path, lambda file: np.fromfile(file, np.uint8))
    if packed.size * 8 != np.prod(SIZE):
        raise ValueError(f"{path}: expected {np.prod(SIZE) // 8} bytes, got {packed.size}")
    return np.unpackbits(packed).reshape(SIZE).astype(bool)


def class_table() -> NDArray[np.uint8]:
    """The class of each stored label, from 1 on; 0: empty or no label, 255: none of the classes."""
    table = np.full(2**16, UNKNOWN, np.uint8)
    table[0] = 0
    for number, stored in enumerate(_STORED, 1):
        table[list(stored)] = number
    return table


def _open(root: Path, training: bool, wanted: Wanted) -> SemanticKitti:
    if wanted.size not in (None, SIZE):
        raise ValueError(f"the grids of SemanticKITTI are of size {SIZE}, got {wanted.size}")
    return SemanticKitti(root, "train" if training else "val")


DATA_SETS = (
    DataSet(
        name="SemanticKITTI, voxels",
        gives="grids",
        told_by="`sequences/NN/voxels/`",
        holds=lambda path: any(path.glob("sequences/[0-9][0-9]/voxels")),
        open=_open,
        split="sequences 00 to 07, 09 and 10; 08",
        labels="19 classes",
    ),
)
