"""Lines of text files: plain or gzip, always UTF-8."""

from __future__ import annotations

import gzip
import html
import re
import unicodedata
import zlib
from pathlib import Path

_GZIP = b"\x1f\x8b"
_SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL | re.IGNORECASE)


def tidy(text: str) -> str:
    """A text on one line: in Unicode's composed form (NFC), every run of blanks one space, none at
    the ends."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\0", " ").split())


def lines_of(data: bytes, name: str) -> list[str]:
    """The lines of a file's bytes, plain or gzip.

    Raises ValueError where they are not UTF-8, with the number of the line, or damaged.
    """
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{name} is no whole gzip file: {error}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{name}: line {line} is not UTF-8 (byte 0x{error.object[error.start]:02x})"
        ) from None
    # Only where the file ends a line: a text may hold other characters that break lines.
    lines = text.split("\n")
    if lines[-1] == "":
        del lines[-1]
    return lines


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, each tidy; of SGML or XML as WMT and IWSLT have it, its segments;
    of IWSLT's files with tags, the lines without. Raises as `lines_of`, and OSError."""
    lines = [tidy(line) for line in lines_of(path.read_bytes(), path.name)]
    if re.search(r"\.(sgm|xml)(\.gz)?$", path.name):
        segments = _SEGMENT.findall("\n".join(lines))
        return [tidy(html.unescape(segment)) for segment in segments]
    if ".tags." in path.name:
        return [line for line in lines if not line.startswith("<")]
    return lines
