"""Built-in shapes: everyday objects with named parts, each made anew from a category and a seed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache

from nvc3d.geometry.mesh import Mesh
from nvc3d.shapes.aircraft import plane, rocket
from nvc3d.shapes.draw import Draw
from nvc3d.shapes.furniture import bed, dresser, shelf, table
from nvc3d.shapes.lamps import lamp
from nvc3d.shapes.primitives import Parts
from nvc3d.shapes.seating import bench, chair, sofa, stool
from nvc3d.shapes.things import guitar, laptop, monitor, umbrella
from nvc3d.shapes.vehicles import boat, car, skateboard
from nvc3d.shapes.vessels import bottle, goblet, mug, teapot, vase

MAKERS: dict[str, Callable[[Draw], Parts]] = {
    "bed": bed,
    "bench": bench,
    "boat": boat,
    "bottle": bottle,
    "car": car,
    "chair": chair,
    "dresser": dresser,
    "goblet": goblet,
    "guitar": guitar,
    "lamp": lamp,
    "laptop": laptop,
    "monitor": monitor,
    "mug": mug,
    "plane": plane,
    "rocket": rocket,
    "shelf": shelf,
    "skateboard": skateboard,
    "sofa": sofa,
    "stool": stool,
    "table": table,
    "teapot": teapot,
    "umbrella": umbrella,
    "vase": vase,
}
CATEGORIES: tuple[str, ...] = tuple(MAKERS)
SPLITS = ("train", "val", "test")


def make_shape(category: str, seed: int) -> Mesh:
    """Make one built-in shape: the same category and seed give the same shape on every machine.

    Returns:
        A normalised mesh with z up and x to the front, whose faces carry the labels of their
        parts. The names of the parts, and so their labels, are the same throughout a category.

    Raises:
        ValueError: an unknown category, or a seed that is not a whole number of 0 or more.
    """
    if category not in MAKERS:
        raise ValueError(f"unknown category {category!r}, expected one of {', '.join(MAKERS)}")
    return MAKERS[category](Draw(category, _whole("seed", seed, 0))).mesh()


class BuiltinShapes(Sequence[tuple[Mesh, int, str]]):
    """A set of built-in shapes, each (mesh, index of its category, name).

    The categories take turns. Sets of different splits, or of different seeds, share no shape.

    Args:
        split: "train", "val" or "test".
        size: number of shapes.
        seed: which of the many such sets.
        categories: names from `CATEGORIES`; the labels are indices into them.

    Raises:
        ValueError: an unknown split or category, or a size or seed out of range.
    """

    def __init__(
        self,
        split: str = "train",
        size: int = 2000,
        seed: int = 0,
        categories: Sequence[str] = CATEGORIES,
    ) -> None:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        known = not isinstance(categories, str) and set(categories) <= set(CATEGORIES)
        if not known or not len(set(categories)) == len(categories) > 0:
            raise ValueError(
                f"categories must be different ones of {', '.join(CATEGORIES)}, got {categories!r}"
            )
        self.split = split
        self.size = _whole("size", size, 1)
        self.seed = _whole("seed", seed, 0)
        self.categories = tuple(categories)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Mesh, int, str]:  # type: ignore[override]
        """The mesh, which is read-only, the index of its category, and its name."""
        position = range(self.size)[operator.index(index)]
        turn, label = divmod(position, len(self.categories))
        category = self.categories[label]
        # Every split has its own residue of 3, every set its own block of 2 ** 32 turns.
        seed = ((self.seed << 32) + turn) * len(SPLITS) + SPLITS.index(self.split)
        return _keep(category, seed), label, f"{category}-{self.split}-{turn:05d}"

    def label(self, index: int) -> int:
        """The index of a shape's category, without making it."""
        return range(self.size)[operator.index(index)] % len(self.categories)


@lru_cache(maxsize=1024)
def _keep(category: str, seed: int) -> Mesh:
    mesh = make_shape(category, seed)
    # Shared by all who ask for it, so nobody may write to it.
    for array in (mesh.vertices, mesh.faces, mesh.face_labels):
        if array is not None:
            array.flags.writeable = False
    return mesh


def _whole(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < least:
        raise ValueError(f"{name} must be a whole number of {least} or more, got {value!r}")
    return operator.index(value)
