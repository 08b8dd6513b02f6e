"""Lines of text files: plain or gzip, always UTF-8."""

from __future__ import annotations

import gzip
import html
import re
import unicodedata
import zlib
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path

LONGEST = 1_000_000
"""Bytes of a line, and characters of a text: what has more is no line of text."""

_GZIP = b"\x1f\x8b"
_SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL | re.IGNORECASE)


def tidy(text: str) -> str:
    """A text on one line: in Unicode's composed form (NFC), every run of blanks one space, none at
    the ends."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\0", " ").split())


def checked(texts: str | Iterable[str]) -> list[str]:
    """A text, or several, each tidy. Raises ValueError on what is no str, holds half of a surrogate
    pair, or is longer than `LONGEST`."""
    if not isinstance(texts, Iterable):
        raise ValueError(f"a text must be a str, got {type(texts).__name__}")
    found = []
    for number, text in enumerate([texts] if isinstance(texts, str) else texts, 1):
        if not isinstance(text, str):
            raise ValueError(f"a text must be a str, got {type(text).__name__}")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("a text holds half of a surrogate pair, which is no character")
        if len(text) > LONGEST:
            raise ValueError(
                f"a text may have {LONGEST:,} characters, and number {number} has {len(text):,}"
            )
        found.append(tidy(text))
    return found


def lines_of(file: BufferedReader, name: str) -> list[str]:
    """The lines of a file, plain or gzip, without what ends them.

    Raises ValueError, with the number of the line, where one is not UTF-8, or longer than
    `LONGEST`: no more than that is read of it; and where the file is damaged.
    """
    if not file.peek(len(_GZIP)).startswith(_GZIP):
        return _decoded(file, name)
    try:
        with gzip.open(file) as unpacked:
            return _decoded(unpacked, name)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{name} is no whole gzip file: {error}") from None


def _decoded(file: BufferedReader | gzip.GzipFile, name: str) -> list[str]:
    lines: list[str] = []
    # Only where the file ends a line: a text may hold other characters that break lines.
    while line := file.readline(LONGEST + 1):
        number = len(lines) + 1
        if len(line) > LONGEST:
            raise ValueError(
                f"{name}: line {number} has more than the {LONGEST:,} bytes that a line may have"
            )
        try:
            lines.append(line.removesuffix(b"\n").decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name}: line {number} is not UTF-8 (byte 0x{error.object[error.start]:02x})"
            ) from None
    return lines


def file_lines(path: Path) -> list[str]:
    """The lines of a file. Raises as `lines_of`, and OSError."""
    with path.open("rb") as file:
        return lines_of(file, str(path))


def read_lines(path: Path) -> list[str]:
    """The lines of a text file; of SGML or XML as WMT and IWSLT have it, its segments; of IWSLT's
    files with tags, the lines without. Raises as `file_lines`."""
    lines = file_lines(path)
    if re.search(r"\.(sgm|xml)(\.gz)?$", path.name):
        segments = _SEGMENT.findall("\n".join(lines))
        return [tidy(html.unescape(segment)) for segment in segments]
    if ".tags." in path.name:
        return [line for line in lines if not line.lstrip().startswith("<")]
    return lines
