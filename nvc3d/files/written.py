"""What the commands call the files that they write, so that those are not taken for new input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

COMPLETED = "-completed"
SEGMENTED = "-segmented"
LABELS = "-labels"
POSE = "-pose"
PLANES = "-planes"
"""What comes after the name of what was read: NAME-completed.ply, NAME-completed-2.ply for the
second of several answers, NAME-segmented.ply and NAME-labels.npy, NAME-pose.json, .npy and .png,
NAME-planes.ply, .glb and others."""

_ANSWER = re.compile(
    rf"(.+?)(?:(?:{COMPLETED}(?:-\d+)?|{SEGMENTED})\.ply|{LABELS}\.npy|(?P<sure>{POSE}(?:-\d+)?\.npy"
    rf"|{PLANES}\.(?:ply|glb)))"
)


def numbered(path: Path, count: int) -> list[Path]:
    """NAME-1, NAME-2, ... of a file to write; itself where there is one."""
    if count == 1:
        return [path]
    return [path.with_stem(f"{path.stem}-{i}") for i in range(1, count + 1)]


def answers(files: Sequence[Path]) -> list[Path]:
    """Those of the files that a command wrote of another one of them.

    An answer alone is none of these: it may well be what is to be read.
    """
    there = {name for file in files for name in (file.stem, file.name)}
    # The name of a scene that is a folder of arrays.
    there |= {file.parent.name for file in files if file.name == "coord.npy"}
    known = set(files)

    def is_answer(file: Path) -> bool:
        match = _ANSWER.fullmatch(file.name)
        if match is None or match[1] not in there:
            return False
        if match["sure"]:
            return True
        beside = file.with_name(f"{match[1]}{SEGMENTED}.ply")
        return file.suffix == ".ply" or beside in known

    return [file for file in files if is_answer(file)]
