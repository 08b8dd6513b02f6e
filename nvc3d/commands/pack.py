"""`nvc3d pack`: a folder as shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nvc3d.commands.arguments import parser


def main(arguments: Sequence[str]) -> int:
    """Pack a folder; prints how to train from the shards."""
    options = parser("pack", "Write a folder to shards, tar files of webdataset.")
    options.add_argument(
        "folder", type=Path, help="a data set, or meshes, clouds and grids, sub-folders and all"
    )
    options.add_argument("--output", type=Path, required=True, help="folder for the shards")
    options.add_argument("--size", type=int, default=64, help="MB of a shard (default: 64)")
    options.add_argument(
        "--scenes", action="store_true", help="the folder holds labelled scenes of your own"
    )
    options.add_argument(
        "--holdout",
        type=float,
        default=0.1,
        help="of a data set without a split, the fraction measured on (default: 0.1)",
    )
    options.add_argument("--seed", type=int, default=0, help="of that split (default: 0)")
    given = options.parse_args(arguments)
    if given.size < 1:
        raise ValueError(f"--size must be at least 1, got {given.size}")
    if not 0 < given.holdout < 1:
        raise ValueError(f"--holdout must be between 0 and 1, got {given.holdout}")

    from nvc3d.data.registry import Wanted
    from nvc3d.data.shards import pack

    wanted = Wanted(given.seed, given.holdout)
    made = pack(given.folder, given.output, given.size * 10**6, wanted, given.scenes)
    total = sum(path.stat().st_size for path in made)
    print(f"{len(made)} shards of {total / 1e6:.1f} MB together")
    last = made[-1].stem
    span = f"{{{made[0].stem}..{last}}}" if len(made) > 1 else last
    print(f"Train from them by --data '{given.output / span}.tar'")
    return 0
