"""What a format says of itself; each module in `formats/` holds its own as `FORMATS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from nvc3d.geometry.mesh import Mesh


@dataclass(frozen=True, eq=False)
class Found:
    """The points of a file, before anything about them is checked.

    Args:
        points: (N, 3) of any real type; NaN where a sensor saw nothing.
        columns: what else the file says of each point, by name: (N,) or (N, C) each. The names
            are those of `Cloud.columns`; values may be of any type that can mean them.
        label_names: the names of the labels, where the file has them.
        notes: what of the file was not understood, each a warning to come.
    """

    points: NDArray
    columns: Mapping[str, NDArray] = field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Writer(Protocol):
    """Writes points (N, 3), float32 or float64, columns (N,) or (N, C) by name as a `Cloud` has
    them, and the names of the labels, or raises a ValueError that says what has no place."""

    def __call__(
        self,
        file: BinaryIO,
        points: NDArray,
        columns: Mapping[str, NDArray],
        label_names: Sequence[str] = (),
    ) -> None: ...


@dataclass(frozen=True, eq=False)
class Format:
    """A kind of file.

    Args:
        suffixes: in lower case, with the dot.
        holds: what it is read as, for the table in the documentation.
        read: path -> a mesh, or the points of a cloud. A ValueError says what is wrong with the
            file; who calls adds its name.
        write: None where nothing is written in this format.
        needs: the optional package that reads it.
        keeps: the only columns that it has a place for, and None where any column has.
        names_fit: (labels, their names) -> whether it has a place for such names.
    """

    suffixes: tuple[str, ...]
    holds: str
    read: Callable[[Path], Mesh | Found]
    write: Writer | None = None
    needs: str = ""
    keeps: tuple[str, ...] | None = None
    names_fit: Callable[[NDArray[np.int64], Sequence[str]], bool] = lambda labels, names: True
