"""How a training is asked to end: by a signal, after which it still saves."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# By a person; by `kill`, `docker stop` and batch systems; by a terminal that closes; and those that
# batch systems send ahead of the end, if they are told to (SLURM's --signal=USR1).
SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)
]
_ALWAYS = (signal.SIGINT, signal.SIGTERM)
# Of launchers, `timeout` and `make`, several send on what the terminal has sent already: two
# signals within so many seconds are one.
_ECHO = 1.0


class Interruption:
    """Turns signals into a request to end, which stays `requested` from the first one on.

    A second Ctrl-C of a person ends the process as usual. Other signals that come again do not:
    launchers and batch systems repeat them, and have SIGKILL for those that take too long.

    Args:
        launched: by a program that passes signals on, such as torchrun: then neither does a second
            Ctrl-C.
    """

    def __init__(self, launched: bool = False) -> None:
        self._launched = launched
        self._parent = os.getppid()
        self._signalled = False
        self._first = 0.0
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether the training is to end: nobody waits for it either when its launcher is gone."""
        return self._signalled or (self._launched and os.getppid() != self._parent)

    def __enter__(self) -> Interruption:
        # Python lets only the main thread handle signals.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # What `nohup` ignores, or somebody else handles, is not ours.
                if number in _ALWAYS or signal.getsignal(number) == signal.SIG_DFL:
                    self._before[number] = signal.signal(number, self._request)
        return self

    def _request(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._signalled:
            self._signalled, self._first = True, now
        elif number == signal.SIGINT and not self._launched and now - self._first > _ECHO:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def __exit__(self, *_: object) -> None:
        # A launcher repeats the signal while its processes end, and they still have to say so.
        if not (self._signalled and self._launched):
            self._restore()


@contextmanager
def shielded() -> Iterator[None]:
    """Processes and threads started in the block never get the signals that end a training.

    A signal to a whole process group reaches the processes that prepare data too: they must not end
    before the trainer, which then tells them to. They also end when it is gone.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
