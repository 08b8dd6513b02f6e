"""How many samples a second the data come in, as a training asks for them: drawn and augmented.

    python benchmarks/readers.py [--data DIR] [--workers 2]

Built-in data, and every data set in a folder of DIR, in the form that its task has for a default;
real.py tells the same of its rows. One process: by its CPU time. Workers: by the clock, which tells
something only on a machine with nothing else to do. Files are read from the disk, or wherever the
system keeps them.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from real_study.report import table
from results import write_between
from torch.utils.data import DataLoader

from nvc3d.data.registry import Gives, data_sets
from nvc3d.tasks import TASKS

BUILT_IN: dict[str, tuple[str, dict[str, Any]]] = {
    "built-in shapes": ("classification", {}),
    "built-in shapes, views of a depth camera": ("completion", {}),
    "built-in shapes, parts": ("segmentation", {}),
    "built-in rooms": ("segmentation", {"scenes": True}),
    "built-in shapes, voxels": ("voxel_completion", {}),
    "built-in rooms, voxels": ("voxel_completion", {"scenes": True}),
    "built-in hands": ("hand_pose", {}),
    "built-in interiors": ("planes", {}),
}
READ_BY: dict[Gives, str] = {
    "pairs": "completion",
    "shapes": "classification",
    "parts": "segmentation",
    "scenes": "segmentation",
    "grids": "voxel_completion",
    "hands": "hand_pose",
    "planes": "planes",
}
BATCH = 16


def sources(data: Path | None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What there is to read: its name, the task that reads it, and the config of that."""
    yield from ((name, task, config) for name, (task, config) in BUILT_IN.items() if task in TASKS)
    if data is None:
        return
    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        for known in data_sets():
            if known.gives in READ_BY and known.holds(folder):
                block = {"block": 12.0} if "KITTI, frames" in known.name else {}
                name = f"{known.name}: {folder.name}"
                yield name, READ_BY[known.gives], {"data": str(folder), **block}


def batches(items: Any, workers: int) -> Iterator[dict[str, Any]]:
    """Batches without end; as in a training, workers start anew with each epoch."""
    loader = DataLoader(
        items, BATCH, shuffle=True, num_workers=workers, generator=torch.Generator()
    )
    for epoch in count():
        items.set_epoch(epoch)
        yield from loader


def rate(items: Any, seconds: float, workers: int) -> float:
    """Samples a second, after those that start things up."""
    clock = time.perf_counter if workers else time.process_time
    stream = batches(items, workers)
    sum(1 for _ in islice(stream, 1 + 4 * workers))
    start, read = clock(), 0
    while clock() - start < seconds:
        read += len(next(stream)["name"])
    return read / (clock() - start)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of folders, each with a data set")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=0, help="measure so many workers, too")
    parser.add_argument("--markdown", type=Path, help="write the table into this page too")
    options = parser.parse_args()
    asked = [0, options.workers] if options.workers else [0]
    lines = []
    for name, task, config in sources(options.data):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                items = TASKS[task].splits(TASKS[task].config(**config)).train
                rates = [rate(items, options.seconds, workers) for workers in asked]
            except (ValueError, FileNotFoundError) as error:
                print(f"{name}: {error}")
                continue
        lines.append([name, task.replace("_", " "), *(f"{found:.0f}" for found in rates)])
        print("  ".join(lines[-1]), flush=True)
    head = ["", "task", *(f"{workers or 'no'} workers" for workers in asked)]
    text = f"Samples a second:\n\n{table(head, lines)}"
    print(f"\n{text}")
    if options.markdown:
        write_between(options.markdown, "readers", text)


if __name__ == "__main__":
    main()
