"""LAS and LAZ (laser scans from the air and from the ground), if laspy is installed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from nvc3d.extras import require
from nvc3d.files.format import Format, Found


def read(path: Path) -> Found:
    """Read a cloud with the classification of its points as labels.

    Raises:
        MissingExtra: laspy is not installed, or lazrs for LAZ.
    """
    laspy = require("laspy", "to read LAS files")
    if path.suffix.lower() == ".laz":
        require("lazrs", "to read LAZ files")
    _check_header(path)
    with laspy.open(path) as reader:
        promised = reader.header.point_count
        scan = reader.read()
    if len(scan.points) != promised:
        raise ValueError(f"{promised} points are promised, {len(scan.points)} are there")
    points = np.stack([scan.x, scan.y, scan.z], 1)  # (N, 3)
    return Found(points, {"label": np.asarray(scan.classification)})


def _check_header(path: Path) -> None:
    """Refuse counts that the size of the file denies; laspy would loop over them for hours."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(375)
    if header[:4] != b"LASF" or len(header) < 227:
        raise ValueError("it has no LAS header")
    start, start_of_points, records = struct.unpack_from("<HII", header, 94)
    kind, row, count = struct.unpack_from("<BHI", header, 104)
    if header[25] >= 4 and len(header) >= 255:
        _, late_records, count = struct.unpack_from("<QIQ", header, 235)
    else:
        late_records = 0
    # A record is 54 bytes or more, a late one 60; the high bits of the kind say "compressed", and
    # then a point takes a small part of its row, yet never less than about a bit.
    least = count // 8 if kind & 0xC0 else count * row
    if (
        start + 54 * records > start_of_points
        or start_of_points + 60 * late_records > size
        or start_of_points + least > size
    ):
        raise ValueError(
            f"the header promises {count} points and {records + late_records} records, which "
            f"{size} bytes cannot hold: the file is truncated or corrupt"
        )


FORMATS = (Format((".las", ".laz"), "cloud, its classification as labels", read, needs="laspy"),)
