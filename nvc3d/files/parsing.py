"""What several text and polygon formats share."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""What the bytes that a text may begin with say of its encoding."""
_MISSING = {"", "na", "n/a", "#n/a", "<na>", "null", "none", "nan", "-", "--"}
"""What stands, in lower case, where a number is missing."""
_NAN = re.compile(r"[-+]?(?:nan\([^)\s]*\)|1\.?#(?:QNAN|SNAN|IND)[\w.]*)", re.IGNORECASE)
_INF = re.compile(r"([-+]?)1\.?#INF[\w.]*", re.IGNORECASE)
_ODD = re.compile("[#(dD]")
"""What lines have in which one of these may be."""
_FORTRAN = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+))[dD]([-+]?\d+)")


def unmarked(data: bytes) -> bytes:
    """Text without the mark that some programs put before it, in UTF-8 where the mark says that it
    is in another encoding; bytes without such a mark as they are."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            rest = data[len(mark) :]
            return rest if encoding == "utf-8" else rest.decode(encoding, "replace").encode()
    return data


def decoded(data: bytes) -> str:
    """Text in UTF-8, in what its first bytes say, or else in Latin-1, in which any byte is some
    letter: it may stand in comments only.

    Raises ValueError on a binary file.
    """
    data = unmarked(data)
    if b"\0" in data:
        raise ValueError("it is a binary file, not text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def lines_of(text: str) -> list[str]:
    """The lines that hold something, whatever ends them; not what other systems put after the
    last."""
    if "\r" in text:
        text = text.replace("\r", "\n")
    return [line for line in text.split("\n") if line and line.strip(" \t\f\v\x1a")]


def number(word: str) -> float | None:
    """A number as programs write it: also with a D before its exponent as Fortran does, or as one
    of the many names of NaN. NaN for what stands where one is missing, None for another word."""
    for form in (word, _mended(word)):
        try:
            return None if "_" in form else float(form)  # Python's own way of grouping digits
        except ValueError:
            continue
    return None


def table(
    lines: Sequence[str], columns: int | None = None, delimiter: str | None = None
) -> NDArray[np.float64]:
    """Parse rows of numbers, all of the same length; see `number`.

    Returns:
        (rows, columns).

    Raises:
        ValueError: a word that is no number, or a row that is shorter or longer than the others.
    """
    if not lines:
        return np.empty((0, columns or 0))
    try:
        values = _as_written(lines, delimiter)
    except ValueError:
        width = len(lines[0].split(delimiter)) if columns is None else columns
        mended = []
        for at, line in enumerate(lines, 1):
            words = line.split(delimiter)
            if len(words) != width:
                raise ValueError(
                    f"expected {width} numbers in a row, got {len(words)} in row {at}: "
                    f"{line[:60]!r}"
                ) from None
            for word in words:
                if number(word) is None:
                    said = f"expected numbers, got {word.strip()[:60]!r} in row {at}"
                    raise ValueError(said) from None
            mended.append("\t".join(map(_mended, words)))
        values = _parsed(mended, "\t")
    if columns is not None and values.shape[1] != columns:
        raise ValueError(f"expected {columns} numbers in a row, got {values.shape[1]}")
    return values


def _as_written(lines: Sequence[str], delimiter: str | None) -> NDArray[np.float64]:
    """Rows as they are, or else with their numbers in the form that everybody reads."""
    try:
        return _parsed(lines, delimiter)
    except ValueError:
        lines = [_mended(line) if _ODD.search(line) else line for line in lines]
        if delimiter is not None:
            mark = re.escape(delimiter)
            empty = re.compile(rf"(?:^|(?<={mark})) *(?={mark}|$)")
            lines = [empty.sub("nan", line) for line in lines]
        return _parsed(lines, delimiter)


def _parsed(lines: Sequence[str], delimiter: str | None) -> NDArray[np.float64]:
    return np.loadtxt(lines, np.float64, comments=None, delimiter=delimiter, ndmin=2)


def _mended(word: str) -> str:
    """A number in one of its other forms in the one that everybody reads."""
    word = word.strip(" \t\"'")
    if word.lower() in _MISSING:
        return "nan"
    word = _NAN.sub("nan", word)
    return _FORTRAN.sub(r"\1e\2", _INF.sub(r"\1inf", word))


def typed(values: NDArray[np.float64], dtype: np.dtype) -> NDArray:
    """Numbers of a text file in the type that its header declares, where that can hold them."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype.newbyteorder("="))
    known = np.iinfo(dtype)
    fits = (values == np.floor(values)) & (values >= known.min) & (values <= known.max)
    # Not those of 64 bits: the text was read into floats, which are coarser.
    if dtype.itemsize == 8:
        fits &= np.abs(values) <= 2**53
    return values.astype(dtype.newbyteorder("=")) if fits.all() else values


def whole(values: NDArray, what: str) -> NDArray[np.int64]:
    """Turn numbers that a file keeps in any type into integers, if that is what they are."""
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{what} must be whole numbers, got {values.dtype}")
    if values.dtype.kind == "f":
        # 2 ** 53: beyond it a float no longer tells neighbouring integers apart.
        wrong = ~((values == np.floor(values)) & (np.abs(values) <= 2**53))
        if wrong.any():
            raise ValueError(f"{what} must be whole numbers, got {values[wrong][0]}")
    elif values.size and int(values.max()) > np.iinfo(np.int64).max:
        raise ValueError(f"{what} must fit 64 bits, got {values.max()}")
    return values.astype(np.int64)


_LABEL_NAMES = "label_names"


def names_comment(label_names: Sequence[str]) -> str:
    """What is written in a comment of a file to name its labels; see `names_in`."""
    return f"{_LABEL_NAMES} {json.dumps(list(label_names))}"


def names_in(comments: Iterable[str]) -> tuple[str, ...]:
    """The names of the labels, if one of the comments of a file, without their marks, has them."""
    for comment in comments:
        word, _, rest = comment.strip().partition(" ")
        if word == _LABEL_NAMES:
            try:
                names = json.loads(rest)
            except (ValueError, RecursionError):
                continue
            if isinstance(names, list) and all(isinstance(name, str) for name in names):
                return tuple(names)
    return ()
