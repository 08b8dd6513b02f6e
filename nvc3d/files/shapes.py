"""Read shapes from the files that users have, write clouds to the files that they want."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nvc3d.atomic import atomic_write
from nvc3d.files.columns import cloud
from nvc3d.files.registry import by_suffix, writable
from nvc3d.files.written import answers
from nvc3d.geometry.mesh import Cloud, Mesh, Shape

PathLike: TypeAlias = str | os.PathLike[str]
Missing = Literal["drop", "refuse"]
NO_FAULTS = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""What is raised while a file is read and has nothing to do with it."""
_POINTER = b"version https://git-lfs"


def read_shape(path: PathLike, *, missing: Missing = "drop") -> Shape:
    """Read the mesh or the cloud in a file, in the file's own coordinates.

    Args:
        path: a file of one of the formats of `nvc3d.files.registry`.
        missing: what becomes of points with a coordinate that is NaN, which sensors write where
            they saw nothing: "drop" leaves them out, with a warning that counts them; "refuse"
            raises.

    Raises:
        FileNotFoundError, OSError: there is no such file, or it may not be read.
        ValueError: the file is of an unknown kind, empty, truncated, corrupt, or holds something
            that is no shape; the message names the file and what is wrong.
        MissingExtra: the package that this kind of file needs is not installed.
    """
    path = Path(path)
    if missing not in get_args(Missing):
        raise ValueError(f"missing must be one of {', '.join(get_args(Missing))}, got {missing!r}")
    with reading(path):
        kind = by_suffix().get(path.suffix.lower())
        if kind is None:
            known = " ".join(by_suffix())
            raise ValueError(f"its kind is unknown, expected one of {known}")
        found = kind.read(path)
        return found if isinstance(found, Mesh) else cloud(path, found, missing=missing)


def write_cloud(
    path: PathLike,
    points: Cloud | ArrayLike,
    colors: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Write a cloud to a file, whole or not at all; `read_shape` gives the same back.

    Args:
        path: ends in the suffix of a format that is written, as `nvc3d.files.registry.table()`
            lists them.
        points: a cloud, which is written with all its columns and the names of its labels; or
            (N, 3), kept in float64 if they are, otherwise in float32.
        colors: (N, 3) uint8, red, green and blue.
        labels: (N,) integers from 0 to 2 ** 31 - 1, or -1 for none.
        columns: whatever else is known of each point, by the names of `Cloud.columns`; these, and
            colors and labels, replace those of a cloud.

    Raises:
        ValueError: a wrong shape or type, coordinates that are not finite, no points, an unknown
            suffix, or what the format has no place for: all but colors in .glb.
        MissingExtra: the package that this kind of file needs is not installed.
        OSError: the file cannot be written. What was there before is still there.
    """
    path = Path(path)
    kind = writable().get(path.suffix.lower())
    if kind is None or kind.write is None:
        known = " ".join(writable())
        raise ValueError(f"{path}: cannot write this kind of file, expected one of {known}")
    if isinstance(points, Cloud):
        xyz, own, label_names = points.points, points.columns, points.label_names
    else:
        xyz, own, label_names = _array(points), {}, ()
    if xyz.ndim != 2 or xyz.shape[1] != 3 or len(xyz) == 0 or xyz.dtype.kind not in "fiu":
        raise ValueError(f"points must be (N, 3) numbers with N > 0, got {xyz.dtype} {xyz.shape}")
    xyz = xyz if xyz.dtype == np.float64 else xyz.astype(np.float32)
    if not np.isfinite(xyz).all():
        bad = int((~np.isfinite(xyz)).any(1).sum())
        raise ValueError(f"points must be finite, got {bad} of {len(xyz)} that are not")
    given: dict[str, ArrayLike] = {**own, **(columns or {})}
    if colors is not None:
        given["color"] = colors
    if labels is not None:
        given["label"] = labels
    checked = Cloud(xyz, {name: _array(values) for name, values in given.items()}).columns
    written = {name: _narrow(name, values) for name, values in checked.items()}
    with atomic_write(path) as file:
        kind.write(file, xyz, written, label_names)


def _narrow(name: str, values: NDArray) -> NDArray:
    """Whole numbers of 64 bits in 32 where those hold them: many readers know no others."""
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        narrow = values.astype(np.int32)
        if (narrow == values).all():
            return narrow
        if name == "label":
            raise ValueError(f"labels must be from 0 to 2 ** 31 - 1, got up to {values.max()}")
    return values


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a reader meets in a bad file into one ValueError that names the file."""
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, "there is no such file", str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder, not a file", str(path))
    if not path.is_file():
        raise OSError(errno.EINVAL, "this is no regular file", str(path))
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty")
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise ValueError(
                f"{path}: it is a pointer of Git LFS, not the file itself, which `git lfs pull` "
                "fetches"
            )
    try:
        yield
    except ImportError:
        raise
    except BaseException as error:  # a panic in Rust is no Exception
        if isinstance(error, NO_FAULTS):
            raise
        # Of the operating system's errors, those about the file bear its name; others come from
        # following a corrupt file to places that do not exist.
        if isinstance(error, OSError) and error.filename is not None:
            raise
        # Libraries raise anything on a corrupt file; some say nothing, some say it in many lines.
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{path}: {said[0]}") from error


def find_shapes(folder: PathLike, suffixes: Container[str] | None = None) -> list[Path]:
    """List the files of a folder and its sub-folders that could hold shapes, without opening one.

    Args:
        folder: where to look.
        suffixes: of other files to list instead, in lower case.

    Returns:
        Files of the known suffixes, and links to missing ones, in the order of their names. Hidden
        files, and anything that is no regular file, are left aside, and so is, with a warning, what
        a command of nvc3d wrote of another of the files. A sub-folder that may not be opened gives
        a warning.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
    """
    root = Path(folder)
    if not root.exists():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(root))
    if not root.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "this is not a folder", str(root))
    wanted = by_suffix() if suffixes is None else suffixes
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(root, onerror=_unreadable, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:  # links between folders may form a circle
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            file = Path(parent, name)
            known = file.suffix.lower() in wanted and not name.startswith(".")
            # A link to nowhere stays in the list: who reads it learns what is missing.
            if known and (os.path.isfile(file) or not os.path.exists(file)):
                found.append(file)
    if written := set(answers(found)):
        first = min(file.relative_to(root).as_posix() for file in written)
        warnings.warn(
            f"{root}: left out {len(written)} of {len(found)} files, which nvc3d wrote of others "
            f"there: {first}{', ...' if len(written) > 1 else ''}",
            stacklevel=2,
        )
        found = [file for file in found if file not in written]
    return sorted(found, key=lambda file: file.relative_to(root).as_posix())


def _unreadable(error: OSError) -> None:
    warnings.warn(f"{error.filename}: left out, {error.strerror}", stacklevel=2)


def _array(values: ArrayLike) -> NDArray:
    # A tensor that needs gradients, or lies on a device, does not convert by itself.
    detach = getattr(values, "detach", None)
    return np.asarray(values if detach is None else detach().cpu())
