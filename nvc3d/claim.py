"""The right to write to a run folder: one run has it at a time."""

from __future__ import annotations

import errno
import os
import socket
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = ".claim"

_held: Counter[Path] = Counter()


class FolderInUse(OSError):
    """Another run writes to the folder."""


@contextmanager
def claimed(folder: Path, *, new: bool = False) -> Iterator[None]:
    """Hold a folder, which is made if need be, against all other processes and machines.

    The claim is a lock of the operating system on a file in the folder, so it ends with the process
    however that ends. A process may claim again what it has. A folder made here is taken away at
    the end where it is still empty.

    Args:
        new: the folder must not exist.

    Raises FolderInUse, which names the process, where another has it, FileExistsError where it must
    be `new` and is not, and OSError where it cannot be written.
    """
    key = Path(os.path.realpath(folder))
    if _held[key]:
        with _counted(key):
            yield
        return
    made = _make(folder, new)
    try:
        lock = _lock(folder)
    except BaseException:
        _unmake(made)
        raise
    try:
        with _counted(key):
            yield
    finally:
        # While it is locked: whoever opened it meanwhile finds out that it is gone.
        with suppress(OSError):
            (folder / NAME).unlink()
        os.close(lock)
        _unmake(made)


@contextmanager
def _counted(key: Path) -> Iterator[None]:
    _held[key] += 1
    try:
        yield
    finally:
        _held[key] -= 1


def _make(folder: Path, new: bool) -> list[Path]:
    """Make a folder; gives those that were made for it, the innermost first."""
    missing = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"cannot write into the folder {folder}: {nearest} is a file")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=not new)
    except FileExistsError:
        raise
    except OSError as error:
        _unmake(missing)
        raise OSError(f"cannot write into the folder {folder}: {error.strerror}") from None
    return missing


def _unmake(made: list[Path]) -> None:
    """Take away folders that are empty."""
    with suppress(OSError):
        for path in made:
            path.rmdir()


def _lock(folder: Path) -> int:
    """The descriptor of the folder's locked file."""
    import fcntl

    path = folder / NAME
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise OSError(f"cannot write into the folder {folder}: {error.strerror}") from None
        try:
            # Not flock: that would be shared with the processes that prepare data, and outlive a
            # killed run for as long as they do.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                holder = os.read(file, 200).decode("utf-8", "replace") or "another process"
                os.close(file)
                raise FolderInUse(
                    f"{folder} is being written by {holder}: give another --output, or wait for it "
                    f"(if no such run goes on, delete {path})"
                ) from None
            warnings.warn(
                f"{folder} lies on a file system without locks ({error.strerror}): two runs that "
                "write to it would not notice each other",
                stacklevel=4,
            )
        if _is_at(file, path):
            text = f"process {os.getpid()} on {socket.gethostname()}, since {time.ctime()}"
            with suppress(OSError):  # a full disk: the lock holds all the same
                os.ftruncate(file, 0)
                os.write(file, text.encode())
            return file
        # Whoever had it has just ended, and taken the file away.
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False
