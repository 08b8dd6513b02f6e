"""ScanNet as it is handed out: a mesh of each room, with labels of its vertices beside it."""

from __future__ import annotations

import csv
import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.naming import named
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.scenes.base import LabelledScenes, Place
from nvc3d.data.scenes.files import open_scene
from nvc3d.data.scenes.own import split_rooms
from nvc3d.data.scenes.scannet import CLASSES, SPLITS, listing_of
from nvc3d.data.scenes.scene import Rows, Scene, as_labels
from nvc3d.data.stored import present, read_from
from nvc3d.files import reading

NYU40 = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
"""The number of each of the 20 classes among NYU's 40."""
MESH = "_vh_clean_2.ply"
TABLE = "scannetv2-labels.combined.tsv"
"""What names of things mean, where labels have to be made of them."""
_ROOM = re.compile(r"(scene\d{4})_\d{2}")


class ScanNetScans(LabelledScenes):
    """ScanNet's meshes; see `ScanNet`, whose 20 classes these are.

        [scans/]<scene>/<scene>_vh_clean_2.ply          the mesh, whose vertices are the points
        [scans/]<scene>/<scene>_vh_clean_2.labels.ply   the same with NYU's labels of vertices
        scannetv2_<split>.txt                           names of scenes, a line each

    Where there is no such second mesh, labels are made of `.aggregation.json` and `.segs.json`, by
    the table `scannetv2-labels.combined.tsv` in the folder. Labels beyond the 20 are none.

    Args:
        root: the folder of the table, for messages and the table alone.
        places: folders of scenes.
        points, size, seed, training: see LabelledScenes.

    Raises:
        ValueError: see LabelledScenes.
    """

    def __init__(
        self,
        root: Path,
        places: Sequence[Place],
        points: int = 4096,
        size: float = 1.0,
        seed: int = 0,
        training: bool = True,
    ) -> None:
        self._root = root
        self._ids: dict[str, int] | None = None
        super().__init__(places, CLASSES, ("scene",), points, size, seed, training)

    def open(self, path: Path) -> Scene:
        mesh = open_scene(_file(path, MESH))
        labelled = _file(path, MESH.replace(".ply", ".labels.ply"))
        beside = {"color"} & mesh.columns | {"label"}
        if labelled.is_file():
            labels = open_scene(labelled)
            if not labels.has_labels or labels.count != mesh.count:
                raise ValueError(
                    f"{labelled}: expected labels of the {mesh.count} vertices of the other mesh, "
                    f"got {labels.count if labels.has_labels else 'none'}"
                )
            table = _table()

            def of(start: int, stop: int) -> NDArray[np.int64]:
                found = as_labels(labelled, labels.read(start, stop).columns["label"])
                return np.where((found >= 0) & (found < len(table)), table[found % len(table)], -1)
        else:
            made = self._made(path, mesh.count)

            def of(start: int, stop: int) -> NDArray[np.int64]:
                return made[start:stop]

        def read(start: int, stop: int) -> Rows:
            rows = mesh.read(start, stop)
            kept = {name: rows.columns[name] for name in beside & mesh.columns - {"label"}}
            return Rows(rows.points, {**kept, "label": of(start, stop)})

        return Scene(path, mesh.count, frozenset(beside), read, CLASSES, not labelled.is_file())

    def _made(self, path: Path, count: int) -> NDArray[np.int64]:
        """The labels (count,) that segments and the things they are of tell."""
        if self._ids is None:
            self._ids = _ids(self._root)
        segments_file, things_file = (
            _beside(path, end) for end in (".segs.json", ".aggregation.json")
        )
        segments = np.array(read_from(segments_file, lambda f: _json(f, "segIndices")), np.int64)
        if segments.shape != (count,):
            raise ValueError(
                f"{segments_file}: expected segIndices of {count} vertices, got {segments.shape}"
            )
        table = _table()
        labels = np.full(int(segments.max(initial=0)) + 1, -1, np.int64)
        for thing in read_from(things_file, lambda f: _json(f, "segGroups")):
            number = self._ids.get(str(thing["label"]), 0)
            mine = np.array(thing["segments"], np.int64)
            labels[mine[(mine >= 0) & (mine < len(labels))]] = table[number]
        return labels[segments]


def scans(root: Path) -> list[Path]:
    """The folders of scenes that hold a mesh."""
    home = root / "scans" if (root / "scans").is_dir() else root
    return sorted(p for p in home.iterdir() if p.is_dir() and _file(p, MESH).is_file())


def _file(scene: Path, end: str) -> Path:
    return scene / f"{scene.name}{end}"


def _beside(scene: Path, end: str) -> Path:
    """A file about a scene; segments are of the mesh that they are called after."""
    names = [f"{scene.name}{MESH.removesuffix('.ply')}.0.010000{end}", f"{scene.name}{end}"]
    return next((scene / name for name in names if (scene / name).is_file()), scene / names[-1])


def _labelled(scene: Path) -> bool:
    return _file(scene, MESH.replace(".ply", ".labels.ply")).is_file() or all(
        _beside(scene, end).is_file() for end in (".segs.json", ".aggregation.json")
    )


def _table() -> NDArray[np.int64]:
    """The class of each of NYU's labels 0 to 40, -1 for none."""
    table = np.full(41, -1, np.int64)
    table[list(NYU40)] = np.arange(len(NYU40))
    return table


def _json(file: Path, key: str) -> Any:
    told = json.loads(file.read_text())
    if not isinstance(told, dict) or key not in told:
        raise ValueError(f"it holds no {key}")
    return told[key]


def _ids(root: Path) -> dict[str, int]:
    """NYU's label of each name of a thing."""
    homes = [home / TABLE for home in (root, root.parent) if (home / TABLE).is_file()]
    if not homes:
        raise ValueError(
            f"{root}: scenes without .labels.ply need {TABLE} beside them, which says what the "
            "names of things mean"
        )
    with reading(homes[0]), homes[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
        if not rows or not {"raw_category", "nyu40id"} <= rows[0].keys():
            raise ValueError("expected columns raw_category and nyu40id")
        return {row["raw_category"]: int(row["nyu40id"] or 0) for row in rows}


def _open(root: Path, training: bool, wanted: Wanted) -> ScanNetScans:
    split = "train" if training else "val"
    drawn = wanted.points, wanted.block, wanted.seed
    there = {path.name: path for path in scans(root)}
    homes = [home for home in (root, root.parent) if listing_of(home, split).is_file()]
    if homes:
        listing = listing_of(homes[0], split)
        names = read_from(listing, lambda path: path.read_text().split())
        paths = [there[name] for name in present(listing, names, there.__contains__)]
    else:
        paths = list(there.values())
    if bare := [path.name for path in paths if not _labelled(path)]:
        message = f"{root}: left out {len(bare)} of {len(paths)} scenes without labels"
        if len(bare) == len(paths):
            raise ValueError(f"{message}, so none is left: {named(bare)}")
        warnings.warn(f"{message}: {named(bare)}", stacklevel=2)
    places = [Place(p, f"{split}/{p.name}" if homes else p.name) for p in paths if _labelled(p)]
    if not homes:
        # Several scans of one room stay together.
        room = [_ROOM.sub(r"\1", place.name) for place in places]
        places = split_rooms(root, places, room, wanted.holdout, wanted.seed)[0 if training else 1]
        if training:
            warnings.warn(
                f"{root}: without {listing_of(root, SPLITS[0]).name} and "
                f"{listing_of(root, SPLITS[1]).name}, {wanted.holdout:g} of the rooms are "
                "measured on",
                stacklevel=2,
            )
    return ScanNetScans(root, places, *drawn, training)


DATA_SETS = (
    DataSet(
        name="ScanNet, meshes",
        gives="scenes",
        told_by="`scans/scene*/scene*_vh_clean_2.ply`, or the same without `scans/`",
        holds=lambda path: any(any(path.glob(f"{s}scene*/*{MESH}")) for s in ("scans/", "")),
        open=_open,
        split="`scannetv2_train.txt`, `scannetv2_val.txt`; `--holdout` of the rooms without them",
        labels="20 classes",
    ),
)
