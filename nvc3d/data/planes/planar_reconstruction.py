"""PlanarReconstruction: PlaneNet's planes of ScanNet, a frame a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.planes.base import PlaneFrame, Planes
from nvc3d.data.planes.images import frame_of_image, stored_camera
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import present, read_from
from nvc3d.files import PathLike
from nvc3d.files.npz import open_npz

NONE = 20
"""The number of pixels in no plane."""
HEIGHT, WIDTH = 192, 256


class PlanarReconstruction(Planes):
    """The files of Yu, Zheng, Lian, Zhou, Gao, "Single-Image Piece-wise Planar 3D Reconstruction
    via Associative Embedding", CVPR 2019.

        train.txt, val.txt    names of files, a line each
        train/0.npz           image (192, 256, 3) blue first, depth in metres, segmentation, 20 for
                              none, num_planes, plane (20, 3) as n·d, info: the camera
        val/0.npz

    Their own code takes one camera for all; here it is each file's.

    Args:
        root: the folder.
        split: "train" or "val".
        training: whether what is drawn is new in each epoch.
        points, seed: see Planes.

    Raises ValueError where none of the files of the split is there.
    """

    colors = True

    def __init__(
        self, root: PathLike, split: str, training: bool, points: int = 1024, seed: int = 0
    ) -> None:
        super().__init__(points, seed, training)
        self._root, self.categories = Path(root) / split, ("ScanNet",)
        listing = Path(root) / f"{split}.txt"
        names = listing.read_text().split()
        self._names = present(listing, names, lambda n: (self._root / n).is_file(), "frames")

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        return self._names[index]

    def label(self, index: int) -> int:
        return 0

    def read(self, index: int) -> PlaneFrame:
        return read_from(self._root / self._names[index], _frame)


def _frame(path: Path) -> PlaneFrame:
    wanted = ("image", "depth", "segmentation", "num_planes", "plane", "info")
    with open_npz(path) as members:
        if missing := [name for name in wanted if name not in members]:
            raise ValueError(f"it has no {missing[0]}, but {', '.join(members) or 'nothing'}")
        arrays = {name: members[name].load() for name in wanted}
    count = int(arrays["num_planes"].ravel()[0])
    return frame_of_arrays(arrays, count)


def frame_of_arrays(arrays: dict[str, NDArray], count: int) -> PlaneFrame:
    """The frame of what PlaneNet stores of one, in arrays of any shape, with so many planes."""
    pixels = HEIGHT * WIDTH
    for name, size in (("image", 3 * pixels), ("depth", pixels), ("segmentation", pixels)):
        if arrays[name].size != size:
            raise ValueError(f"{name} must hold {size} numbers, got {arrays[name].shape}")
    if not 0 <= count <= NONE or arrays["plane"].size < 3 * count:
        raise ValueError(f"expected 0 to {NONE} planes, got {count} of {arrays['plane'].shape}")
    numbers = arrays["segmentation"].reshape(HEIGHT, WIDTH).astype(np.int64)
    return frame_of_image(
        arrays["depth"].reshape(HEIGHT, WIDTH),
        stored_camera(arrays["info"], WIDTH, HEIGHT),
        np.where(numbers == NONE, -1, numbers),
        arrays["plane"].reshape(-1, 3)[:count],
        arrays["image"].reshape(HEIGHT, WIDTH, 3)[..., ::-1].astype(np.uint8),
    )


def _holds(path: Path) -> bool:
    return any((path / f"{s}.txt").is_file() and _first(path / s) for s in ("train", "val"))


def _first(folder: Path) -> bool:
    return any(True for _ in folder.glob("*.npz"))


def _open(root: Path, training: bool, wanted: Wanted) -> PlanarReconstruction:
    split = "train" if training else "val"
    return PlanarReconstruction(root, split, training, wanted.points, wanted.seed)


DATA_SETS = (
    DataSet(
        name="PlanarReconstruction",
        gives="planes",
        told_by="`train.txt` or `val.txt`, beside `*.npz` in a folder of that name",
        holds=_holds,
        open=_open,
        split="`train`, `val`",
        labels="up to 20 planes",
    ),
)
