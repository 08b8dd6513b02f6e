"""Labelled scenes of the user's own."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from nvc3d.data.deal import deal
from nvc3d.data.label_names import MOST, label_names
from nvc3d.data.layout import Layout
from nvc3d.data.listing import find_files
from nvc3d.data.naming import named
from nvc3d.data.scenes.base import LabelledScenes, Place
from nvc3d.data.scenes.files import open_scene
from nvc3d.data.scenes.kept import Kept
from nvc3d.data.scenes.scene import survey
from nvc3d.data.stand_ins import FAULTS
from nvc3d.files import PathLike


def find_scenes(path: PathLike, kept: Kept | None = None) -> tuple[list[Place], tuple[str, ...]]:
    """The labelled scenes of a folder and its sub-folders, whatever `open_scene` opens, and their
    classes: as a file beside them names them (see `label_names`), or the scenes themselves, or
    "label 0", "label 1", ..., up to the highest that is met.

    All are read once, to learn that, and `kept`. Those that cannot be read, have no labels, or
    labels beyond those that have names, are left out; a warning counts and names them.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no labelled scene, or scenes name labels differently.
    """
    root, kept = Path(path), kept or Kept()
    good: list[Place] = []
    faults: list[str] = []
    classes = 0
    names = label_names(root)
    told: dict[tuple[str, ...], Path] = {}
    for place in places(root):
        try:
            scene = kept.open(place.path, open_scene)
            if not scene.has_labels:
                raise ValueError(f"{place.path}: it has no labels")
            count = survey(scene).classes
            if count - 1 > MOST:
                raise ValueError(
                    f"{place.path}: labels of classes must be from 0 to {MOST}, got {count - 1}"
                )
            if names and count > len(names):
                raise ValueError(
                    f"{place.path}: labels with names are from 0 to {len(names) - 1}, "
                    f"got {count - 1}"
                )
            classes = max(classes, count)
            good.append(place)
            if scene.label_names:
                told.setdefault(scene.label_names, place.path)
        except FAULTS as error:
            faults.append(str(error))
    if faults:
        total = len(faults) + len(good)
        message = f"{root}: left out {len(faults)} of {total} scenes: {named(faults, '; ')}"
        if not good:
            raise ValueError(message)
        warnings.warn(message, stacklevel=2)
    if not good:
        raise ValueError(f"{root}: it holds no file of a known kind of scene")
    if classes == 0:
        raise ValueError(f"{root}: no point of its scenes has a label")
    if not names and told:
        if len(told) > 1:
            first, second = list(told.values())[:2]
            raise ValueError(
                f"{first} and {second} name labels differently: give one list of names for all in "
                f"{root / 'classes.txt'}"
            )
        names = next(iter(told))
    more = tuple(f"label {index}" for index in range(len(names), classes))
    return good, names + more


def places(root: Path) -> list[Place]:
    """Where scenes may be: files that hold clouds, and folders of arrays."""
    if root.is_file() or (root / "coord.npy").is_file():
        return [Place(root, root.name)]
    found = {
        file.parent if (file.parent / "coord.npy").is_file() else file for file in find_files(root)
    }
    return [Place(path, path.relative_to(root).as_posix()) for path in sorted(found)]


def dealt(
    root: PathLike, holdout: float, points: int, size: float, seed: int = 0
) -> tuple[LabelledScenes | None, LabelledScenes]:
    """The labelled scenes of the user's own to train on, and those to measure on: as folders called
    after splits say (see `Layout`), or a fraction; at 1, all.

    Raises as `find_scenes` and `Layout` do, and ValueError on a single scene, of which nothing is
    left to train on.
    """
    kept = Kept()
    found, classes = find_scenes(root, kept)
    known = (classes, ("scene",), points, size, seed)
    parts = split_places(Path(root), found, holdout, seed)
    train = LabelledScenes(parts[0], *known, training=True, kept=kept) if parts[0] else None
    return train, LabelledScenes(parts[1], *known, training=False, kept=kept)


def split_places(
    root: Path, found: list[Place], holdout: float, seed: int
) -> tuple[list[Place], list[Place]]:
    """The scenes to train on, none where `holdout` is 1, and those to measure on; see `dealt`."""
    return split_rooms(root, found, [place.name for place in found], holdout, seed)


def split_rooms(
    root: Path, found: list[Place], rooms: Sequence[str], holdout: float, seed: int
) -> tuple[list[Place], list[Place]]:
    """The same, with scenes of one room, by their names, kept together."""
    names = [place.name for place in found]
    own = Layout(root, names).own_split(names)
    if own is not None:
        train, held_out = ([found[index] for index in part] for part in own)
        return ([] if holdout == 1 else train), held_out
    if holdout == 1:
        return [], found
    every = sorted(set(rooms))
    if len(every) == 1:
        raise ValueError(
            f"{root}: it holds one labelled scene only, {every[0]}: nothing would be left "
            "to measure on; cut it into several, some of which are measured on"
        )
    parts = deal(every, seed, (1 - holdout, holdout), "scenes")
    learned, kept = ({every[index] for index in part} for part in parts)
    of = sorted(zip(found, rooms, strict=True), key=lambda pair: pair[0].name)
    return [p for p, room in of if room in learned], [p for p, room in of if room in kept]
