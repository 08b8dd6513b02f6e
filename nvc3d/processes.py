"""The processes that share one training, started by `torchrun` or `accelerate launch`."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from typing import Any, TypeVar

T = TypeVar("T")

# Where the launcher has them meet, kept for the groups to come: (store, rank, processes). It
# remembers what those before left there, so each has a name of its own.
_meeting: tuple[Any, int, int] | None = None
_opened = 0

_LOST = (
    "another process of this run was lost (killed, or out of memory); checkpoints are kept, and "
    "can be resumed"
)

# torch is imported where it is used: a command that refuses to run in several processes, or says
# what its options are, need not wait for it.


class ProcessFailed(ConnectionError):
    """Another process of the run failed or was lost, and this one cannot go on without it."""


def launched() -> int:
    """How many processes the launcher says it started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def count() -> int:
    """How many processes share the work."""
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is."""
    import torch.distributed as dist

    return dist.get_rank() if count() > 1 else 0


@contextmanager
def together(*, one_voice: bool = False) -> Iterator[None]:
    """Open the group of the launched processes and close it at the end; in one that is open
    already, and where there is but one process, nothing happens.

    Where a process fails in the block, the others do as well, with ProcessFailed, as soon as they
    need it.

    Args:
        one_voice: for commands, whose user sees the output of all processes mixed: the main process
            alone prints, each warning comes once, and one process tells what failed: the others
            end with exit code 2 and without a word.
    """
    import torch
    import torch.distributed as dist

    if not dist.is_available() or dist.is_initialized():
        yield
        return
    # Imported later, as torch itself may, it would take hold of the group for good: it could not be
    # closed then, and its threads may crash the interpreter at its end.
    import torch.distributed.nn.functional  # noqa: F401

    if launched() > 1:
        _open()
    several = count() > 1
    try:
        with ExitStack() as voice:
            if several and one_voice:
                _speak_as_one(voice)
            yield
    except Exception as error:
        if not several:
            raise
        if one_voice and threading.current_thread() is threading.main_thread():
            # The launcher ends the others as soon as one has failed: before they could tell why.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if isinstance(error, ProcessFailed) and one_voice:
            raise SystemExit(2) from None  # that process is there, and tells it
        lost = _is_loss(error)
        told = _LOST if lost else f"process {rank()} failed: {describe(error)}"
        if _first("failure"):
            _tell(told)
        elif one_voice:
            raise SystemExit(2) from None
        elif lost:
            told = _told() or told
        if lost:
            raise ProcessFailed(told) from error
        raise
    finally:
        if dist.is_initialized():
            _close()


@contextmanager
def in_step() -> Iterator[None]:
    """What fails in the block on one process fails on all: with its own error there, with
    ProcessFailed on the others. All processes must get here."""
    if count() == 1:
        yield
        return
    failure: Exception | None = None
    try:
        yield
    except Exception as error:
        failure = error
    if largest([float(failure is not None)])[0]:
        found = _gathered_objects(None if failure is None else describe(failure))
        if failure is not None:
            raise failure
        which, why = next((i, why) for i, why in enumerate(found) if why is not None)
        raise ProcessFailed(f"process {which} failed: {why}")


def largest(values: Sequence[float]) -> list[float]:
    """The largest of each value over all processes, so that all take the same turn."""
    return [max(column) for column in zip(*rows(values), strict=True)]


def rows(values: Sequence[float]) -> list[list[float]]:
    """The values of every process."""
    if count() == 1:
        return [list(values)]
    import torch
    import torch.distributed as dist

    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    mine = torch.tensor(values, dtype=torch.float64, device=device)
    parts = [torch.empty_like(mine) for _ in range(count())]
    dist.all_gather(parts, mine)
    return [part.tolist() for part in parts]


def on_main(value: T) -> list[T]:
    """What every process has, on the main one; nothing on the others."""
    if count() == 1:
        return [value]
    import torch.distributed as dist

    found: list[Any] | None = [None] * count() if rank() == 0 else None
    dist.gather_object(value, found)
    return found or []


def of_main(value: T) -> T:
    """What the main process has."""
    if count() == 1:
        return value
    import torch.distributed as dist

    shared = [value]
    dist.broadcast_object_list(shared, src=0)
    return shared[0]


def refuse_several(command: str) -> None:
    """For commands that gain nothing from several processes. Raises ValueError on the main one;
    ends the others without a word."""
    if launched() == 1:
        return
    if int(os.environ.get("RANK") or 0) > 0:
        raise SystemExit(2)
    raise ValueError(
        f"{command} runs in one process, and a launcher started {launched()}: run it without the "
        "launcher; nvc3d train alone shares its work"
    )


def describe(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _gathered_objects(value: Any) -> list[Any]:
    if count() == 1:
        return [value]
    import torch.distributed as dist

    found: list[Any] = [None] * count()
    dist.all_gather_object(found, value)
    return found


def _speak_as_one(voice: ExitStack) -> None:
    """Silence all but the main process, and all but the first of equal warnings."""
    if rank() > 0:
        voice.enter_context(redirect_stdout(io.StringIO()))
    show, process = warnings.showwarning, os.getpid()

    def once(message: Warning | str, *rest: Any) -> None:
        # A process that prepares data has no connection of its own.
        if os.getpid() != process or _first(f"warning {message}"):
            show(message, *rest)

    voice.enter_context(warnings.catch_warnings())
    warnings.showwarning = once  # type: ignore[assignment]


def _open() -> None:
    """Open the group, as the launcher's environment describes it."""
    global _meeting, _opened
    import torch
    import torch.distributed as dist

    if _meeting is None:
        store, rank, world = next(iter(dist.rendezvous("env://")))
        # Where a launcher starts all anew, its store still holds what those before had said.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT") or "0"
        _meeting = dist.PrefixStore(f"attempt{attempt}", store), rank, world
    store, rank, world = _meeting
    _opened += 1
    dist.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        store=dist.PrefixStore(f"nvc3d/group{_opened}", store),
        rank=rank,
        world_size=world,
    )


def _close() -> None:
    """Close the group, whatever state it is in."""
    import torch.distributed as dist

    if sys.exc_info()[0] is not None:
        # Others may never come to what has begun.
        with suppress(Exception):
            dist.group.WORLD.abort()  # type: ignore[union-attr]
    # Gloo's threads need Python's lock to let go of the last tensors. Closing holds it while it
    # waits for these threads: they must be done before, or both wait for ever.
    time.sleep(0.2)
    dist.destroy_process_group()


# The store at which the processes met can be asked when the group itself is broken.
def _store() -> Any:
    import torch.distributed as dist

    assert _meeting is not None
    return dist.PrefixStore(f"nvc3d/said{_opened}", _meeting[0])


def _first(what: str) -> bool:
    """Whether no process asked this before; True where nobody can be asked."""
    try:
        return int(_store().add(what, 1)) == 1
    except Exception:
        return True


def _tell(why: str) -> None:
    with suppress(Exception):
        _store().set("why", why)


def _told() -> str | None:
    """What the first process that failed has told, if it could."""
    from datetime import timedelta

    try:
        _store().wait(["why"], timedelta(seconds=5))
        return str(_store().get("why").decode())
    except Exception:
        return None


def _is_loss(error: Exception) -> bool:
    """Whether an error means that another process cannot be reached."""
    import torch.distributed as dist

    if isinstance(error, dist.DistError):
        return True
    signs = ("gloo", "Connection closed by peer", "Connection reset by peer", "NCCL", "Broken pipe")
    return type(error) is RuntimeError and any(sign in str(error) for sign in signs)
