"""Which data set of scenes lies in a folder, told by the files that only it has."""

from __future__ import annotations

from pathlib import Path

from nvc3d.data.deal import deal
from nvc3d.data.scenes.base import LabelledScenes
from nvc3d.data.scenes.own import find_scenes
from nvc3d.data.scenes.s3dis import AREAS, S3DIS, TEST_AREA, rooms
from nvc3d.data.scenes.scannet import SPLITS, ScanNet, listing_of
from nvc3d.files import PathLike


def recognise(
    root: PathLike, points: int, size: float, seed: int = 0
) -> tuple[LabelledScenes, LabelledScenes] | None:
    """The scenes to train on and those to measure on of S3DIS, whose Area_5 is measured on, and of
    ScanNet; None for any other folder.

    Raises:
        ValueError, FileNotFoundError: a part of the data set is missing or of another form.
    """
    folder = Path(root)
    if not folder.is_dir():
        return None
    if rooms(folder):
        others = [area for area in AREAS if area != TEST_AREA]
        return (
            S3DIS(folder, others, points, size, seed),
            S3DIS(folder, [TEST_AREA], points, size, seed, training=False),
        )
    if any(listing_of(folder, split).is_file() for split in SPLITS) or any(
        folder.glob("train/*/segment20.npy")
    ):
        return (
            ScanNet(folder, "train", points, size, seed),
            ScanNet(folder, "val", points, size, seed),
        )
    return None


def dealt(
    root: PathLike, holdout: float, points: int, size: float, seed: int = 0
) -> tuple[LabelledScenes | None, LabelledScenes]:
    """The labelled scenes of the user's own to train on, and a fraction to measure on; at 1, all.

    Raises as `find_scenes` does, and ValueError on a single scene, of which nothing is left to
    train on.
    """
    places, classes = find_scenes(root)
    known = (classes, ("scene",), points, size, seed)
    if holdout == 1:
        return None, LabelledScenes(places, *known, training=False)
    parts = deal([place.name for place in places], seed, (1 - holdout, holdout))
    train, held_out = ([places[index] for index in part] for part in parts)
    return (
        LabelledScenes(train, *known, training=True),
        LabelledScenes(held_out, *known, training=False),
    )
