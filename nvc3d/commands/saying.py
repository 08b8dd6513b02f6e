"""How commands say what went wrong, and of which file: on one line, in words."""

from __future__ import annotations

import os


def sentence(error: BaseException) -> str:
    """The message of an error on one line, without the numbers of the operating system."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{shown(error.filename)}: {error.strerror}"
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "memory" in text):
        return f"out of memory: {text}"
    return text


def shown(path: str | bytes | int | os.PathLike[str]) -> str:
    """A path as it can be printed on one line: a name may hold line breaks, or be no text."""
    text = str(path) if isinstance(path, int) else os.fsdecode(path)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
