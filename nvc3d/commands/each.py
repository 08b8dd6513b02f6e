"""Work on many files, of which a broken one does not stop the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from nvc3d.commands.saying import sentence, shown
from nvc3d.data.naming import named
from nvc3d.extras import require

T = TypeVar("T")


def each_file(targets: Mapping[Path, T], work: Callable[[Path, T], str], done: str) -> None:
    """Call `work` with every file and its target, and print what it gives; where there are several,
    with a progress bar, and at the end with how many were `done`.

    Raises what `work` raises where there is one file. Of several, one that fails in whatever way
    does not stop the others; ValueError at the end counts and names those that failed. A
    KeyboardInterrupt says how many were done.
    """
    if len(targets) == 1:
        [(file, target)] = targets.items()
        try:
            print(work(file, target))
        except ValueError as error:
            raise ValueError(_named(file, error)) from error
        return
    tqdm = require("tqdm", "to show progress").tqdm
    failed: list[str] = []
    count = 0
    try:
        for file, target in tqdm(targets.items(), disable=None):
            try:
                said = work(file, target)
            except Exception as error:
                if "NVC3D_TRACEBACK" in os.environ:
                    raise
                failed.append(shown(file))
                tqdm.write(f"nvc3d: error: {_named(file, error)}", file=sys.stderr)
            else:
                count += 1
                tqdm.write(said, file=sys.stdout)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"after {count} of {len(targets)} files were {done}") from None
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(targets)} files could not be {done}: {named(failed)}"
        )
    print(f"{count} files {done}")


def _named(file: Path, error: Exception) -> str:
    """What went wrong, with the file; with the kind of error where it is none that is foreseen."""
    said = sentence(error)
    if not isinstance(error, (OSError, ValueError, ImportError, MemoryError)):
        said = f"{type(error).__name__}: {said}"
    return said if str(file) in said or shown(file) in said else f"{shown(file)}: {said}"
