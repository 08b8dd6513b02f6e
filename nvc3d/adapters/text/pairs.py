"""Parallel text: which files of a folder hold it, and which part of it is learned from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nvc3d.adapters.text.lines import file_lines, read_lines, tidy

_ENDS = re.compile(r"(\.(sgm|xml))?(\.gz)?$")
_PART = re.compile(r"(?:^|[^a-z]|news)(val|valid|validation|dev|devel|test|tst)(?![a-z])")


class Pairs(NamedTuple):
    """Sentences and their translations, line by line."""

    source: list[str]
    target: list[str]

    def __add__(self, other: Pairs) -> Pairs:  # type: ignore[override]
        return Pairs(self.source + other.source, self.target + other.target)

    def at(self, indices: list[int]) -> Pairs:
        """Some of them."""
        return Pairs([self.source[i] for i in indices], [self.target[i] for i in indices])


def find(data: str, source: str, target: str) -> dict[str, Pairs]:
    """The parallel text of a folder, or of a file of columns, in the parts "train", "val" and
    "test", as the names of its files say; without a word of it, "train".

    It is in files NAME.de and NAME.en, plain, gzip, or SGML, or in files of two columns with a tab
    between them, NAME.tsv: source and target, unless a first row names the languages or the name
    has them in the other order, as NAME.en-de.tsv. A file without its other half is left out, with
    a warning.

    Raises ValueError where there is none, where two files differ in length, and as `read_lines`.
    """
    path = Path(data)
    if not path.exists():
        raise FileNotFoundError(f"there is no folder or file {path}")
    parts: dict[str, Pairs] = {}
    for name, pairs in _found(path, source, target):
        part = part_of(name)
        parts[part] = parts.get(part, Pairs([], [])) + pairs
    if not parts:
        raise ValueError(
            f"{path} holds no parallel text: files NAME.{source} and NAME.{target}, plain or gzip, "
            "or NAME.tsv with a column of each"
        )
    return parts


def part_of(name: str) -> str:
    """Which part of a data set a file is, by its name: "train", "val" or "test"."""
    match = _PART.search(name.lower())
    if match is None:
        return "train"
    return "test" if match[1] in ("test", "tst") else "val"


def _found(path: Path, source: str, target: str) -> Iterator[tuple[str, Pairs]]:
    """The name of each text, and its pairs."""
    if path.is_file():
        yield path.name, _columns(path, source, target)
        return
    files = sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith("."))
    halves: dict[tuple[str, str], Path] = {}
    for file in files:
        bare = _ENDS.sub("", file.name)
        stem, _, end = bare.rpartition(".")
        if end == "tsv":
            if {source, target} == {*(_of(stem) or (source, target))}:
                yield stem, _columns(file, source, target)
        elif end in (source, target):
            # WMT's tests say of each half which it is.
            key = str(file.parent / re.sub(r"-(src|ref)$", "", stem)), end
            if key in halves:
                raise ValueError(f"{halves[key]} and {file} are the same half of a text: keep one")
            halves[key] = file
    for (stem, end), file in halves.items():
        other = halves.get((stem, target if end == source else source))
        if other is None:
            warnings.warn(f"{file} is left out: nothing translates it", stacklevel=4)
        elif end == source:
            yield Path(stem).name, _halves(file, other)


def _of(name: str) -> tuple[str, str] | None:
    """The languages that a name tells."""
    match = re.search(r"(?<![a-z])([a-z]{2,3})-([a-z]{2,3})(?![a-z])", name)
    return (match[1], match[2]) if match else None


def _halves(source: Path, target: Path) -> Pairs:
    pairs = Pairs(*([tidy(line) for line in read_lines(file)] for file in (source, target)))
    counts = len(pairs.source), len(pairs.target)
    if counts[0] != counts[1]:
        longer = source if counts[0] > counts[1] else target
        raise ValueError(
            f"{source} has {counts[0]} lines and {target.name} {counts[1]}: line "
            f"{min(counts) + 1} of {longer.name} has no translation"
        )
    return pairs


def _columns(path: Path, source: str, target: str) -> Pairs:
    pairs = Pairs([], [])
    swapped = _of(path.name) == (target, source)
    for number, line in enumerate(file_lines(path), 1):
        cells = [tidy(cell) for cell in line.split("\t")]
        if cells == [""]:
            continue
        if len(cells) < 2:
            raise ValueError(f"{path}: line {number} has no tab between two columns")
        if number == 1 and {cell.lower() for cell in cells[:2]} == {source, target}:
            swapped = cells[0].lower() == target
            continue
        first, second = cells[:2]
        pairs.source.append(second if swapped else first)
        pairs.target.append(first if swapped else second)
    return pairs
