"""The camera of depth images, as options of a command say it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nvc3d.commands.arguments import Parser

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nvc3d.geometry import Intrinsics

UNITS = {"mm": 0.001, "m": 1.0}
"""Metres."""


class Images(NamedTuple):
    """How the depth images of one camera are read.

    Args:
        unit: metres of a step of depth, or of a unit of clouds; None: millimetres, and what the
            cloud says or else metres.
        camera, intrinsics: one of the two: a camera, or fx, fy, cx, cy of whatever size an image
            has; neither where there are only clouds.
    """

    unit: float | None = None
    camera: Intrinsics | None = None
    intrinsics: tuple[float, ...] | None = None

    def read(self, path: Path) -> tuple[NDArray[np.float32], Intrinsics]:
        """The depth (height, width) in metres of a PNG file, and the camera that took it.

        Raises what `nvc3d.files.read_depth` does, and ValueError where the camera is not given or
        takes images of another size.
        """
        from nvc3d.files import read_depth

        depth = read_depth(path, UNITS["mm"] if self.unit is None else self.unit)
        return depth, self._camera_of(*depth.shape)

    def _camera_of(self, height: int, width: int) -> Intrinsics:
        from nvc3d.geometry import Intrinsics

        if self.intrinsics is not None:
            fx, fy, cx, cy = self.intrinsics
            found = Intrinsics(fx, fy, cx, cy, width, height)
            if not (0 <= found.cx < width and 0 <= found.cy < height):
                raise ValueError(
                    f"the axis of a camera with cx {found.cx:g} and cy {found.cy:g} meets no image "
                    f"of {width} x {height} pixels: the --intrinsics are of an image of another "
                    "size, which Intrinsics.scaled turns into those of this one"
                )
            return found
        camera = self.camera
        if camera is None:
            raise ValueError(
                "a depth image needs its camera: give --camera, or --intrinsics fx,fy,cx,cy in "
                "pixels"
            )
        if (camera.width, camera.height) != (width, height):
            half = camera.scaled(width, height)
            raise ValueError(
                f"the image is {width} x {height} pixels and the camera's {camera.width} x "
                f"{camera.height}: if it was made smaller, give --intrinsics {half.fx:.6g},"
                f"{half.fy:.6g},{half.cx:.6g},{half.cy:.6g}, which Intrinsics.scaled says"
            )
        return camera


def add_camera(options: Parser) -> None:
    """Add --camera, --intrinsics and --unit."""
    options.add_argument("--camera", help="that took the images: kinect2, sr300, d435, azure, ...")
    options.add_argument(
        "--intrinsics", metavar="FX,FY,CX,CY", help="of the images, in pixels, instead of --camera"
    )
    options.add_argument(
        "--unit",
        help="of a step of depth, or of a cloud: mm, m, or so many metres, as 0.000125 "
        "(default: mm for images; m for clouds that do not tell)",
    )


def images(given: Any) -> Images:
    """What the options say. Raises ValueError on what they cannot mean."""
    from nvc3d.geometry import CAMERAS

    intrinsics = numbers("--intrinsics", given.intrinsics, 4)
    if given.camera is not None and given.camera not in CAMERAS:
        raise ValueError(f"--camera must be one of {', '.join(CAMERAS)}, got {given.camera!r}")
    if given.camera is not None and intrinsics is not None:
        raise ValueError("give --camera or --intrinsics, not both")
    camera = None if given.camera is None else CAMERAS[given.camera]
    return Images(_unit(given.unit), camera, intrinsics)


def numbers(name: str, text: str | None, *counts: int) -> tuple[float, ...] | None:
    """So many numbers of an option, with commas between them."""
    if text is None:
        return None
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) not in counts:
        wanted = " or ".join(map(str, counts))
        raise ValueError(f"{name} must be {wanted} numbers with commas between them, got {text!r}")
    return values


def _unit(text: str | None) -> float | None:
    """Metres."""
    if text is None or text in UNITS:
        return UNITS.get(text or "")
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--unit must be mm, m or a number of metres, got {text!r}") from None
