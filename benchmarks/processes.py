"""Work in several processes, each on one thread."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def each(
    function: Callable[[Item], Answer], items: Iterable[Item], workers: int, fresh: bool = False
) -> Iterator[tuple[Item, Answer | Exception]]:
    """Call a function with every item; give each answer, or what was raised, when it is there.

    Where they are to be `fresh`, each item has a process of its own, whose memory tells its alone.
    """
    # Read by the workers when they start: one thread each, in torch and in scikit-learn.
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        workers, context, _end_with_parent, max_tasks_per_child=1 if fresh else None
    )
    try:
        jobs = {pool.submit(function, item): item for item in items}
        for job in as_completed(jobs):
            error = job.exception()
            if error is None:
                yield jobs[job], job.result()
            elif isinstance(error, Exception):
                yield jobs[job], error
            else:
                raise error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Let this worker end when the run is killed; else it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
