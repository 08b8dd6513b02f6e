"""ZIP files, which may be truncated, locked or corrupt."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_zip(path: Path, kind: str) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP file, as files of a kind such as "NPZ" are.

    Raises ValueError on one that is no ZIP file, and where something in it cannot be unpacked.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"it is no ZIP file, which {kind} files are, or is truncated")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        said = str(error) or "it ends too early"
        raise ValueError(f"it is a ZIP file that is corrupt or locked: {said}") from error
