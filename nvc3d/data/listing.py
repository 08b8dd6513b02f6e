"""The files of a folder that are data: each once, and nothing odd about them unsaid."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Container
from pathlib import Path

from nvc3d.data.label_names import FILES
from nvc3d.data.naming import named
from nvc3d.files import PathLike, find_shapes


def find_files(folder: PathLike, suffixes: Container[str] | None = None) -> list[Path]:
    """What `find_shapes` finds, without files that name labels (see `label_names`), and of several
    links to one file the first only.

    Warns of such links, of files that differ in their suffix alone, all of which are taken, and of
    sub-folders without any file.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
    """
    root = Path(folder)
    found = [
        file
        for file in find_shapes(root, suffixes)
        if not (file.parent == root and names_labels(file))
    ]
    files: list[Path] = []
    again: list[str] = []
    first: dict[tuple[int, int], Path] = {}
    alike: defaultdict[Path, list[str]] = defaultdict(list)
    for file in found:
        name = file.relative_to(root).as_posix()
        try:
            known = os.stat(file)
        except OSError:  # whoever reads it learns what is wrong
            files.append(file)
            continue
        same = first.setdefault((known.st_dev, known.st_ino), file)
        if same is not file and known.st_ino:
            again.append(f"{name} is {same.relative_to(root).as_posix()}")
            continue
        files.append(file)
        alike[file.with_suffix("")].append(name)
    if again:
        warnings.warn(
            f"{root}: left out {len(again)} files that are there twice, by links: {named(again)}",
            stacklevel=4,
        )
    if twins := [" and ".join(names) for names in alike.values() if len(names) > 1]:
        warnings.warn(
            f"{root}: {len(twins)} names are there in several formats, each taken for one of "
            f"its own: {named(twins)}",
            stacklevel=4,
        )
    used = {file.relative_to(root).parts[0] for file in files}
    if files and (empty := sorted(_folders(root) - used)):
        warnings.warn(
            f"{root}: {len(empty)} sub-folders hold no file of a known kind: {named(empty)}",
            stacklevel=4,
        )
    return files


def names_labels(file: Path) -> bool:
    """Whether a file is called like those that name labels."""
    return file.name.lower() in FILES


def _folders(root: Path) -> set[str]:
    """The sub-folders that are not hidden."""
    with os.scandir(root) as entries:
        return {e.name for e in entries if e.is_dir() and not e.name.startswith((".", "__"))}
