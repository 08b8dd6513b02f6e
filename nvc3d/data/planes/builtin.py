"""Built-in interiors as a depth camera or a scanner sees them, with exact planes."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from nvc3d.data.planes.base import PlaneFrame, Planes
from nvc3d.data.stored import require_counts
from nvc3d.shapes.interiors import TYPES, Interior, look, make_interior
from nvc3d.shapes.interiors.sight import Sensor

Which = Literal["camera", "scanner", "both"]

ROOMS = 100_000
"""How many rooms there are to train on."""
OTHERS = 10_000
"""How many others there are to measure on."""


class BuiltinPlanes(Planes):
    """Looks at built-in interiors, see `nvc3d.shapes.interiors`.

    Which room it is, and how it is seen, comes from (seed, training, epoch, index) alone, so in
    training every epoch has new frames. The rooms that are trained on and those that are measured
    on are different ones, and so are those of another seed.

    Args:
        points, seed: see Planes.
        training: frames are new in each epoch; otherwise fixed, and of other rooms.
        count: how many items there are.
        sensor: "camera", "scanner", or "both", which take turns and are the categories.
        noise: whether sensors err.

    Raises:
        ValueError: a number out of range, or an unknown sensor.
    """

    types = TYPES
    colors = True

    def __init__(
        self,
        points: int = 1024,
        seed: int = 0,
        training: bool = True,
        *,
        count: int = 2000,
        sensor: Which = "both",
        noise: bool = True,
    ) -> None:
        super().__init__(points, seed, training)
        require_counts(count=count)
        if sensor not in get_args(Which):
            raise ValueError(f"sensor must be one of {', '.join(get_args(Which))}, got {sensor!r}")
        self.seed, self.count, self.noise = seed, count, noise
        self.sensors: tuple[Sensor, ...] = ("camera", "scanner")
        if sensor != "both":
            self.sensors = (sensor,)
        self.categories = self.sensors

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        split = "train" if self.training else "val"
        return f"{self.sensors[self.label(index)]}-{split}-{index:05d}"

    def label(self, index: int) -> int:
        return index % len(self.sensors)

    def room(self, index: int) -> Interior:
        """The interior that an item is a look at."""
        return self._room(self._epochs.rng(index))

    def read(self, index: int) -> PlaneFrame:
        return self.load(index, self._epochs.rng(index))

    def load(self, index: int, rng: np.random.Generator) -> PlaneFrame:
        room = self._room(rng)
        seen = look(room, rng, self.sensors[self.label(index)], self.noise)
        return PlaneFrame(
            points=seen.points,
            plane=seen.plane,
            normal=seen.normal,
            offset=seen.offset,
            types=seen.types,
            colors=seen.colors,
            depth=None if seen.camera is None else seen.depth,
            camera=seen.camera,
        )

    def _room(self, rng: np.random.Generator) -> Interior:
        number = int(rng.integers(ROOMS if self.training else OTHERS))
        # As in BuiltinShapes: a residue for each split, a block of 2 ** 32 for each seed.
        return make_interior(2 * ((self.seed << 32) + number) + (not self.training))
