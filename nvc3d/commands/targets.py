"""Where what is made of files goes: which files those are, and what it is called."""

from __future__ import annotations

import os
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from nvc3d.commands.saying import shown


def named(
    given: Sequence[Path],
    output: Path,
    find: Callable[[Path], Sequence[Path]],
    ends: Sequence[str],
    *,
    written: bool = True,
    kind: str = "cloud or mesh",
) -> dict[Path, Path]:
    """Every file to work on -> where what is made of it goes, in the folder `output` and there in
    the sub-folder that the file lies in: without the end of the name, of which there are several.

    The name is the file's without its suffix, or with it where two files differ in nothing else.
    What is written of another one of the files is no input, and a warning says so.

    Args:
        given: files and folders.
        output: a folder, which need not be there yet.
        find: folder -> the files in it to work on; a folder that is one thing gives itself.
        ends: of the names that are written.
        written: whether anything is; else two files may well have one name.
        kind: what a file that can be worked on holds.

    Raises:
        ValueError: a folder holds nothing, or two files would be written to one place.
        OSError: nothing can be written to `output`, or a folder cannot be read.
    """
    places: dict[Path, Path] = {}  # below the output
    known: set[str] = set()
    for path in given:
        found = find(path) if path.is_dir() else [path]
        if not found:
            raise ValueError(f"{shown(path)}: the folder holds no file of a known kind of {kind}")
        for file in found:
            # A file may be given twice, or its folder besides.
            if (at := os.path.abspath(file)) not in known:
                known.add(at)
                alone = file == path
                places[file] = Path(Path(at).name) if alone else file.relative_to(path)
    if written:
        check_folder(output)
    shared: dict[Path, list[Path]] = defaultdict(list)
    for file, place in places.items():
        shared[_stem(file, place)].append(file)
    targets: dict[Path, Path] = {}
    for file, place in places.items():
        short = _stem(file, place)
        # A folder has no suffix, so its name cannot be made any longer.
        targets[file] = output / (place if len(shared[short]) > 1 else short)
    return _without_answers(targets, ends) if written else targets


def of_views(
    given: Sequence[Path], output: Path, ends: Sequence[str], answers: str
) -> dict[Path, Path]:
    """As `named`, of depth images, clouds and meshes; `answers` is a regular expression of how the
    stems end of what was written before."""
    from nvc3d.files import find_shapes

    def find(folder: Path) -> list[Path]:
        images = (path for path in folder.rglob("*.png") if not path.name.startswith("."))
        found = {*images, *find_shapes(folder)}
        return sorted(path for path in found if not re.search(rf"{answers}$", path.stem))

    return named(given, output, find, ends)


def with_end(target: Path, end: str) -> Path:
    """NAME and an end, e.g. "-completed.ply"."""
    return target.with_name(target.name + end)


def check_folder(output: Path) -> None:
    """Raise OSError or ValueError unless files can be written to a folder, which may be made."""
    if output.exists() and not output.is_dir():
        raise ValueError(f"--output must be a folder, got the file {shown(output)}")
    nearest = next(path for path in (output, *output.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(
            f"cannot write into the folder {shown(output)}: {shown(nearest)} is a file"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write into the folder {shown(output)}: it is protected")


def check_kept(sources: Sequence[Path], targets: Sequence[Path]) -> None:
    """Raise ValueError where a target is one of the sources."""
    for target in targets:
        for source in sources:
            if target.exists() and source.exists() and target.samefile(source):
                raise ValueError(f"{shown(target)} would be replaced by what is made of it")


def _stem(file: Path, place: Path) -> Path:
    # The name of a folder may well have a dot in it.
    return place if file.is_dir() else place.with_suffix("")


def _without_answers(targets: dict[Path, Path], ends: Sequence[str]) -> dict[Path, Path]:
    written = {os.path.abspath(with_end(t, end)) for t in targets.values() for end in ends}
    taken = {f: t for f, t in targets.items() if os.path.abspath(f) not in written}
    if left_out := [shown(file) for file in targets if file not in taken]:
        warnings.warn(f"left out what is written of others: {', '.join(left_out)}", stacklevel=3)
    first: dict[str, Path] = {}
    for file, target in taken.items():
        other = first.setdefault(os.path.abspath(target), file)
        if other is not file:
            raise ValueError(
                f"{shown(other)} and {shown(file)} would both be written to {shown(target)}: "
                "give them different folders"
            )
    return taken
