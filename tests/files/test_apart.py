"""Reading in a process apart: what the file takes down is that process, and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import apart
from nvc3d.files.apart import read_apart
from nvc3d.files.format import Found

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits are those of Linux")


class Panic(BaseException):
    """As Rust raises it through pyo3."""


def good(path: Path) -> Found:
    return Found(np.arange(12.0).reshape(4, 3), {"label": np.arange(4)}, ("a", "b"))


def warns(path: Path) -> Found:
    warnings.warn(f"{path}: it is odd", stacklevel=1)
    print("this must not mix with the answer")
    os.write(1, b"nor this")
    return good(path)


def aborts(path: Path) -> Found:
    os.abort()


def panics(path: Path) -> Found:
    raise Panic("no chunk table")


def hoards(path: Path) -> Found:
    return Found(np.ones((2**27, 3)))


def loops(path: Path) -> Found:
    while True:
        pass


def sleeps(path: Path) -> Found:
    time.sleep(100)
    return good(path)


def missing(path: Path) -> Found:
    path.open()
    return good(path)


def ask(read: apart.Callable[[Path], Found], seconds: float = 10) -> Found:
    return read_apart(read, Path("some.laz"), memory=2**28, seconds=seconds)


def pid() -> int:
    assert apart._child is not None
    return apart._child.process.pid


def ends(number: int) -> bool:
    """Whether a process ends within ten seconds."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":  # ended, and nobody has asked how
            return True
        time.sleep(0.05)
    return False


def test_what_is_read_arrives_as_it_is_and_the_process_is_kept() -> None:
    found = ask(good)
    np.testing.assert_array_equal(found.points, np.arange(12.0).reshape(4, 3))
    assert found.columns["label"].tolist() == [0, 1, 2, 3]
    assert found.label_names == ("a", "b")
    first = pid()
    ask(good)
    assert pid() == first != os.getpid()


def test_warnings_arrive_and_prints_do_no_harm() -> None:
    with pytest.warns(UserWarning, match=r"some\.laz: it is odd"):
        found = ask(warns)
    assert len(found.points) == 4


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (aborts, "its decoder broke down on it .SIGABRT."),
        (panics, "its decoder says: no chunk table"),
        (hoards, "takes more than 256 MiB of memory"),
        (loops, "SIGXCPU.*1 s of computing"),
    ],
)
def test_what_breaks_the_reader_is_an_error_of_that_file(
    read: apart.Callable[[Path], Found], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        ask(read, seconds=1)
    assert len(ask(good).points) == 4


def test_an_error_of_the_system_keeps_the_name_of_the_file() -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        ask(missing)
    assert caught.value.filename == "some.laz"


def test_an_interrupt_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ask(good)
    number = pid()
    signal.setitimer(signal.ITIMER_REAL, 0.3)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            ask(sleeps)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert ends(number)
    assert len(ask(good).points) == 4


def test_one_that_was_killed_is_replaced() -> None:
    ask(good)
    os.kill(pid(), signal.SIGKILL)
    assert ends(pid())
    assert len(ask(good).points) == 4


def test_a_fork_reads_in_a_process_of_its_own() -> None:
    ask(good)
    number = pid()
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if len(ask(good).points) == 4 and pid() != number else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(ask(good).points) == 4
    assert pid() == number


def reads() -> None:
    sys.exit(len(ask(good).points))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_daemon_reads_however_it_was_started(method: str) -> None:
    worker = multiprocessing.get_context(method).Process(target=reads, daemon=True)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 4


def test_the_process_ends_with_its_owner_even_where_a_fork_of_the_owner_lives_on() -> None:
    script = """
import os, sys, time
from test_apart import ask, good, pid
ask(good)
print(pid(), flush=True)
if os.fork() == 0:
    os.close(1)
    time.sleep(30)
os._exit(1)
"""
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert ends(int(done.stdout))
