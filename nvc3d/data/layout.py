"""What the folders that a file lies in say of it: its category, and the split it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SPLITS = {
    **{"train": "train", "training": "train"},
    **{"val": "val", "valid": "val", "validation": "val"},
    **{"test": "test", "testing": "test"},
}
"""What folders of a split are called, in lower case, and which split it is."""


class Layout:
    """How the files of a folder lie in its sub-folders.

    | files                         | category        | split                                     |
    |-------------------------------|-----------------|-------------------------------------------|
    | `chair/a.off`                 | chair           | none                                      |
    | `train/chair/a.off`           | chair           | train                                     |
    | `chair/train/a.off`           | chair           | train                                     |
    | `train/a.off`                 | none            | train                                     |

    A folder is one of a split if it is called train, val or test (or training, valid, validation,
    testing), and all files lie in one so called, equally deep. So a category may be called "train"
    inside folders of splits.

    Args:
        root: the folder, for messages.
        names: its files, from there.

    Raises:
        ValueError: a folder called after a split stands beside those of categories, so that the
            category of what is in it is unknown.
    """

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self._root, self._names = root, names
        folders = [Path(name).parts[:-1] for name in names]
        depths = range(min((len(parts) for parts in folders), default=0))
        self._depth = next((d for d in depths if all(_is_split(p[d]) for p in folders)), None)
        if self._depth is None:
            lost = [n for n, parts in zip(names, folders, strict=True) if parts and _only(parts)]
            kinds = sorted({parts[0] for parts in folders if parts and not _only(parts)})
            if lost and kinds:
                raise ValueError(
                    f"{root}: {Path(lost[0]).parts[0]} is called after a split and stands beside "
                    f"folders of categories ({', '.join(kinds[:3])}): give it another name if it "
                    "is a category, or put all categories into train, val or test"
                )

    def category(self, name: str, alone: str) -> str:
        """The category of a file; `alone` where it lies in no folder of one."""
        folders = Path(name).parts[:-1]
        if self._depth is None:
            others = [part for part in folders if not _is_split(part)]
        else:
            others = [*folders[: self._depth], *folders[self._depth + 1 :]]
        return others[0] if others else alone

    def own_split(self, names: Sequence[str]) -> tuple[list[int], list[int]] | None:
        """Of some files those to train on and those to measure on, by number: of test where there
        is one, else of val; None where there are not two splits.

        Raises ValueError where some files are in a split and others in none, and where there is
        nothing to train on.
        """
        if self._depth is None:
            inside = [n for n in self._names if any(map(_is_split, Path(n).parts[:-1]))]
            if inside:
                outside = next((n for n in self._names if n not in set(inside)), inside[-1])
                raise ValueError(
                    f"{self._root}: {inside[0]} lies in a folder called after a split and "
                    f"{outside} does not, or not as deep: put all into train, val or test, or none"
                )
            return None
        split = [SPLITS[Path(name).parts[self._depth].lower()] for name in names]
        there = set(split)
        if len(there) < 2:
            return None
        if "train" not in there:
            raise ValueError(f"{self._root}: it has folders val and test, but none called train")
        measured = "test" if "test" in there else "val"
        train, held_out = ([i for i, s in enumerate(split) if s == n] for n in ("train", measured))
        return train, held_out


def _is_split(folder: str) -> bool:
    return folder.lower() in SPLITS


def _only(folders: Sequence[str]) -> bool:
    """Whether all of some folders are called after splits."""
    return all(map(_is_split, folders))
