"""What of each kind of data set is packed, and what a packed one is read as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.data.grids.scanned import ScannedGrids
from nvc3d.data.hands.base import HandFrame, Hands
from nvc3d.data.labelled.base import Labelled, LabelledClouds
from nvc3d.data.packed.items import SET, Items, told
from nvc3d.data.pairs.base import StoredPairs, Views
from nvc3d.data.planes.base import PlaneFrame, Planes
from nvc3d.data.registry import DataSet, Gives, Wanted
from nvc3d.data.scenes.base import LabelledScenes, Place
from nvc3d.data.scenes.scene import Rows, Scene
from nvc3d.data.stand_ins import FAULTS
from nvc3d.geometry.intrinsics import Intrinsics

Stored = tuple[dict[str, Any], dict[str, NDArray[Any] | str]]
"""Of an item what is told of it in JSON, beside its name, and its arrays; of one that cannot be
read what is wrong."""


@dataclass(frozen=True)
class Kind:
    """A kind of data set.

    Args:
        shared: the attributes of a data set that all of its items share.
        stored: (data set, number) -> what is packed of an item.
        open: (items, training, wanted) -> the data set that they are.
    """

    shared: tuple[str, ...]
    stored: Callable[[Any, int], Stored]
    open: Callable[[Items, bool, Wanted], Any]

    def count(self, data: Any) -> int:
        """How many items are packed: scenes, not their blocks."""
        return len(data.places if isinstance(data, LabelledScenes) else data)

    def known(self, data: Any, number: int) -> tuple[str, int]:
        """The name and the label of an item."""
        if isinstance(data, LabelledScenes):
            return data.places[number].name, data.places[number].label
        return data.name(number), data.label(number)

    def told(self, data: Any) -> dict[str, Any]:
        """What all items share."""
        shared = {name: getattr(data, name) for name in ("categories", *self.shared)}
        if isinstance(data, LabelledClouds):
            shared["parts"] = {category: data.parts_of(category) for category in data.categories}
        return shared


class _Packed:
    """What all that are read from shards have in common."""

    items: Items

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        return self.items.names[index]

    def label(self, index: int) -> int:
        return self.items.labels[index]

    def take(self, items: Items, *shared: str) -> None:
        """The items, and what they share."""
        self.items = items
        for name in ("categories", *shared):
            value = items.told.get(name)
            setattr(self, name, tuple(value) if isinstance(value, list) else value)


class PackedPairs(_Packed, StoredPairs):
    def stored(self, index: int) -> Views:
        reads = {
            name: partial(self.items.array, index, name, "f") for name in self.items.arrays(index)
        }
        if "complete" not in reads or len(reads) < 2:
            raise ValueError(f"{self.name(index)}: it is no pair, but {', '.join(reads)}")
        return [read for name, read in reads.items() if name != "complete"], reads["complete"]


def _pair(data: StoredPairs, number: int) -> Stored:
    views, complete = data.stored(number)
    reads = {"complete": complete} | {f"partial.{i:03d}": read for i, read in enumerate(views)}
    arrays: dict[str, NDArray[Any] | str] = {}
    for name, read in reads.items():
        try:
            arrays[name] = read()
        except FAULTS as error:  # of several views the others are as good as before
            arrays[name] = str(error)
    return {}, arrays


def _open_pairs(items: Items, training: bool, wanted: Wanted) -> PackedPairs:
    found = PackedPairs(wanted.partial_points, wanted.points, wanted.seed, training)
    found.take(items)
    return found


class PackedClouds(_Packed, LabelledClouds):
    def load(self, index: int, rng: np.random.Generator) -> Labelled:
        return Labelled(
            **{name: self.items.array(index, name) for name in self.items.arrays(index)}
        )

    def parts_of(self, category: str) -> tuple[int, ...]:
        return tuple(self.items.told["parts"].get(category, ()))


def _cloud(data: LabelledClouds, number: int) -> Stored:
    return {}, _arrays(data.load(number, np.random.default_rng(0)))


def _open_clouds(items: Items, training: bool, wanted: Wanted) -> PackedClouds:
    found = PackedClouds(wanted.points, wanted.seed, training)
    found.take(items, *CLOUDS)
    return found


class PackedScenes(LabelledScenes):
    def __init__(self, items: Items, training: bool, wanted: Wanted) -> None:
        self._items = items
        known = zip(items.names, items.labels, strict=True)
        places = [Place(Path(str(i)), name, label) for i, (name, label) in enumerate(known)]
        drawn = wanted.points, wanted.block, wanted.seed
        classes = items.told.get("classes", ())
        super().__init__(places, classes, items.categories, *drawn, training)

    def open(self, path: Path) -> Scene:
        """A scene, of which no more is read than is asked for."""
        index = int(path.name)
        names = self._items.arrays(index)
        tables = {name: self._items.rows(index, name) for name in names}
        where = Path(self._items.names[index])
        counts = {shape[0] for shape, _ in tables.values()}
        if "coord" not in tables or tables["coord"][0][1:] != (3,) or len(counts) > 1:
            raise ValueError(f"{where}: expected coord (N, 3) and others (N, ...)")

        def read(start: int, stop: int) -> Rows:
            rows = {name: table(start, stop) for name, (_, table) in tables.items()}
            return Rows(rows.pop("coord"), rows)

        return Scene(where, counts.pop(), frozenset(tables) - {"coord"}, read)


def _scene(data: LabelledScenes, number: int) -> Stored:
    scene = data.scene(number)
    rows = scene.read(0, scene.count)
    return {}, {"coord": rows.points, **rows.columns}


class PackedGrids(_Packed, ScannedGrids):
    def load(self, index: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        grid = self.items.array(index, "grid", "u")
        seen = np.unpackbits(self.items.array(index, "seen", "u"), count=grid.size)
        return seen.reshape(grid.shape).astype(bool), grid


def _grid(data: ScannedGrids, number: int) -> Stored:
    seen, grid = data.load(number)
    return {}, {"grid": grid, "seen": np.packbits(seen)}


def _open_grids(items: Items, training: bool, wanted: Wanted) -> PackedGrids:
    size = tuple(items.told.get("size", ()))
    if wanted.size not in (None, size):
        raise ValueError(f"the grids of these shards are of size {size}, got {wanted.size}")
    found = PackedGrids()
    found.take(items, "classes", "size")
    return found


class PackedHands(_Packed, Hands):
    def read(self, index: int) -> HandFrame:
        told = self.items.values(index)
        camera = Intrinsics(**told["camera"])
        depth = None
        if "depth" in self.items.arrays(index):
            # What lies outside of the box around the hand was left behind.
            u, v = self.items.array(index, "pixel").T
            depth = np.zeros((camera.height, camera.width), np.float32)
            depth[v, u] = self.items.array(index, "depth")
        joints = self.items.array(index, "joints")
        return HandFrame(joints, told["order"], camera, depth, told["side"], told["cube"])


def _hand(data: Hands, number: int) -> Stored:
    frame = data.load(number, np.random.default_rng(0))[0]
    arrays: dict[str, NDArray[Any] | str] = {"joints": frame.annotated}
    if frame.depth is not None:
        pixel = frame.pixels()
        arrays |= {"pixel": pixel.astype(np.int32), "depth": frame.depth[pixel[:, 1], pixel[:, 0]]}
    return {
        "order": frame.order,
        "side": frame.side,
        "cube": frame.cube,
        "camera": asdict(frame.camera),
    }, arrays


def _open_hands(items: Items, training: bool, wanted: Wanted) -> PackedHands:
    found = PackedHands(wanted.points, wanted.seed, training)
    found.take(items)
    return found


class PackedPlanes(_Packed, Planes):
    def read(self, index: int) -> PlaneFrame:
        arrays = {name: self.items.array(index, name) for name in self.items.arrays(index)}
        camera = self.items.values(index)["camera"]
        return PlaneFrame(**arrays, camera=camera and Intrinsics(**camera))


def _frame(data: Planes, number: int) -> Stored:
    frame = data.read(number)
    return {"camera": frame.camera and asdict(frame.camera)}, _arrays(frame)


def _open_planes(items: Items, training: bool, wanted: Wanted) -> PackedPlanes:
    found = PackedPlanes(wanted.points, wanted.seed, training)
    found.take(items, "types", "colors")
    return found


def _arrays(stored: Any) -> dict[str, NDArray[Any] | str]:
    values = {field.name: getattr(stored, field.name) for field in fields(stored)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


CLOUDS = ("axes", "aligned", "unit", "part_names")
KINDS: dict[Gives, Kind] = {
    "pairs": Kind((), _pair, _open_pairs),
    "shapes": Kind(CLOUDS, _cloud, _open_clouds),
    "parts": Kind(CLOUDS, _cloud, _open_clouds),
    "scenes": Kind(("classes",), _scene, PackedScenes),
    "grids": Kind(("classes", "size"), _grid, _open_grids),
    "hands": Kind((), _hand, _open_hands),
    "planes": Kind(("types", "colors"), _frame, _open_planes),
}


def _data_set(gives: Gives) -> DataSet:
    def open_(root: Path, training: bool, wanted: Wanted) -> Any:
        return KINDS[gives].open(Items(root, "train" if training else "test"), training, wanted)

    return DataSet(
        name="shards of `nvc3d pack`",
        gives=gives,
        told_by=f"`{SET}` beside `*.tar`",
        holds=lambda path: told(path).get("gives") == gives,
        open=open_,
        split="as it was packed",
        labels="as it was packed",
    )


DATA_SETS = tuple(map(_data_set, KINDS))
