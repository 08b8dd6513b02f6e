"""Texts as commands are given them: sentences, files, and standard input."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path
from typing import cast

from nvc3d.commands.saying import shown


def lines(words: Sequence[str]) -> list[str]:
    """The lines of all files that are named, of standard input for -, and each other word as the
    one sentence that it is.

    Raises FileNotFoundError on a word that looks like the name of a file that is not there, and
    what `nvc3d.adapters.text.lines.lines_of` raises.
    """
    return [line for word in words for line in _lines(word)]


def _lines(word: str) -> list[str]:
    from nvc3d.adapters.text.lines import lines_of, read_lines

    if word == "-":
        return lines_of(cast(BufferedReader, sys.stdin.buffer), "standard input")
    try:
        found = word != "" and Path(word).exists()
    except (OSError, ValueError):  # too long a name, or no name
        found = False
    if found:
        return read_lines(Path(word))
    if re.fullmatch(r"\S*(/\S*|\.[A-Za-z]\w*)", word):
        raise FileNotFoundError(
            f"there is no file {shown(word)}: to read it as a text, give it on standard input"
        )
    return [word]
