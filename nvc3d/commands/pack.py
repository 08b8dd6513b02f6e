"""`nvc3d pack`: the shapes of a folder as shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from nvc3d.commands.arguments import parser

READ = 200
"""Shapes by which it is told how fast they are read."""


def main(arguments: Sequence[str]) -> int:
    """Pack a folder; prints how fast its shapes are read from there and from the shards."""
    options = parser("pack", "Write the shapes of a folder to shards, tar files of webdataset.")
    options.add_argument("folder", type=Path, help="meshes, clouds and grids, sub-folders and all")
    options.add_argument("--output", type=Path, required=True, help="folder for the shards")
    options.add_argument("--size", type=int, default=64, help="MB of a shard (default: 64)")
    given = options.parse_args(arguments)
    if given.size < 1:
        raise ValueError(f"--size must be at least 1, got {given.size}")

    from nvc3d.data.shards import Shards, pack
    from nvc3d.files import read_shape
    from nvc3d.geometry.mesh import normalise

    made = pack(given.folder, given.output, given.size * 10**6)
    packed = Shards([str(path) for path in made])
    total = sum(path.stat().st_size for path in made)
    print(f"{len(packed)} shapes in {len(made)} shards of {total / 1e6:.1f} MB together")
    names = [packed.name(index) for index in range(min(READ, len(packed)))]
    beside = _speed(lambda index: normalise(read_shape(given.folder / names[index])), len(names))
    print(f"of the folder {beside:.0f} shapes a second are read,", end=" ")
    print(f"of the shards {_speed(packed.__getitem__, len(names)):.0f}")
    last = made[-1].stem
    span = f"{{{made[0].stem}..{last}}}" if len(made) > 1 else last
    print(f"Train from them by --data '{given.output / span}.tar'")
    return 0


def _speed(load: Callable[[int], object], count: int) -> float:
    began = perf_counter()
    for index in range(count):
        load(index)
    return count / (perf_counter() - began)
