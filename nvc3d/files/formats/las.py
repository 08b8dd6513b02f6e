"""LAS and LAZ (laser scans from the air and from the ground), if laspy is installed."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from nvc3d.extras import require
from nvc3d.files.apart import read_apart
from nvc3d.files.columns import arranged
from nvc3d.files.format import Format, Found

CLASSES = (
    *("never classified", "unclassified", "ground", "low vegetation", "medium vegetation"),
    *("high vegetation", "building", "low point", "model key-point", "water", "rail"),
    *("road surface", "overlap", "wire guard", "wire conductor", "transmission tower"),
    *("wire connector", "bridge deck", "high noise", "overhead structure", "ignored ground"),
    *("snow", "temporal exclusion"),
)
"""The classes of ASPRS' LAS Specification 1.4 - R15; 8 and 12 as they were up to LAS 1.3."""
_COLORS = ("red", "green", "blue")
_NOT_COLUMNS = ("X", "Y", "Z", *_COLORS, "classification")
# A stored point takes a part of a byte where all values go on as before; 140 points a byte were
# met in a scan of nothing but steps along x.
_POINTS_A_BYTE = 200
_POINTS_ANYWAY = 2**20


def read(path: Path) -> Found:
    """Read a cloud with all that is known of its points; compressed ones in a process apart.

    Columns have the names that laspy gives the fields of the point format and the extra dimensions;
    fields that are 0 in all points are left out: nobody has filled them in. The classification is
    the label, unless an extra dimension is called so.

    Raises:
        MissingExtra: laspy is not installed, or lazrs for what is compressed.
    """
    require("laspy", "to read LAS files")
    header = _Header.of(path)
    if header.compressed:
        require("lazrs", "to read LAZ files")
    header.check()
    if header.points == 0:
        return Found(np.empty((0, 3)))
    if not header.compressed:
        return _read(path)
    # The rows, the coordinates and what they are computed by, and each of the columns.
    memory = 2**29 + header.points * (2 * header.row + 160)
    return read_apart(_read, path, memory=memory, seconds=10 + header.points / 1e5)


def _read(path: Path) -> Found:
    laspy = require("laspy", "to read LAS files")
    try:
        with laspy.open(path) as reader:
            header, scan = reader.header, reader.read()
    except MemoryError:
        raise
    except Exception as error:  # it raises anything
        raise ValueError(f"it is truncated or corrupt, laspy says: {error}") from error
    if len(scan.points) != header.point_count:
        raise ValueError(f"{header.point_count} points are promised, {len(scan.points)} are there")
    axes = [np.asarray(values) for values in (scan.x, scan.y, scan.z)]
    _compare_bounds(path, axes, header)
    widths = {
        field.name: field.num_elements
        for field in scan.point_format.dimensions
        if field.name not in _NOT_COLUMNS
    }
    columns = {name: v for name in widths if (v := np.asarray(scan[name])).any()}
    # Normals may well be 0 along an axis in all points.
    normal = arranged(widths).get("normal", ())
    if len(normal) == 3 and columns.keys() & set(normal):
        columns["normal"] = np.stack([scan[name] for name in normal], 1)
        columns = {name: values for name, values in columns.items() if name not in normal}
    if set(_COLORS) <= set(scan.point_format.dimension_names):
        color = np.stack([scan[name] for name in _COLORS], 1)
        # The standard asks for 16 bits; scanners of 8 bits often leave them as they are.
        if (top := color.max()) > 0:
            columns["color"] = (color >> 8 if top > 255 else color).astype(np.uint8)
    classification = np.asarray(scan.classification)
    if "label" in columns:
        if classification.any():
            columns["classification"] = classification
        return Found(np.stack(axes, 1), columns)
    columns["label"] = classification
    return Found(np.stack(axes, 1), columns, _class_names(header))


def _class_names(header: Any) -> tuple[str, ...]:
    """The names of the classes from 0 on: those of the file, where it has some, and else of the
    standard. Not more for higher labels: all files of a data set have the same names."""
    own: dict[int, str] = {}
    for record in header.vlrs:
        for number, name in getattr(record, "lookups", {}).items():
            if text := name.strip():
                own[int(number)] = text
    last = max(own) if own else len(CLASSES) - 1
    return tuple(own.get(i, _class_name(i)) for i in range(last + 1))


def _compare_bounds(path: Path, axes: list[NDArray[np.float64]], header: Any) -> None:
    """Warn of coordinates beyond the bounds in the header: compressed data has no other check."""
    if not (header.mins < header.maxs).any():  # never filled in
        return
    for name, values, low, high, scale in zip(
        "xyz", axes, header.mins, header.maxs, header.scales, strict=True
    ):
        slack = 2 * abs(scale) + 1e-6 * (high - low)
        if values.min() < low - slack or values.max() > high + slack:
            warnings.warn(
                f"{path}: {name} goes from {values.min():g} to {values.max():g}, and its header "
                f"says from {low:g} to {high:g}: it is out of date, or the file damaged",
                stacklevel=2,
            )
            return


@dataclass(frozen=True)
class _Header:
    """What is believed of a header only after it was compared with the size of the file."""

    path: Path
    size: int
    """of the file, as all offsets in bytes"""
    compressed: bool
    points: int
    legacy: int
    """the points as counted up to LAS 1.3"""
    row: int
    """bytes of a point before compression"""
    records: tuple[int, int, int]
    """where they start, how many there are, where the points start"""
    late: tuple[int, int]
    """where those behind the points start, how many there are"""
    waves: int
    """where waveforms start; 0 if nowhere"""

    @classmethod
    def of(cls, path: Path) -> _Header:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(375)
        if header[:4] != b"LASF" or len(header) < 227:
            raise ValueError("it has no LAS header")
        length, start_of_points, records = struct.unpack_from("<HII", header, 94)
        kind, row, legacy = struct.unpack_from("<BHI", header, 104)
        points, late, waves = legacy, (0, 0), 0
        if header[25] >= 3 and len(header) >= 235:
            (waves,) = struct.unpack_from("<Q", header, 227)
        if header[25] >= 4 and len(header) >= 255:
            start, count, points = struct.unpack_from("<QIQ", header, 235)
            late = (start, count)
        compressed = bool(kind & 0xC0)
        places = (length, records, start_of_points)
        return cls(path, size, compressed, points, legacy, row, places, late, waves)

    def check(self) -> None:
        """Refuse what the size of the file denies, warn of points that are not counted."""
        (start, records, start_of_points), (_, late) = self.records, self.late
        if self.compressed:
            enough = self.points <= max(_POINTS_ANYWAY, _POINTS_A_BYTE * self.size)
        else:
            enough = start_of_points + self.points * self.row <= self.size
        # A record is 54 bytes or more, a late one 60.
        if (
            start + 54 * records > start_of_points
            or start_of_points + 60 * late > self.size
            or start_of_points > self.size
            or not enough
        ):
            raise ValueError(
                f"the header promises {self.points} points and {records + late} records, which "
                f"{self.size} bytes cannot hold: the file is truncated or corrupt"
            )
        if self.points == 0 and self.legacy > 0:
            raise ValueError(
                f"its header counts no points in the place of LAS 1.4, and {self.legacy} in that "
                "of LAS 1.3"
            )
        if not self.compressed and self.row > 0 and (more := self._uncounted()) > 0:
            if self.points == 0:
                raise ValueError(
                    f"the header counts no points, and there is room for {more}: whoever wrote the "
                    "file has not finished it"
                )
            warnings.warn(
                f"{self.path}: the header counts {self.points} points, and {more} more may follow, "
                "which are left out",
                stacklevel=2,
            )

    def _uncounted(self) -> int:
        """How many points there is room for behind those that the header counts."""
        end_of_points = self.records[2] + self.points * self.row
        later = [at for at in (self.late[0], self.waves) if end_of_points <= at <= self.size]
        return (min(later, default=self.size) - end_of_points) // self.row


def write(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
    compress: bool = False,
) -> None:
    """Write LAS 1.4: colours in 16 bits, labels from 0 to 255 as classification, and as an extra
    dimension whatever the point format has no field for.

    Raises:
        MissingExtra: laspy is not installed.
        ValueError: names of labels that the format has no place for, a column of more than three
            numbers a point, or values that do not fit their field.
    """
    laspy = require("laspy", "to write LAS files")
    header = laspy.LasHeader(version="1.4", point_format=7 if "color" in columns else 6)
    header.offsets, header.scales = _steps(points)
    fields = dict(columns)
    if (color := fields.pop("color", None)) is not None:
        fields |= {name: color[:, i] * np.uint16(257) for i, name in enumerate(_COLORS)}
    if (normal := fields.pop("normal", None)) is not None:
        fields |= {f"Normal{axis}": normal[:, i] for i, axis in enumerate("XYZ")}
    label = fields.get("label")
    if label is not None and label.min() < 0 and tuple(label_names[:1]) == CLASSES[:1]:
        # Where 0 is "never classified", that is how the format says that a point has no label.
        label = fields["label"] = np.maximum(label, 0)
    if label is not None and label.min() >= 0 and label.max() <= 255:
        fields["classification"] = fields.pop("label")
    if label_names:
        if "classification" not in fields or len(label_names) > 256:
            raise ValueError("LAS has names for labels from 0 to 255 only")
        if (lookup := _lookup(laspy, label_names)) is not None:
            header.vlrs.append(lookup)
    known = set(header.point_format.dimension_names)
    for name, values in fields.items():
        if name not in known:
            width = values.shape[1] if values.ndim == 2 else 1
            if width > 3 or len(name.encode()) > 32:
                raise ValueError(
                    "LAS has room for names of 32 bytes and 3 numbers a point, "
                    f"got {width} of {name!r}"
                )
            kind = f"{width}{_stored(values.dtype)}" if width > 1 else _stored(values.dtype)
            header.add_extra_dim(laspy.ExtraBytesParams(name, kind))
    scan = laspy.LasData(header)
    scan.x, scan.y, scan.z = points.T.astype(np.float64)
    for name, values in fields.items():
        given = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        try:
            scan[name] = given
            kept = np.array_equal(np.asarray(scan[name]), given, given.dtype.kind == "f")
        except OverflowError:
            kept = False
        if not kept:
            raise ValueError(f"{name} has values that its field in LAS cannot hold")
    # The other backend keeps threads, which do not survive a fork.
    backend = laspy.LazBackend.Lazrs if compress else None
    scan.write(file, do_compress=compress, laz_backend=backend)


def write_compressed(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
) -> None:
    """The same as LAZ; lazrs must be installed, too."""
    require("lazrs", "to write LAZ files")
    write(file, points, columns, label_names, compress=True)


def _stored(dtype: np.dtype) -> str:
    """How an extra dimension keeps numbers of a type."""
    kind = {"b": "u", "f": "f"}.get(dtype.kind, dtype.kind)
    return f"{kind}{max(dtype.itemsize, 4) if kind == 'f' else dtype.itemsize}"


def _lookup(laspy: Any, names: Sequence[str]) -> Any:
    """The record that names the classes; None where they are called as they are without it."""
    if tuple(names) == tuple(map(_class_name, range(max(len(names), len(CLASSES))))):
        return None
    record = laspy.vlrs.known.ClassificationLookupVlr()
    for number, name in enumerate(names):
        if re.fullmatch(r"[A-Za-z0-9 ]{1,15}", name):
            record.lookups[number] = name
        elif name != _class_name(number):
            raise ValueError(
                f"LAS has names of up to 15 letters and digits for its classes, got {name!r}"
            )
    return record


def _class_name(number: int) -> str:
    return CLASSES[number] if number < len(CLASSES) else f"class {number}"


def _steps(points: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offsets (3,) and scales (3,) by which points are whole numbers of 32 bits.

    Of the powers of ten the largest scale that gives the points again as they are, if they have so
    few decimals; otherwise the smallest whose numbers fit.
    """
    offsets, scales = np.zeros(3), np.ones(3)
    for axis in range(3):
        values = points[:, axis].astype(np.float64)
        blur = 2 * float(np.spacing(np.abs(points[:, axis]).max()))
        middle = values.min() / 2 + values.max() / 2
        reach = max(values.max() - middle, float(np.finfo(np.float32).tiny))
        finest = int(np.floor(np.log10((2**31 - 2) / reach)))
        for digits in range(min(finest, 0), finest + 1):
            scale = 10.0**-digits
            offset = np.round(middle / scale) * scale
            offsets[axis], scales[axis] = offset, scale
            wrong = np.abs(np.round((values - offset) / scale) * scale + offset - values).max()
            # Any numbers lie on a grid as fine as their own rounding.
            if scale > 1000 * blur and wrong <= blur:
                break
    return offsets, scales


def names_fit(labels: NDArray[np.int64], names: Sequence[str]) -> bool:
    """Whether these may be its classes: bytes, of which only "never classified" is none."""
    fit = labels.max() < 256 and len(names) <= 256
    return bool(fit and (labels.min() >= 0 or names[0] == CLASSES[0]))


FORMATS = (
    Format(
        (".las",),
        "cloud with its fields; the classification as labels",
        read,
        write,
        needs="laspy",
        names_fit=names_fit,
    ),
    Format((".laz",), "the same", read, write_compressed, needs="laspy", names_fit=names_fit),
)
