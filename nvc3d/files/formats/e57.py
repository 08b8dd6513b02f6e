"""E57 (scans of terrestrial laser scanners), if pye57 is installed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nvc3d.extras import require
from nvc3d.files.apart import read_apart
from nvc3d.files.format import Format, Found

_CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
_SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
_INVALID = ("cartesianInvalidState", "sphericalInvalidState")
_COLORS = ("colorRed", "colorGreen", "colorBlue")
_NORMALS = ("nor:normalX", "nor:normalY", "nor:normalZ")
_PLACES = {*_CARTESIAN, *_SPHERICAL, *_INVALID, *_COLORS, *_NORMALS}


def read(path: Path) -> Found:
    """Read all scans of a file, each placed by its pose, as one cloud; in a process apart.

    Columns are color, normal, whatever other numbers all scans have, by their names in the file,
    and `scan`, the number of the scan, where there are several. Points that the scanner marked as
    invalid are NaN.

    Raises:
        MissingExtra: pye57 is not installed.
    """
    require("pye57", "to read E57 files")
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(8) != b"ASTM-E57":
            raise ValueError("it has no E57 header")
    # A point takes some 10 bytes of a file, and thrice 8 bytes of memory for each of its numbers.
    return read_apart(_read, path, memory=2**29 + 50 * size, seconds=10 + size / 1e6)


def _read(path: Path) -> Found:
    pye57 = require("pye57", "to read E57 files")
    file = pye57.libe57.ImageFile(str(path), "r")
    try:
        root = file.root()
        scans = root["data3D"] if root.isDefined("data3D") else ()
        if len(scans) == 0:
            raise ValueError("it holds no scans")
        placed = [_scan(pye57.libe57, file, scans[i]) for i in range(len(scans))]
    finally:
        file.close()
    names = set.intersection(*(set(columns) for _, columns in placed))
    if partly := sorted(set().union(*(columns for _, columns in placed)) - names):
        warnings.warn(f"{path}: only some of its scans have {', '.join(partly)}", stacklevel=2)
    columns = {name: np.concatenate([own[name] for _, own in placed]) for name in sorted(names)}
    if len(placed) > 1:
        columns["scan"] = np.repeat(np.arange(len(placed)), [len(points) for points, _ in placed])
    return Found(np.concatenate([points for points, _ in placed]), columns)


def _scan(libe57: Any, file: Any, scan: Any) -> tuple[NDArray[np.float64], dict[str, NDArray]]:
    """The points (N, 3) of a scan where its pose places them, and its columns."""
    stored = scan["points"]
    kinds = libe57.StructureNode(stored.prototype())
    count = stored.childCount()
    numbers = (libe57.FloatNode, libe57.IntegerNode, libe57.ScaledIntegerNode)
    fields: dict[str, NDArray[np.float64]] = {}
    buffers = libe57.VectorSourceDestBuffer()
    for i in range(kinds.childCount()):
        kind = kinds[i]
        if isinstance(kind, numbers):
            name = kind.elementName()
            fields[name] = np.zeros(count)
            buffers.append(libe57.SourceDestBuffer(file, name, fields[name], count, True, True))
    if count:
        reader = stored.reader(buffers)
        if (there := reader.read()) != count:
            raise ValueError(f"a scan promises {count} points, {there} are there")
        reader.close()
    points = _points(fields)
    for name in _INVALID:
        if name in fields:
            points[fields[name] != 0] = np.nan
    columns: dict[str, NDArray] = {}
    turn, shift = _pose(scan)
    if fields.keys() >= set(_NORMALS):
        columns["normal"] = np.stack([fields[name] for name in _NORMALS], 1) @ turn.T
    if fields.keys() >= set(_COLORS):
        columns["color"] = _colors(fields, scan, kinds)
    for name in fields.keys() - _PLACES:
        exact = not isinstance(kinds[name], libe57.IntegerNode)
        columns[name] = fields[name] if exact else fields[name].astype(np.int64)
    return points @ turn.T + shift, columns


def _points(fields: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """The points (N, 3) as the scanner saw them from where it stood."""
    if fields.keys() >= set(_CARTESIAN):
        return np.stack([fields[name] for name in _CARTESIAN], 1)
    if not fields.keys() >= set(_SPHERICAL):
        raise ValueError(f"a scan has no coordinates, but {', '.join(sorted(fields)) or 'nothing'}")
    distance, azimuth, elevation = (fields[name] for name in _SPHERICAL)
    across = distance * np.cos(elevation)
    return np.stack(
        [across * np.cos(azimuth), across * np.sin(azimuth), distance * np.sin(elevation)], 1
    )


def _pose(scan: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rotation (3, 3) and the translation (3,) from the scanner's frame to the file's."""
    if not scan.isDefined("pose"):
        return np.eye(3), np.zeros(3)
    pose = scan["pose"]
    turn, shift = np.eye(3), np.zeros(3)
    if pose.isDefined("translation"):
        shift = np.array([float(pose["translation"][axis].value()) for axis in "xyz"])
    if pose.isDefined("rotation"):
        quaternion = np.array([float(pose["rotation"][part].value()) for part in "wxyz"])
        length = np.linalg.norm(quaternion)
        if not (np.isfinite(length) and length > 0):
            raise ValueError(f"the rotation of a scan is no quaternion: {quaternion.tolist()}")
        w, x, y, z = quaternion / length
        turn = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
    return turn, shift


def _colors(fields: Mapping[str, NDArray[np.float64]], scan: Any, kinds: Any) -> NDArray[np.uint8]:
    """Colours (N, 3) out of 255, whatever the scan has them out of."""
    limits = scan["colorLimits"] if scan.isDefined("colorLimits") else None
    channels = []
    for name in _COLORS:
        if limits is not None and limits.isDefined(f"{name}Maximum"):
            top = float(limits[f"{name}Maximum"].value())
        else:
            top = float(kinds[name].maximum())
        # Some state as limit what the brightest point has.
        top = next((most for most in (1.0, 255.0, 65535.0) if top <= most), top)
        channels.append(np.rint(fields[name] * (255 / top)).clip(0, 255).astype(np.uint8))
    return np.stack(channels, 1)


FORMATS = (Format((".e57",), "cloud of all scans, placed by their poses", read, needs="pye57"),)
