"""Frames of a laser scanner on a car, with labels: SemanticKITTI's."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nvc3d.data.grids.semantic_kitti import CLASSES, class_table
from nvc3d.data.naming import named
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.scenes.base import LabelledScenes, Place
from nvc3d.data.scenes.own import split_rooms
from nvc3d.data.scenes.scene import Rows, Scene
from nvc3d.data.stored import read_from
from nvc3d.files.formats.kitti_bin import frame

TEST_SEQUENCE = "08"


class KittiFrames(LabelledScenes):
    """SemanticKITTI's frames (Behley et al., "SemanticKITTI: A Dataset for Semantic Scene
    Understanding of LiDAR Sequences", ICCV 2019), each a scene in metres, z up.

        sequences/NN/velodyne/FFFFFF.bin    float32 x y z intensity
        sequences/NN/labels/FFFFFF.label    uint32: the class in the low 16 bits, the thing above

    Labels that are none of the 19 classes are none.

    Args:
        places: frames, of which the .bin is the path.
        categories: the sequences.
        points, size, seed, training: see LabelledScenes.

    Raises:
        ValueError: see LabelledScenes.
    """

    def __init__(
        self,
        places: Sequence[Place],
        categories: Sequence[str],
        points: int = 4096,
        size: float = 10.0,
        seed: int = 0,
        training: bool = True,
    ) -> None:
        super().__init__(places, CLASSES, categories, points, size, seed, training)

    def open(self, path: Path) -> Scene:
        rows = read_from(path, frame)  # (N, 4)
        file = label_file(path)
        stored = read_from(file, lambda f: np.fromfile(f, "<u4"))
        if len(stored) != len(rows):
            raise ValueError(f"{file}: expected {len(rows)} labels, got {len(stored)}")
        classes = class_table()[stored & 0xFFFF].astype(np.int64)
        # In grids 0 is empty and 255 unknown.
        columns = {
            "label": np.where((classes == 0) | (classes == 255), -1, classes - 1),
            "instance": (stored >> 16).astype(np.int64),
            "intensity": rows[:, 3],
        }

        def read(start: int, stop: int) -> Rows:
            return Rows(rows[start:stop, :3], {n: v[start:stop] for n, v in columns.items()})

        return Scene(path, len(rows), frozenset(columns), read, CLASSES, held=True)


def label_file(frame: Path) -> Path:
    """Where the labels of a frame are."""
    return frame.parents[1] / "labels" / f"{frame.stem}.label"


def _frames(root: Path) -> list[Path]:
    return sorted(root.glob("sequences/[0-9][0-9]/velodyne/*.bin"))


def _open(root: Path, training: bool, wanted: Wanted) -> KittiFrames:
    every = _frames(root)
    frames = [path for path in every if label_file(path).is_file()]
    if not frames:
        raise ValueError(f"{root}: none of its {len(every)} frames has labels")
    # The sequences of the hidden test have none at all: that is as it is handed out.
    known = {path.parents[1].name for path in frames}
    bare = [p for p in every if p.parents[1].name in known and not label_file(p).is_file()]
    if bare and training:
        told = named([path.relative_to(root) for path in bare])
        warnings.warn(f"{root}: left out {len(bare)} frames without labels: {told}", stacklevel=2)
    sequences = sorted(known)
    places = [
        Place(path, f"{path.parents[1].name}/{path.stem}", sequences.index(path.parents[1].name))
        for path in frames
    ]
    measured = [place for place in places if sequences[place.label] == TEST_SEQUENCE]
    others = [place for place in places if sequences[place.label] != TEST_SEQUENCE]
    if measured and (others or not training):
        chosen = others if training else measured
    else:
        # Frames of a sequence are all but alike, so they stay together where there are several.
        groups = [sequences[p.label] if len(sequences) > 1 else p.name for p in places]
        parts = split_rooms(root, places, groups, wanted.holdout, wanted.seed)
        chosen = parts[0 if training else 1]
        if training:
            kind = "sequences" if len(sequences) > 1 else "frames, which are much alike,"
            warnings.warn(
                f"{root}: without sequence {TEST_SEQUENCE} beside others, {wanted.holdout:g} of "
                f"the {kind} are measured on",
                stacklevel=2,
            )
    return KittiFrames(chosen, sequences, wanted.points, wanted.block, wanted.seed, training)


DATA_SETS = (
    DataSet(
        name="SemanticKITTI, frames",
        gives="scenes",
        told_by="`sequences/NN/velodyne/*.bin`",
        holds=lambda path: any(path.glob("sequences/[0-9][0-9]/velodyne/*.bin")),
        open=_open,
        split="the other sequences, 08; `--holdout` of the sequences where either is missing",
        labels="19 classes",
    ),
)
