"""`nvc3d planes`: the flat faces of a scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nvc3d.commands.arguments import parser
from nvc3d.commands.cameras import Images, add_camera, images
from nvc3d.commands.saying import shown
from nvc3d.commands.targets import of_views, with_end

if TYPE_CHECKING:
    from nvc3d.geometry import Shape
    from nvc3d.planar import PlanarAnswer

UP_OF = {".png": "camera", ".glb": "y", ".gltf": "y"}
"""What is up, where the kind of file says so; z for all others."""


def main(arguments: Sequence[str]) -> int:
    """Find the planes of files; one that cannot be read does not stop the others."""
    options = parser("planes", "Find the flat faces of scans.")
    options.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="cloud, mesh or depth image (PNG of 16 bits), or a folder of such",
    )
    options.add_argument(
        "--output",
        type=Path,
        required=True,
        help="folder for NAME-planes.json, .ply, .glb, .svg and .png of each file",
    )
    options.add_argument(
        "--up",
        metavar="AXIS",
        help="that is up: x, y, z, --up=-z or the like, or camera: y is down, before one that may "
        "look down (default: camera for images, y for glTF, else z)",
    )
    options.add_argument(
        "--manhattan",
        action="store_true",
        help="turn planes within 10 degrees of three directions, square to each other, to them",
    )
    options.add_argument(
        "--checkpoint",
        type=Path,
        help="run folder of a model of task planes, which tells planes apart that lie flush",
    )
    add_camera(options)
    options.add_argument(
        "--seed", type=int, default=0, help="of the points drawn of meshes (default: 0)"
    )
    given = options.parse_args(arguments)
    if given.seed < 0:
        raise ValueError(f"--seed must be at least 0, got {given.seed}")

    # Here, so that --help does not wait for torch.
    from nvc3d.commands.each import each_file
    from nvc3d.extras import require
    from nvc3d.files.written import PLANES
    from nvc3d.geometry.upright import UP
    from nvc3d.planar import reconstruct_planes

    if given.up is not None and given.up not in UP:
        raise ValueError(f"--up must be one of {', '.join(UP)}, got {given.up!r}")
    source = images(given)
    targets = _targets(given.files, given.output)
    require("matplotlib", "to draw what was found")

    find = reconstruct_planes if given.checkpoint is None else _by_model(given.checkpoint)

    def work(file: Path, target: Path) -> str:
        up = given.up or UP_OF.get(file.suffix.lower(), "z")
        found = find(_read(file, source), up=up, manhattan=given.manhattan, seed=given.seed)
        target.parent.mkdir(parents=True, exist_ok=True)
        found.write(with_end(target, PLANES))
        return f"{shown(file)}: {_said(found, up)}, written to {shown(target)}{PLANES}.json\n" + (
            _table(found)
        )

    each_file(targets, work, "done")
    return 0


def _by_model(run: Path) -> Callable[..., PlanarAnswer]:
    """What finds planes by a trained network."""
    from nvc3d.loaded import load

    model = load(run)
    if model.task.name != "planes":
        raise ValueError(f"{shown(run)} holds a model of task {model.task.name}, not of planes")

    def find(shape: Shape, **options: Any) -> PlanarAnswer:
        found: PlanarAnswer = model(shape, **options).found
        return found

    return find


def _read(file: Path, source: Images) -> Shape:
    from dataclasses import replace

    from nvc3d.files import read_shape
    from nvc3d.geometry import Cloud

    if file.suffix.lower() == ".png":
        depth, camera = source.read(file)
        return camera.points(depth)
    shape = read_shape(file)
    return replace(shape, unit=source.unit) if source.unit and isinstance(shape, Cloud) else shape


def _said(found: PlanarAnswer, up: str) -> str:
    planes = found.planes
    count, share = len(planes.points), (planes.instance >= 0).mean()
    return f"{count} planes with {share:.0%} of its {len(planes.instance)} points; up is {up}"


MOST = 12
"""Planes that are told of, at most."""


def _table(found: PlanarAnswer) -> str:
    """The largest planes."""
    planes = found.planes
    rows = [
        f"  {number:>3}  {planes.points[number]:>8} points  "
        f"{planes.extent[number, 0]:.3g} x {planes.extent[number, 1]:.3g}, area "
        f"{found.outlines[number].area:.3g}, {planes.rms[number]:.2g} off"
        for number in range(min(len(planes.points), MOST))
    ]
    more = len(planes.points) - MOST
    return "\n".join(rows + [f"  and {more} smaller ones"] * (more > 0))


def _targets(given: Sequence[Path], output: Path) -> dict[Path, Path]:
    """Where what is told of each file goes, without the end of the names."""
    from nvc3d.files.written import PLANES

    return of_views(given, output, [f"{PLANES}{end}" for end in (".json", ".ply", ".glb")], PLANES)
