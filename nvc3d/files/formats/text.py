"""Clouds as rows of numbers: XYZ, TXT, CSV, PTS, ASC."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nvc3d.files.columns import POINTS, arranged, flat, named, unnamed
from nvc3d.files.format import Format, Found
from nvc3d.files.parsing import decoded, lines_of, names_comment, names_in, number, table

_MARKS = ("#", "//", "%", "!")
"""What a comment begins with."""
_REMARK = re.compile(r"(?:^|(?<=[\s,;]))(?:#(?!N/A)|//|%|!).*$", re.MULTILINE | re.IGNORECASE)
_PLACES = {"x", "y", "z", "lon", "lat", "alt", "longitude", "latitude", "altitude", "easting"}
_PLACES |= {
    "northing",
    "elevation",
    "height",
    "depth",
    "range",
    "azimuth",
    "theta",
    "phi",
    "u",
    "v",
}
"""Words of a comment that may mean that the columns are something else than x, y and z."""
_PTS = {4: ["intensity"], 6: ["red", "green", "blue"], 7: ["intensity", "red", "green", "blue"]}
"""What follows x, y and z in PTS files, by the number of columns."""


class _Titles(NamedTuple):
    """What stands before the rows."""

    names: str | None
    """the line of names, without its mark"""
    start: int
    """where the rows begin"""
    comment: bool
    """whether the names are a comment"""


def read(path: Path) -> Found:
    """Read rows of numbers separated by spaces, tabs, commas or semicolons.

    A line of names before the rows, which may be a comment, says what the columns are; see
    `nvc3d.files.columns.arranged`. Without one, x, y and z are the first three, and what follows is
    understood where it is certain; see `unnamed`: others are called column_4, column_5, ... In PTS
    files an intensity, red, green and blue follow, and a lone number counts the rows of each
    station. Lines that begin with #, //, % or ! are comments, as is what follows such a mark in a
    row.

    Numbers may have a decimal comma where something else separates them. Labels may be words; they
    become the names of the labels. A number that is missing is NaN.

    Raises:
        ValueError: names without x, y and z, more or fewer of them than columns, a row of another
            length, a word that is no number where a coordinate is expected, and a comma of which
            it cannot be told whether it separates numbers.
    """
    text = decoded(path.read_bytes())
    lines = lines_of(text)
    delimiter: str | None = None
    if lines and (said := re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE)):  # Excel
        delimiter, lines = said[1], lines[1:]
    if lines and lines[0].lower().startswith("ncols"):
        raise ValueError("it is a grid of heights (ESRI ASCII), not rows of points")
    titles = _titles(lines)
    notes: list[str] = []
    rows, comments = lines[titles.start :], []
    if any(mark in text for mark in _MARKS):
        comments = [line.strip().lstrip("#/%! ") for line in lines if _is_comment(line)]
        rows = [_REMARK.sub("", line) for line in rows if not _is_comment(line)]
    body = "\n".join(rows)
    if any(quote in body for quote in "\"'"):
        body = _unquoted(body, delimiter)
        quoted = True
    else:
        quoted = False
    delimiter, body = _separated(body, delimiter, titles.names, notes)
    rows = [line for line in body.split("\n") if line.strip()]
    rows = _counted(rows)
    if delimiter not in (None, "\t") and all(row.rstrip().endswith(delimiter) for row in rows):
        rows = [row.rstrip()[:-1] for row in rows]
    names = None if titles.names is None else _fields(titles.names, delimiter)
    width = len(rows[0].split(delimiter))
    if names is None:
        _suspect(lines[: titles.start], comments, width, delimiter, notes)
    else:
        names = _fitting(names, width, titles.comment, quoted)
    values: list[NDArray]
    try:
        parsed = table(rows, delimiter=delimiter)
        if parsed.shape[1] < 3:
            raise ValueError(f"expected rows of 3 numbers or more, got {parsed.shape[1]}")
        values = list(parsed.T)
    except ValueError:
        if names is None:
            raise
        values = _words(rows, delimiter, names)
    if names is None:
        follow = _PTS.get(width) if path.suffix.lower() == ".pts" else None
        names = ["x", "y", "z", *follow] if follow else _guessed(values, notes)
        if width > 3 and len(rows) > 2 and _counts(values[0]):
            notes.append("took its first column for x, and it counts the rows: has it names?")
    columns: dict[str, NDArray] = {}
    for at, (name, column) in enumerate(zip(names, values, strict=True), 1):
        if not name and _counts(column):
            continue  # the index that pandas and R write
        columns[name if name and name not in columns else f"column_{at}"] = column
    found = named(columns, names_in(comments), notes)
    return _with_whole_colors(found, rows, delimiter, names)


def write(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
    delimiter: str = " ",
) -> None:
    """Write a row for each point, under a line of names where there is more than x, y and z."""
    fields = {axis: points[:, i] for i, axis in enumerate("xyz")} | flat(columns)
    for name in fields:
        if set(name) & set("\"'#,;"):
            raise ValueError(f"a column called {name!r} has no place in a file of rows of numbers")
    if label_names:
        file.write(f"# {names_comment(label_names)}\n".encode())
    if delimiter == ",":
        file.write((",".join(fields) + "\n").encode())
    elif len(fields) > 3:
        file.write(("# " + " ".join(fields) + "\n").encode())
    rows = np.empty(len(points), [(name, values.dtype) for name, values in fields.items()])
    for name, values in fields.items():
        rows[name] = values
    np.savetxt(file, rows, [_digits(values.dtype) for values in fields.values()], delimiter)


def write_csv(
    file: BinaryIO,
    points: NDArray,
    columns: Mapping[str, NDArray],
    label_names: Sequence[str] = (),
) -> None:
    """Write a row for each point, separated by commas, under a line of names."""
    write(file, points, columns, label_names, ",")


def _digits(dtype: np.dtype) -> str:
    """A format that tells any two numbers of a type apart."""
    if dtype.kind != "f":
        return "%d"
    return "%.9g" if dtype.itemsize <= 4 else "%.17g"


def _titles(lines: list[str]) -> _Titles:
    """Find the line of names and the first row."""
    told: _Titles | None = None
    titles = 0
    for at, line in enumerate(lines):
        words = _fields(line if _is_comment(line) else _REMARK.sub("", line), None)
        numbers = [word for word in words if word and number(word) is not None]
        if told is not None and not told.comment:
            if len(numbers) >= 2 and not _is_comment(line):
                return told._replace(start=at)
            continue
        if _is_comment(line):
            bare = line.strip().lstrip("#/%! ")
            if _has_places(bare):
                told = _Titles(bare, at + 1, True)
        elif numbers and len(numbers) == len([word for word in words if word]):
            return _Titles(told.names if told else None, at, told is not None)
        elif _has_places(line):
            told = _Titles(line, at + 1, False)
        else:
            titles += 1
            if titles > 1:
                raise ValueError(f"{line[:60]!r} is no row of numbers")
    raise ValueError("it holds no rows of numbers")


def _has_places(line: str) -> bool:
    """Whether a line names x, y and z."""
    for delimiter in (";", ",", "\t", None):
        names = _fields(line, delimiter)
        if len(names) >= 3 and POINTS in _arranged(names):
            return True
    return False


def _arranged(names: list[str]) -> dict[str, tuple[str, ...]]:
    # Names that are there twice are not to be told apart by their place.
    return arranged({name: 1 for name in names if names.count(name) == 1})


def _fitting(names: list[str], width: int, comment: bool, quoted: bool) -> list[str]:
    """The names of the columns, of which there are `width`."""
    if len(names) == width + 1 and not names[-1]:
        return names[:-1]
    if len(names) == width:
        if POINTS not in _arranged(names):
            raise ValueError(
                f"its columns are called {', '.join(names)[:200]}: expected x, y and z, each once"
            )
        return names
    if comment:
        after = names[next((i + 1 for i, n in enumerate(names) if n.endswith(":")), 0) :]
        if len(after) == width and POINTS in _arranged(after):
            return after
        if len(names) < width and [name.lower() for name in names[:3]] == ["x", "y", "z"]:
            return names + [f"column_{at}" for at in range(len(names) + 1, width + 1)]
    if quoted and len(names) + 1 == width:
        return ["", *names]  # R leaves out the name of the column of names
    raise ValueError(
        f"{len(names)} columns have names ({', '.join(names)[:200]}), and its rows have {width}"
    )


def _suspect(
    before: list[str], comments: list[str], width: int, delimiter: str | None, notes: list[str]
) -> None:
    """Refuse names that are not x, y and z, and take note of what may be such."""
    for line in before:
        if _is_comment(line):
            continue
        names = _fields(line, delimiter)
        if len(names) == width or (len(names) == width + 1 and not names[-1]):
            raise ValueError(
                f"its columns are called {', '.join(names)[:200]}, expected x, y and z, each once"
            )
        if number(line) is None:
            notes.append(f"its first line, {line[:60]!r}, is no row and names no columns")
    for line in comments[: len(before)]:
        words = [word.lower().strip("()[]:") for word in _fields(line, None)]
        if len(words) >= 3 and len(words) <= width and len(_PLACES & set(words)) >= 2:
            notes.append(
                f"took its first three columns for x, y and z, and a comment says {line[:60]!r}"
            )


def _separated(
    body: str, delimiter: str | None, names: str | None, notes: list[str]
) -> tuple[str | None, str]:
    """What separates the numbers, None for spaces; and the rows with decimal points."""
    first = body.strip().split("\n", 1)[0]
    if delimiter is None and ";" in body:
        delimiter = ";"
    if delimiter not in (None, ",") and delimiter in body:
        if "," in body:
            if "." in body and re.search(r"\d\.\d", body):
                raise ValueError("its numbers have commas as well as points: which are decimal?")
            body = body.replace(",", ".")
        return (None if delimiter == " " else delimiter), body
    if "," not in body:
        return ("\t" if names is not None and "\t" in names and "\t" in first else None), body
    spaces = " " in body or "\t" in body
    if not (spaces and re.search(r"[^\s,][ \t]+[^\s,]", body)):
        if "." not in body and _even(body, names):
            raise ValueError(f"of the commas in {first[:60]!r} it cannot be told which are decimal")
        return ",", body
    twice = re.search(r",[^\s,]*,", body)
    beside_space = re.search(r",[ \t]|[ \t],|,$|^,", body, re.MULTILINE)
    if beside_space is None and twice is None and "." not in body and len(first.split()) >= 3:
        notes.append(f"took the commas of {first[:60]!r} for decimal ones")
        return None, body.replace(",", ".")
    if names is not None and "," in names and len(names.split(",")) == len(first.split(",")):
        return ",", body  # words may hold spaces
    if "." not in body and twice is None:
        raise ValueError(f"of the commas in {first[:60]!r} it cannot be told which are decimal")
    return None, body.replace(",", " ")


def _even(body: str, names: str | None) -> bool:
    """Whether decimal commas stand beside commas between numbers: there are twice as many numbers
    as names, or some begin as whole numbers do not."""
    first = body.strip().split("\n", 1)[0].split(",")
    if names is not None:
        return len(first) == 2 * len(names.split(","))
    odd = re.search(r"(?:^|,)\s*(?:-?0\d|-0(?=,))", body, re.MULTILINE)
    return len(first) >= 6 and len(first) % 2 == 0 and odd is not None


def _unquoted(body: str, delimiter: str | None) -> str:
    """Rows without quotes; a decimal comma within them is a point."""
    if delimiter is None:
        delimiter = next((mark for mark in ";,\t" if mark in re.sub(r'"[^"]*"', "", body)), None)
    if delimiter is None:
        return body.replace('"', "").replace("'", "")
    rows = []
    for row in body.split("\n"):
        fields = next(csv.reader([row], delimiter=delimiter, skipinitialspace=True), [])
        fields = [re.sub(r"^\s*([-+]?\d*),(\d+)\s*$", r"\1.\2", field) for field in fields]
        rows.append(delimiter.join(field.replace(delimiter, " ").strip("' ") for field in fields))
    return "\n".join(rows)


def _counted(rows: list[str]) -> list[str]:
    """The rows without the numbers that count them: one before the rows of each station."""
    if len(rows) < 2 or not rows[0].strip().isdecimal():
        return rows
    kept: list[str] = []
    at = 0
    while at < len(rows):
        word = rows[at].strip()
        promised = int(word) if word.isdecimal() and len(word) < 19 else -1
        station = rows[at + 1 : at + 1 + max(promised, 0)]
        if promised < 0 or len(station) < promised or any(r.strip().isdecimal() for r in station):
            first = rows[0].strip()[:20]
            raise ValueError(f"it promises {first} points, and {len(rows) - 1} rows follow")
        kept += station
        at += 1 + promised
    if not kept:
        raise ValueError("it holds no points")
    return kept


def _words(rows: list[str], delimiter: str | None, names: list[str]) -> list[NDArray]:
    """The columns of rows that hold words beside numbers."""
    fields = [row.split(delimiter) for row in rows]
    for at, row in enumerate(fields, 1):
        if len(row) != len(names):
            raise ValueError(
                f"expected {len(names)} words in a row, got {len(row)} in row {at}: "
                f"{rows[at - 1][:60]!r}"
            )
    places = _arranged(names).get(POINTS, ())
    columns: list[NDArray] = []
    for name, column in zip(names, zip(*fields, strict=True), strict=True):
        numbers = [number(word) for word in column]
        if None not in numbers:
            columns.append(np.array(numbers, np.float64))
            continue
        if name in places:
            at = numbers.index(None)
            raise ValueError(f"expected numbers, got {column[at].strip()[:60]!r} in row {at + 1}")
        columns.append(np.array([word.strip() for word in column]))
    return columns


def _guessed(values: list[NDArray], notes: list[str]) -> list[str]:
    """Names of columns that have none, with a note where it is not their values alone that tell."""
    names = unnamed(np.stack(values, 1))
    if names[3:4] == ["red"] and max(column.max() for column in values[3:6]) <= 1:
        notes.append("took columns 4 to 6, from 0 to 1, for colours: they have no names")
    if "label" in names:
        notes.append("took its last column for labels: it has no names")
    return names


def _counts(values: NDArray) -> bool:
    """Whether a column counts the rows, or names them."""
    if values.dtype.kind not in "f":
        return True
    return bool((np.diff(values) == 1).all() and values[0] in (0, 1))


def _with_whole_colors(
    found: Found, rows: list[str], delimiter: str | None, names: list[str]
) -> Found:
    """Colours that are written as 0 and 1, not 0.0 and 1.0, are whole numbers, out of 255."""
    colors = found.columns.get("color")
    if colors is None or colors.dtype.kind != "f" or not np.isin(colors, (0, 1)).all():
        return found
    at = [names.index(name) for name in _arranged(names)["color"]]
    if any(set(row.split(delimiter)[i]) & set(".eE") for row in rows for i in at):
        return found
    return replace(found, columns={**found.columns, "color": colors.astype(np.int64)})


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(_MARKS)


def _fields(line: str, delimiter: str | None) -> list[str]:
    """The words of a line of names, which may be quoted."""
    if delimiter is None:
        # A unit belongs to the word before it.
        line = re.sub(r"\s+([\[(][^\])\s]*[\])])", r"\1", line)
        line = line.replace(",", " ").replace(";", " ")
        words = ["", *line.split()] if line.startswith("\t") else line.split()
    else:
        words = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        if delimiter not in line and len(words) == 1:
            return _fields(line, None)
    return [word.strip(" \t\"'") for word in words]


FORMATS = (
    Format((".xyz", ".txt"), "cloud", read, write),
    Format((".csv",), "cloud", read, write_csv),
    Format((".pts", ".asc"), "cloud", read),
)
