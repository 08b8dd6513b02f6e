"""From what a file says of its points to a Cloud: the one place that knows what columns are called,
and that judges what is in them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.format import Found
from nvc3d.files.parsing import whole
from nvc3d.geometry.mesh import Cloud, frame

POINTS = "points"
"""What the three coordinates together are called among the columns of a file."""
_SPREAD = {"color": ("red", "green", "blue"), "normal": ("nx", "ny", "nz")}
"""What the parts of a column are called in files whose columns are single numbers."""
_PARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    POINTS: (
        ("x", "y", "z"),
        ("points_0", "points_1", "points_2"),
        ("point_x", "point_y", "point_z"),
        ("position_x", "position_y", "position_z"),
        ("pos_x", "pos_y", "pos_z"),
        ("coord_x", "coord_y", "coord_z"),
        ("x_coord", "y_coord", "z_coord"),
    ),
    "color": (
        _SPREAD["color"],
        ("r", "g", "b"),
        ("diffuse_red", "diffuse_green", "diffuse_blue"),
        ("color_r", "color_g", "color_b"),
        ("rf", "gf", "bf"),
    ),
    "normal": (
        _SPREAD["normal"],
        ("normal_x", "normal_y", "normal_z"),
        ("normalx", "normaly", "normalz"),
        ("n_x", "n_y", "n_z"),
    ),
}
"""Names of columns of one number that together are a standard one."""
NAMES: dict[str, tuple[str, ...]] = {
    POINTS: (POINTS, "xyz", "pos", "vertices", "coords", "coord", "position", "positions", "point"),
    "color": ("color", "colors", "colour", "colours", "rgb", "rgba"),
    "normal": ("normal", "normals"),
    "label": (
        *("label", "labels", "class", "classification", "class_id", "classid", "label_id"),
        *("semantic", "semantics", "semantic_label", "sem_label", "sem_cls"),
        *("segment", "segments", "category", "category_id", "class_label", "classes"),
    ),
    "instance": (
        *(
            "instance",
            "instances",
            "instance_id",
            "instanceid",
            "instance_label",
            "instance_labels",
        ),
    ),
    "intensity": ("intensity", "intensities", "reflectance", "reflectivity", "remission"),
    "confidence": ("confidence", "confidences"),
}
"""Names of columns that are a standard one, the surest first."""


def arranged(widths: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """Which columns of a file make up which of a cloud.

    Names may be in any case, begin with `scalar_` and end in a unit in brackets. Columns called
    name_0, name_1, ... are the parts of one. Any other keeps its name.

    Args:
        widths: of each column by its name in the file: how many numbers it holds for a point.

    Returns:
        For `points` and each name of `Cloud.columns`, those of the file; all others are left aside.
    """
    plain: dict[str, list[str]] = {}
    for name in widths:
        plain.setdefault(_plain(name), []).append(name)

    def called(wanted: str, width: int) -> str | None:
        names = [name for name in plain.get(wanted, ()) if widths[name] == width]
        exact = [name for name in names if name == wanted]
        return (exact or names)[0] if len(exact or names) == 1 else None

    result: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()
    for standard, names in NAMES.items():
        for parts in _PARTS.get(standard, ()):
            found = [one for part in parts if (one := called(part, 1)) is not None]
            if len(found) == len(parts) and standard not in result:
                result[standard] = tuple(found)
        width = 3 if standard in _PARTS else 1
        for name in names:
            one = called(name, width)
            if one is None and standard == "color":
                one = called(name, 4)  # with how opaque it is
            if one is not None and standard not in result:
                result[standard] = (one,)
        taken |= set(result.get(standard, ()))
    for name in widths:
        stem, _, end = name.rpartition("_")
        if name in taken or name in result:
            continue
        if end == "0" and stem and stem not in result and stem not in NAMES:
            numbered = [name]
            while widths.get(f"{stem}_{len(numbered)}") == 1 == widths[name]:
                numbered.append(f"{stem}_{len(numbered)}")
            if len(numbered) > 1 and not taken & set(numbered):
                result[stem] = tuple(numbered)
                taken |= set(numbered)
                continue
        if name not in NAMES:
            result[name] = (name,)
    return result


def _plain(name: str) -> str:
    name = re.sub(r"[\[(].*", "", name.strip().lower()).removeprefix("scalar_")
    return re.sub(r"[^0-9a-z]+", "_", name).strip("_")


def named(
    columns: Mapping[str, NDArray], label_names: Sequence[str] = (), notes: Sequence[str] = ()
) -> Found:
    """The points of a file whose columns (N,) or (N, C) have names.

    Raises ValueError where none of them are x, y and z.
    """
    columns = {
        name: v[:, 0] if v.ndim == 2 and v.shape[1] == 1 else v for name, v in columns.items()
    }
    names = arranged({name: v.shape[1] if v.ndim == 2 else 1 for name, v in columns.items()})
    if POINTS not in names:
        called = ", ".join(repr(name) for name in columns)
        raise ValueError(f"it has no columns x, y and z, each once, but {called[:300] or 'none'}")
    found = {
        name: columns[parts[0]] if len(parts) == 1 else np.stack([columns[p] for p in parts], 1)
        for name, parts in names.items()
    }
    used = {part for parts in names.values() for part in parts}
    packed = next((name for name in columns if _plain(name) in ("rgb", "rgba")), None)
    if "color" not in found and packed is not None and columns[packed].dtype.itemsize == 4:
        found["color"] = _unpacked(columns[packed])
        used.add(packed)
        found.pop(packed, None)
    lost = [name for name in columns if name not in used]
    if lost:
        notes = [*notes, f"left aside {', '.join(lost)}, which are not what they are called"]
    return Found(found.pop(POINTS), found, tuple(label_names), tuple(notes))


def _unpacked(values: NDArray) -> NDArray[np.uint8]:
    """Colours (N, 3) from (N,) numbers of 32 bits in which PCL keeps blue, green and red, in the
    bytes from the lowest."""
    bits = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))).view(np.uint32)
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], 1).astype(np.uint8)


def unnamed(values: NDArray) -> list[str]:
    """Names for the columns of a table (N, C) that has none, C of 3 or more: x, y and z are the
    first three.

    What follows them is understood where it is certain: three columns of whole numbers from 0 to
    255 that vary are colours, and three that are vectors of length 1 are normals, in either order.
    Where six or seven columns are all there is, three fractions from 0 to 1 are colours, too, and
    the seventh, if it is of whole numbers, is the label, as in S3DIS and ShapeNetPart. The others,
    from 1 on, are called column_4, column_5, ...; so are all four that follow where they may as
    well be an intensity and colours.
    """
    names = ["x", "y", "z"]
    while len(names) + 3 <= values.shape[1]:
        three = values[:, len(names) : len(names) + 3]
        if "nx" not in names and _are_normals(three):
            names += _SPREAD["normal"]
        elif "red" not in names and _are_bytes(three):
            names += _SPREAD["color"]
        else:
            break
    if len(names) == 3 and values.shape[1] in (6, 7) and _are_fractions(values[:, 3:6]):
        names += _SPREAD["color"]
    if len(names) == 6 and values.shape[1] == 7:
        if names[3] == "red" and intensity_first(values):
            names = names[:3]
        elif ((values[:, 6] == np.floor(values[:, 6])) & (values[:, 6] >= -1)).all():
            names.append("label")
    return names + [f"column_{at}" for at in range(len(names) + 1, values.shape[1] + 1)]


def intensity_first(values: NDArray) -> bool:
    """Whether what follows x, y and z in rows (N, 7) without names may be intensity, red, green and
    blue: of red, green, blue and a label the first would be too fine, or the last too high."""
    fine = (values[:, 3] != np.floor(values[:, 3])).any()
    return _are_bytes(values[:, 4:]) and bool(fine or _top(values[:, 6]) > _CLASSES)


_CLASSES = 200
"""The highest label that is sooner a class than how blue a point is."""


def _top(values: NDArray) -> float:
    """The highest but for 255, which says that there is no label."""
    return float(values[values != 255].max(initial=0))


def _are_fractions(values: NDArray) -> bool:
    return values.dtype.kind == "f" and bool(((values >= 0) & (values <= 1)).all())


def _are_normals(values: NDArray) -> bool:
    square = (values.astype(np.float64) ** 2).sum(1)
    return bool((np.abs(square - 1) < 1e-2).all())


def _are_bytes(values: NDArray) -> bool:
    fits = ((values >= 0) & (values <= 255) & (values == np.floor(values))).all()
    return bool(fits and np.ptp(values, axis=0).any() and values.max() > 1)


def cloud(path: Path, found: Found, *, missing: str) -> Cloud:
    """The cloud that the points of a file are.

    Points with a coordinate that is NaN, as depth sensors mark a pixel that saw nothing, are left
    out, with a warning that counts them; `missing="refuse"` refuses them. So are columns that are
    not what they are called, as labels that are no whole numbers, with a warning that names them.

    Raises ValueError on no points, none but NaN, and points that are all the same.
    """
    points, columns = np.asarray(found.points), dict(found.columns)
    notes = list(found.notes)
    if points.dtype.kind not in "fiu":
        raise ValueError(f"coordinates must be real numbers, got {points.dtype}")
    if len(points) == 0:
        raise ValueError("it holds no points")
    seen = ~np.isnan(points).any(1)  # (N,)
    if not seen.all():
        left_out = len(points) - int(seen.sum())
        if left_out == len(points):
            raise ValueError(f"all of its {len(points)} points are NaN")
        if missing == "refuse":
            raise ValueError(f"{left_out} of its {len(points)} points are NaN")
        notes.append(
            f"left out {left_out} of {len(points)} points that are NaN, which a sensor writes "
            "where it saw nothing"
        )
        points = points[seen]
        columns = {name: v[seen] if len(v) == len(seen) else v for name, v in columns.items()}
    judged: dict[str, NDArray] = {}
    label_names = found.label_names
    for name, values in columns.items():
        if name == "label" and values.dtype.kind in "US" and values.shape == (len(points),):
            label_names, values = _of_words(values)
        try:
            judged[name] = _judged(name, values, len(points))
        except ValueError as error:
            notes.append(f"left aside its {name}: {error}")
    result = Cloud(points, judged, label_names)
    frame(result)
    for note in notes:
        warnings.warn(f"{path}: {note}", stacklevel=4)
    return result


def _judged(name: str, values: NDArray, count: int) -> NDArray:
    """A column of a cloud of `count` points as `Cloud` wants it; ValueError if it is not."""
    if values.ndim not in (1, 2) or len(values) != count:
        raise ValueError(f"expected a row for each of {count} points, got {values.shape}")
    if values.dtype.kind not in "fiub":
        raise ValueError(f"expected numbers, got {values.dtype}")
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if name in ("label", "instance"):
        return as_labels(values)
    if name == "color":
        return as_bytes(values)
    if name == "normal" and not (values.shape == (count, 3) and np.isfinite(values).all()):
        raise ValueError("some are not finite")
    return values


def as_labels(values: NDArray) -> NDArray[np.int64]:
    """Labels (N,) as a file has them, -1 where there is none: NaN says so too.

    Raises ValueError where they are no whole numbers from -1 up.
    """
    values = values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if values.ndim != 1:
        raise ValueError(f"expected one for each point, got {values.shape}")
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), -1, values)
    labels = whole(values, "labels")
    if labels.min(initial=0) < -1:
        raise ValueError(f"labels must be 0 or more, or -1 for none, got {labels.min()}")
    return labels


def _of_words(values: NDArray) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names among words (N,), and the number of each; -1 for an empty one."""
    words = np.char.strip(values.astype(str))
    names, numbers = np.unique(words, return_inverse=True)
    empty = int(len(names) > 0 and names[0] == "")  # sorted: it is the first
    return tuple(names[empty:].tolist()), numbers.astype(np.int64) - empty


def brightest(values: NDArray) -> int:
    """What colours (N, 3) of any type are out of: 1, 255 or 65535.

    Fractions up to 1 are out of 1; whole numbers are out of 255, however dark, or, where one is
    larger, out of the 65535 of 16 bits. Raises ValueError on anything else.
    """
    low, high = values.min(initial=0), values.max(initial=0)
    if low >= 0 and high <= 1 and values.dtype.kind == "f":
        return 1
    if low >= 0 and high <= 255:
        return 255
    many = values.dtype.kind in "iu" or values.mean() > 255  # a few are errors
    if low >= 0 and high <= 65535 and many and (values == np.floor(values)).all():
        return 65535
    raise ValueError(f"colours must be from 0 to 255, or to 1, or to 65535, got {low} to {high}")


def as_bytes(values: NDArray) -> NDArray[np.uint8]:
    """Colours (N, 3), or (N, 4) with how opaque they are, out of 255.

    Raises ValueError where they are out of nothing that is known, see `brightest`.
    """
    if values.ndim != 2 or values.shape[1] not in (3, 4):
        raise ValueError(f"expected red, green and blue, got {values.shape}")
    values = values[:, :3]
    if values.dtype == np.uint8:
        return values
    scale = 255 / brightest(values)
    return np.round(values.astype(np.float64) * scale).astype(np.uint8)


def flat(columns: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Columns (N,) and (N, C) as columns (N,) alone, under the names that files have for them: red,
    green and blue for `color`, nx, ny and nz for `normal`; name_0, name_1, ... for any other.

    Spaces in names become "_". Raises ValueError where two columns get the same name.
    """
    result: dict[str, NDArray] = {}
    for name, values in columns.items():
        plain = "_".join(name.split())
        if values.ndim == 1 or values.shape[1] == 1:
            parts = [(plain, values.reshape(len(values)))]
        else:
            names = _SPREAD.get(name) or [f"{plain}_{i}" for i in range(values.shape[1])]
            parts = [(part, values[:, i]) for i, part in enumerate(names)]
        for part, one in parts:
            if part in result or part in ("x", "y", "z"):
                raise ValueError(f"two columns would be called {part} in the file")
            result[part] = one
    return result
