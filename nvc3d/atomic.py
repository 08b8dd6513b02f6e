"""Write a file whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open `path` for writing bytes; it appears, or changes, only when the block ends well.

    Raises:
        OSError: the folder does not exist, the target is no regular file, or either may not be
            written. Whatever was there before is then still there.
    """
    # A link keeps pointing where it does: the file behind it is replaced.
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, "cannot be written, its folder does not exist", str(path)
        )
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "cannot be written, it is a folder", str(path))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "cannot be written, it is no regular file", str(path))
    # Replacing asks for rights on the folder only, so a protected file is asked about here.
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "may not be written", str(path))
    temporary = target.with_name(f".{target.name[:200]}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (str(temporary), None):
            raise type(error)(
                error.errno, f"cannot be written ({error.strerror})", str(path)
            ) from error
        raise
