"""Which data set of completion lies in a folder, told by the files that only it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nvc3d.data.pairs.base import StoredPairs
from nvc3d.data.pairs.completion3d import Completion3D
from nvc3d.data.pairs.mvp import MVP
from nvc3d.data.pairs.pcn import PCN
from nvc3d.data.pairs.shapenet55 import ShapeNet55
from nvc3d.files import PathLike


def recognise(
    root: PathLike,
    partial_points: int,
    complete_points: int,
    seed: int = 0,
    difficulty: str = "moderate",
) -> tuple[StoredPairs, StoredPairs] | None:
    """The pairs to train on and those to measure on of a data set in its own layout, as its authors
    split it; None for any other folder.

    Of PCN the test shapes are measured on, of Completion3D those of "val". A folder with
    ShapeNet-55 and ShapeNet-34 is taken as ShapeNet-55; `difficulty` is that of its test shapes.

    Raises:
        ValueError, FileNotFoundError: a part of the data set is missing or of another form.
    """
    folder = Path(root)
    points: dict[str, Any] = {
        "partial_points": partial_points,
        "complete_points": complete_points,
        "seed": seed,
    }
    if (folder / "PCN.json").is_file():
        return PCN(folder, "train", **points), PCN(folder, "test", **points)
    if (folder / "train.list").is_file():
        return Completion3D(folder, "train", **points), Completion3D(folder, "val", **points)
    if (folder / "shapenet_pc").is_dir():
        for name in ("ShapeNet-55", "ShapeNet-34"):
            if (folder / name).is_dir():
                return (
                    ShapeNet55(folder, f"{name}/train.txt", True, **points),
                    ShapeNet55(folder, f"{name}/test.txt", False, difficulty, **points),
                )
    if files := sorted(folder.glob("MVP_Train_*.h5")):
        test = files[0].with_name(files[0].name.replace("Train", "Test"))
        return MVP(files[0], True, **points), MVP(test, False, **points)
    return None
