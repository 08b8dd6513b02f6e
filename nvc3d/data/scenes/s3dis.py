"""S3DIS: the rooms of six areas of office buildings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path

from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.scenes.base import LabelledScenes, Place
from nvc3d.data.scenes.own import split_places
from nvc3d.files import PathLike

AREAS = tuple(f"Area_{number}" for number in range(1, 7))
TEST_AREA = "Area_5"
"""The area that is measured on by custom: no room of it is in another."""
CLASSES = (
    *("ceiling", "floor", "wall", "beam", "column", "window", "door"),
    *("table", "chair", "sofa", "bookcase", "board", "clutter"),
)
_FILE = re.compile(r"(Area_\d+)_(.+)\.npy")


class S3DIS(LabelledScenes):
    """The data set of Armeni et al., "3D Semantic Parsing of Large-Scale Indoor Spaces", CVPR 2016,
    a scene for each room, in either form:

        Area_1_conferenceRoom_1.npy         rows x y z r g b label
        Area_1/conferenceRoom_1/            coord.npy (N, 3), color.npy (N, 3), segment.npy (N,)

    Args:
        root: the folder.
        areas: those wanted, as "Area_1".
        points, size, seed, training: see LabelledScenes.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: an area unknown, or no room of those there.
    """

    def __init__(
        self,
        root: PathLike,
        areas: Iterable[str],
        points: int = 4096,
        size: float = 1.0,
        seed: int = 0,
        training: bool = True,
    ) -> None:
        wanted = list(areas)
        if unknown := sorted(set(wanted) - set(AREAS)):
            raise ValueError(f"areas must be among {', '.join(AREAS)}, got {', '.join(unknown)}")
        places = [place for place in rooms(Path(root)) if AREAS[place.label] in wanted]
        if not places:
            raise ValueError(f"{root}: it has no rooms of {', '.join(wanted)}")
        super().__init__(places, CLASSES, AREAS, points, size, seed, training)


def rooms(root: Path) -> list[Place]:
    """All rooms in a folder, by name."""
    found = []
    for entry in sorted(root.iterdir()):
        if entry.name in AREAS and entry.is_dir():
            area = AREAS.index(entry.name)
            folders = sorted(room for room in entry.iterdir() if room.is_dir())
            found += [Place(room, f"{entry.name}/{room.name}", area) for room in folders]
        elif (match := _FILE.fullmatch(entry.name)) and match[1] in AREAS:
            found.append(Place(entry, f"{match[1]}/{match[2]}", AREAS.index(match[1])))
    return found


def by_area(root: Path, found: list[Place], training: bool, wanted: Wanted) -> list[Place]:
    """The rooms of the other areas, or of the one that is measured on; where either is missing,
    rooms are dealt as `split_places` does, and a warning says so."""
    measured = [place for place in found if AREAS[place.label] == TEST_AREA]
    others = [place for place in found if AREAS[place.label] != TEST_AREA]
    if measured and (others or not training):
        return others if training else measured
    if training:
        missing = "nothing but" if measured else "no"
        warnings.warn(
            f"{root}: it has {missing} {TEST_AREA}, which is measured on by custom; "
            f"{wanted.holdout:g} of the rooms there are measured on instead",
            stacklevel=2,
        )
    return split_places(root, found, wanted.holdout, wanted.seed)[0 if training else 1]


def _holds(path: Path) -> bool:
    return path.is_dir() and any(
        place.path.is_file() or (place.path / "coord.npy").is_file() for place in rooms(path)
    )


def _open(root: Path, training: bool, wanted: Wanted) -> LabelledScenes:
    drawn = wanted.points, wanted.block, wanted.seed
    return LabelledScenes(
        by_area(root, rooms(root), training, wanted), CLASSES, AREAS, *drawn, training
    )


SPLIT = "areas 1 to 4 and 6, area 5; `--holdout` where either is missing"
DATA_SETS = (
    DataSet(
        name="S3DIS, arrays",
        gives="scenes",
        told_by="`Area_*_*.npy` or `Area_*/*/coord.npy`",
        holds=_holds,
        open=_open,
        split=SPLIT,
        labels="13 classes",
    ),
)
