"""ScanNet: rooms as a hand-held depth camera saw them."""

from __future__ import annotations

from pathlib import Path

from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.scenes.base import LabelledScenes, Place
from nvc3d.data.stored import present, read_from, require_split
from nvc3d.files import PathLike

SPLITS = ("train", "val")
CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf"),
    *("picture", "counter", "desk", "curtain", "refrigerator", "shower curtain", "toilet", "sink"),
    *("bathtub", "other furniture"),
)


class ScanNet(LabelledScenes):
    """The data set of Dai et al., "ScanNet: Richly-annotated 3D Reconstructions of Indoor Scenes",
    CVPR 2017, with the 20 classes of its benchmark.

        <split>/<scene>/coord.npy           (N, 3)
        <split>/<scene>/color.npy           (N, 3)
        <split>/<scene>/segment20.npy       (N,), -1 where there is none
        scannetv2_<split>.txt               names of scenes, a line each, where not all are wanted

    With a list, scenes may lie in the folder itself, too.

    Args:
        root: the folder.
        split: "train" or "val".
        points, size, seed: see LabelledScenes.

    Raises:
        FileNotFoundError: there is no list and no folder of the split.
        ValueError: a split unknown, or no scene there; scenes that are listed and not there give a
            warning.
    """

    def __init__(
        self, root: PathLike, split: str, points: int = 4096, size: float = 1.0, seed: int = 0
    ) -> None:
        require_split(split, SPLITS)
        folder, listing = Path(root) / split, listing_of(Path(root), split)
        if listing.is_file():
            homes = [home for home in (folder, Path(root)) if home.is_dir()]
            names = read_from(listing, lambda path: path.read_text().split())
            there = present(listing, names, lambda n: any((home / n).is_dir() for home in homes))
            paths = [next(h / n for h in homes if (h / n).is_dir()) for n in there]
        else:
            paths = sorted(path for path in folder.iterdir() if path.is_dir())
        if not paths:
            raise ValueError(f"{folder}: it has no scenes")
        places = [Place(path, f"{split}/{path.name}") for path in paths]
        super().__init__(places, CLASSES, ("scene",), points, size, seed, split == "train")


def listing_of(root: Path, split: str) -> Path:
    """Where the names of the scenes of a split are, if they are anywhere."""
    return root / f"scannetv2_{split}.txt"


def _holds(path: Path) -> bool:
    listed = any(listing_of(path, split).is_file() for split in SPLITS)
    arrays = any(any(path.glob(f"{where}/coord.npy")) for where in ("*", "*/*"))
    return any(path.glob("train/*/segment20.npy")) or (listed and arrays)


def _open(root: Path, training: bool, wanted: Wanted) -> ScanNet:
    split = "train" if training else "val"
    return ScanNet(root, split, wanted.points, wanted.block, wanted.seed)


DATA_SETS = (
    DataSet(
        name="ScanNet, arrays",
        gives="scenes",
        told_by="`train/*/segment20.npy`, or `scannetv2_*.txt` beside folders with `coord.npy`",
        holds=_holds,
        open=_open,
        split="`train`, `val`",
        labels="20 classes",
    ),
)
