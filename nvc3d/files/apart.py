"""Reading in a process of its own, which a damaged file may take down without taking ours along.

Decoders in other languages than Python trust the headers of a file: on a damaged one they ask for
any amount of memory, loop for hours, panic, or abort their process, which nothing in it can catch.
Threads that they keep do not survive a fork, either. So they run in a child, one for each process
that reads, started when it is first needed and kept; the kernel stops it at a limit of memory and
of computing time. The child is no fork and no child of `multiprocessing`: it may be started from a
data loader's worker, and ends with whoever started it.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from nvc3d.files.format import Found

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from nvc3d.files import apart; apart.serve()"
)
# A computing thread for each of a library's own would count as memory that the file asks for.
_FEW_THREADS = {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def read_apart(read: Callable[[Path], Found], path: Path, *, memory: int, seconds: float) -> Found:
    """What `read` makes of a file, in a process apart; its warnings are given here.

    Args:
        read: a function of a module, found there by its name.
        path: of the file.
        memory: bytes that reading may take. Held to where the kernel has such a limit: Linux.
        seconds: of computing that it may take; of no effect on Windows.

    Raises:
        ValueError: the file goes beyond a limit, or breaks its decoder; or as `read` does.
        OSError: as `read` does.
    """
    global _child
    with _lock:
        if _child is None or not _child.alive():
            _child = _Child()
        try:
            answer, messages = _child.ask((read.__module__, read.__name__, path, memory, seconds))
        except _Ended as end:
            _child = None
            raise ValueError(
                f"its decoder broke down on it ({end}): the file is corrupt, or takes more than "
                f"{memory >> 20} MiB of memory or {seconds:.0f} s of computing to read"
            ) from None
        except BaseException:
            # Interrupted: what is under way would be taken for the answer to the next question.
            _child.end()
            _child = None
            raise
    for message in messages:
        warnings.warn(message, stacklevel=5)
    if isinstance(answer, Exception):
        raise answer
    return answer


class _Ended(Exception):
    """The child is no more; says what ended it."""


class _Child:
    """The process, as seen from the one that reads."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # panics print a page
            env=os.environ | _FEW_THREADS,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self._questions = self.process.stdin
        self._answers = io.BufferedReader(self.process.stdout, 2**20)  # type: ignore[type-var]

    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, question: tuple[Any, ...]) -> tuple[Found | Exception, list[str]]:
        """Raises _Ended if the child ends before it has answered."""
        try:
            self._questions.write(pickle.dumps(question))
            answer: tuple[Found | Exception, list[str]] = pickle.load(self._answers)
        except (BrokenPipeError, EOFError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(5)  # its status tells why
            self.end()
            code = self.process.returncode
            raise _Ended(signal.Signals(-code).name if code < 0 else f"status {code}") from None
        return answer

    def end(self) -> None:
        """End the process, if it has not ended by itself."""
        self.close()
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Close our ends of the pipes, which tells the child to end."""
        self._questions.close()
        self._answers.close()

    def disown(self) -> None:
        """Forget the child in a fork of the process that it answers to."""
        self.close()
        self.process.returncode = 0


_child: _Child | None = None
_lock = threading.Lock()


def _after_fork() -> None:
    global _child, _lock
    _lock = threading.Lock()
    if _child is not None:
        # A pipe that stays open here would keep the child from seeing that its owner has ended.
        _child.disown()
        _child = None


@atexit.register
def _at_exit() -> None:
    if _child is not None:
        _child.end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def serve() -> None:
    """Answer questions from standard input until it ends: the life of the child."""
    # Ctrl-C reaches the whole group; whoever asks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # What libraries print must not mix with the answers.
    os.dup2(2, 1)
    while True:
        try:
            module, name, path, memory, seconds = pickle.load(questions)
        except EOFError:
            return
        read = getattr(import_module(module), name)
        _limit(memory, seconds)
        pickle.dump(_answer(read, path, memory), answers, protocol=5)
        answers.flush()


def _answer(
    read: Callable[[Path], Found], path: Path, memory: int
) -> tuple[Found | Exception, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found: Found | Exception
        try:
            found = read(path)
        except MemoryError:
            found = ValueError(
                f"it is corrupt, or takes more than {memory >> 20} MiB of memory to read"
            )
        except BaseException as error:  # a panic in Rust is no Exception
            if isinstance(error, OSError) and error.filename is not None:
                found = OSError(error.errno, error.strerror, error.filename)
            elif isinstance(error, ValueError):
                found = ValueError(str(error))
            else:
                said = str(error) or type(error).__name__
                found = ValueError(f"it is corrupt, its decoder says: {said}")
    ours = [str(warning.message) for warning in caught if warning.category is UserWarning]
    return found, ours


def _limit(memory: int, seconds: float) -> None:
    """Limit what the next file may take, beyond what this process has taken so far."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_CPU: int(time.process_time() + seconds) + 1}
    with suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + memory
    for what, most in limits.items():
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard < 0 else min(most, hard), hard))
