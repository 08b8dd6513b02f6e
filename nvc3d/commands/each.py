"""Work on many files, of which a broken one does not stop the others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from nvc3d.extras import require


def each_file(targets: dict[Path, Path], work: Callable[[Path, Path], str], done: str) -> None:
    """Call `work` with every file and its target, and print what it gives; with a progress bar if
    there are several.

    Raises what `work` raises where there is one file; else ValueError at the end, with the number
    of those that could not be `done`.
    """
    tqdm = require("tqdm", "to show progress").tqdm
    failed = 0
    for file, target in tqdm(targets.items(), disable=None if len(targets) > 1 else True):
        try:
            tqdm.write(work(file, target))
        except (OSError, ValueError) as error:
            if len(targets) == 1:
                raise
            failed += 1
            tqdm.write(f"nvc3d: error: {error}", file=sys.stderr)
    if failed:
        raise ValueError(f"{failed} of {len(targets)} files could not be {done}")
