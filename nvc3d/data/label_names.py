"""Names of labels, in a file beside the data."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

from nvc3d.files import reading

FILES = (
    *("classes.txt", "class_names.txt", "labels.txt", "label_names.txt"),
    *("classes.json", "class_names.json", "labels.json", "label_names.json"),
)
"""What such a file may be called, in any case."""
UNLABELLED = (-1, 255)
"""What data sets write where a point has no label; here it is -1."""
MOST = 1000
"""The highest label that may be a class; above, labels are taken for something else."""
_NUMBERED = re.compile(r"(-?\d+)\s*[:,;=\s]\s*(.*[^\W\d_].*)")


def label_names(root: Path) -> tuple[str, ...]:
    """The names of the labels 0, 1, ... that a file in a folder tells; none where there is none.

    Text holds a name a line, or a number and a name; JSON a list of names, numbers by name or names
    by number. A number without a name is called "label" with the number. Numbers of points without
    a label, -1 and 255, may be named and are left out. A file that is of another form gives a
    warning and no names.

    Raises ValueError where two files say different things.
    """
    if not root.is_dir():
        return ()
    told: dict[Path, tuple[str, ...]] = {}
    for file in sorted(root.iterdir()):
        if file.name.lower() in FILES and file.is_file():
            try:
                with reading(file):
                    told[file] = _names(file)
            except ValueError as error:
                warnings.warn(f"its names of labels are not used: {error}", stacklevel=3)
    if len(set(told.values())) > 1:
        first, second = list(told)[:2]
        raise ValueError(f"{first} and {second.name} name labels differently: keep one of them")
    return next(iter(told.values()), ())


def _names(file: Path) -> tuple[str, ...]:
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix.lower() == ".json":
        return _by_number(_of_json(json.loads(text)))
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if all(numbered):
        return _by_number([(int(m[1]), m[2].strip()) for m in numbered if m])
    if any(re.fullmatch(r"[-+.\deE,;\s]*", line) or line.count(" ") > 4 for line in lines):
        raise ValueError("expected a name a line, or a number and a name")
    return _by_number(list(enumerate(lines)))


def _of_json(told: object) -> list[tuple[int, str]]:
    """Numbers and names."""
    if isinstance(told, list) and all(isinstance(name, str) for name in told):
        return list(enumerate(told))
    if isinstance(told, dict) and told:
        if all(isinstance(v, int) and not isinstance(v, bool) for v in told.values()):
            return [(number, str(name)) for name, number in told.items()]
        if all(re.fullmatch(r"-?\d+", key) for key in told) and all(
            isinstance(name, str) for name in told.values()
        ):
            return [(int(key), name) for key, name in told.items()]
    raise ValueError("expected a list of names, numbers by name or names by number")


def _by_number(pairs: list[tuple[int, str]]) -> tuple[str, ...]:
    named = dict(pairs)
    if len(named) < len(pairs) or len(set(named.values())) < len(named):
        raise ValueError("a number or a name is there twice")
    unlabelled = {-1} if 254 in named else {-1, 255}
    named = {number: name for number, name in named.items() if number not in unlabelled}
    if not named or min(named) < 0 or max(named) > MOST:
        raise ValueError(f"expected numbers from 0 to {MOST}, got {sorted(named)[:1] or 'none'}")
    return tuple(named.get(number, f"label {number}") for number in range(max(named) + 1))
