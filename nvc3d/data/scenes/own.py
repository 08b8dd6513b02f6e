"""Labelled scenes of the user's own."""

from __future__ import annotations

import warnings
from pathlib import Path

from nvc3d.data.scenes.base import Place
from nvc3d.data.scenes.files import open_scene
from nvc3d.data.scenes.scene import survey
from nvc3d.data.stand_ins import FAULTS
from nvc3d.files import PathLike, find_shapes

_NAMED_AT_MOST = 20


def find_scenes(path: PathLike) -> tuple[list[Place], tuple[str, ...]]:
    """The labelled scenes of a folder and its sub-folders, whatever `open_scene` opens, and their
    classes: "label 0", "label 1", ..., up to the highest that is met.

    All are read once, to learn that. Those that cannot be read, or have no labels, are left out; a
    warning counts and names them.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it holds no labelled scene.
    """
    root = Path(path)
    good: list[Place] = []
    faults: list[str] = []
    classes = 0
    for place in places(root):
        try:
            scene = open_scene(place.path)
            if not scene.has_labels:
                raise ValueError(f"{place.path}: it has no labels")
            classes = max(classes, survey(scene).classes)
            good.append(place)
        except FAULTS as error:
            faults.append(str(error))
    if faults:
        message = f"{root}: left out {len(faults)} of {len(faults) + len(good)} scenes: "
        message += "; ".join(faults[:_NAMED_AT_MOST])
        if len(faults) > _NAMED_AT_MOST:
            message += f" and {len(faults) - _NAMED_AT_MOST} more"
        if not good:
            raise ValueError(message)
        warnings.warn(message, stacklevel=2)
    if not good:
        raise ValueError(f"{root}: it holds no file of a known kind of scene")
    if classes == 0:
        raise ValueError(f"{root}: no point of its scenes has a label")
    return good, tuple(f"label {index}" for index in range(classes))


def places(root: Path) -> list[Place]:
    """Where scenes may be: files that hold clouds, and folders of arrays."""
    if root.is_file() or (root / "coord.npy").is_file():
        return [Place(root, root.name)]
    found = {
        file.parent if (file.parent / "coord.npy").is_file() else file for file in find_shapes(root)
    }
    return [Place(path, path.relative_to(root).as_posix()) for path in sorted(found)]
