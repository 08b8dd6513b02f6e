"""Shapes in shards: tar files as webdataset has them, on a disk or at any URL that fsspec opens."""

from __future__ import annotations

import json
import posixpath
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from zlib import crc32

from nvc3d.data.folder import ShapeFolder
from nvc3d.data.layout import Layout
from nvc3d.data.listing import find_files
from nvc3d.extras import require
from nvc3d.files import PathLike, read_shape
from nvc3d.files.registry import by_suffix
from nvc3d.geometry.mesh import Shape, normalise

END = ".tar"
INDEX = "index.json"
"""Beside the shards: of each the names of its files, and where they lie in it."""
BYTES = 64 * 2**20
"""Of a shard, about."""


class Member(NamedTuple):
    """A file in a shard."""

    name: str
    offset: int
    size: int


class Shards(ShapeFolder):
    """The shapes of shards: what a folder of the same files would be, split and named alike.

    An item is read from its place in its shard, whichever is asked for: so shapes are shuffled, and
    dealt to processes and workers, as those of a folder are, and a run that resumes needs no more
    than its step.

    Args:
        urls: of the shards.
        alone: see ShapeFolder.

    Raises ValueError where a shard cannot be read, or none holds a shape.
    """

    def __init__(self, urls: Sequence[str], alone: str = "shape") -> None:
        self.root = Path(posixpath.dirname(urls[0]))
        entries = [
            (url, member)
            for url, members in _contents(urls)
            for member in members
            if PurePosixPath(member.name).suffix.lower() in by_suffix()
        ]
        if not entries:
            raise ValueError(f"{self.root}: the shards hold no file of a known kind of shape")
        entries.sort(key=lambda entry: entry[1].name)
        self._layout = Layout(self.root, [member.name for _, member in entries])
        self._hold(
            [_Packed(m.name, self._layout.category(m.name, alone), url, m) for url, m in entries],
            (),
            "skipped",
        )


def own_shapes(root: PathLike, alone: str = "shape") -> ShapeFolder:
    """The shapes of a user's own folder, or of shards."""
    urls = shards(root)
    return ShapeFolder(root, alone) if urls is None else Shards(urls, alone)


def shards(root: PathLike) -> list[str] | None:
    """The shards that a folder holds, or that a pattern as `DIR/{000000..000012}.tar` names; None
    where it is neither."""
    text = str(root)
    if text.endswith(END):
        return list(require("braceexpand", "to name many shards").braceexpand(text))
    if not (Path(text) / INDEX).is_file():
        return None
    return sorted(str(path) for path in Path(text).glob(f"*{END}")) or None


def pack(folder: PathLike, output: Path, size: int = BYTES) -> list[Path]:
    """Write the shapes of a folder, file by file as they are, to shards of about so many bytes.

    Each is a sample of webdataset: its path without the suffix is the key, so that categories and
    splits stay in it. They are dealt to the shards by a hash of their names: each shard is a small
    choice of all.

    Raises FileExistsError where the output holds shards, ValueError where there is nothing to pack,
    OSError where it cannot be written.
    """
    webdataset = require("webdataset", "to write shards")
    root = Path(folder)
    files = {file.relative_to(root).as_posix(): file for file in find_files(root)}
    if not files:
        raise ValueError(f"{root}: the folder holds no file of a known kind of shape")
    output.mkdir(parents=True, exist_ok=True)
    if any(output.glob(f"*{END}")):
        raise FileExistsError(f"{output} holds shards already: give another --output")
    pattern = str(output / f"%06d{END}").replace(str(output), str(output).replace("%", "%%"))
    with webdataset.ShardWriter(
        pattern, maxsize=size, maxcount=10**9, encoder=False, verbose=0, mtime=0
    ) as sink:
        for name in sorted(files, key=lambda name: (crc32(name.encode()), name)):
            stem, _, ending = posixpath.basename(name).partition(".")
            key = posixpath.join(posixpath.dirname(name), stem)
            sink.write({"__key__": key, ending: files[name].read_bytes()})
    made = sorted(output.glob(f"*{END}"))
    index = {path.name: list(_scanned(str(path))) for path in made}
    (output / INDEX).write_text(json.dumps(index), encoding="utf-8")
    return made


@dataclass(frozen=True)
class _Packed:
    """A shape in a shard, read whenever it is asked for."""

    name: str
    category: str
    shard: str
    member: Member

    def load(self) -> Shape:
        data = _read(self.shard, self.member.offset, self.member.size)
        with tempfile.TemporaryDirectory() as folder:
            # Readers take files. What the shard calls it is no path of this machine.
            path = Path(folder, "shape" + PurePosixPath(self.name).suffix.lower())
            path.write_bytes(data)
            try:
                return normalise(read_shape(path))
            except (OSError, ValueError) as error:
                said = str(error).replace(str(path), f"{self.shard}: {self.name}")
                raise ValueError(said) from None


def _contents(urls: Sequence[str]) -> Iterator[tuple[str, list[Member]]]:
    """The members of each shard: by the index beside them, or by reading all of it."""
    known: dict[str, Any] = {}
    for url in urls:
        base = posixpath.dirname(url)
        if base not in known:
            known[base] = _index(posixpath.join(base, INDEX))
        listed = known[base].get(posixpath.basename(url))
        try:
            members = list(_scanned(url)) if listed is None else [_member(m) for m in listed]
        except (OSError, tarfile.TarError, ValueError, TypeError) as error:
            raise ValueError(f"{url} is no shard that can be read: {error}") from None
        yield url, members


def _index(url: str) -> dict[str, Any]:
    try:
        values = json.loads(_read(url))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _member(values: Any) -> Member:
    member = Member(*values)
    if not isinstance(member.name, str) or not all(
        type(number) is int and number >= 0 for number in member[1:]
    ):
        raise ValueError(f"its index has no place of a file in {values!r}")
    return _inside(member)


def _inside(member: Member) -> Member:
    parts = PurePosixPath(member.name).parts
    if ".." in parts or member.name.startswith("/") or not parts:
        raise ValueError(f"the name {member.name!r} leads outside")
    return member


def _scanned(url: str) -> Iterator[Member]:
    """The regular files of a shard, as its own headers tell."""
    with _opened(url) as file, tarfile.open(fileobj=file, mode="r:") as archive:
        for entry in archive:
            if entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                yield _inside(Member(entry.name, entry.offset_data, entry.size))


def _opened(url: str) -> Any:
    if not _is_remote(url):
        return Path(url).open("rb")
    return require("fsspec", "to read shards from a URL").open(url, "rb").open()


def _read(url: str, offset: int = 0, size: int | None = None) -> bytes:
    """Bytes of a file, all of it or as many as asked for. Raises ValueError where it has fewer."""
    if _is_remote(url):
        system, path = require("fsspec.core", "to read shards from a URL").url_to_fs(url)
        data = bytes(system.cat_file(path, offset, None if size is None else offset + size))
    else:
        with Path(url).open("rb") as file:
            end = file.seek(0, 2)
            file.seek(offset)
            # No more than there is: a size is only what somebody wrote.
            data = file.read(end if size is None else min(size, max(end - offset, 0)))
    if size is not None and len(data) != size:
        raise ValueError(f"{url} is shorter than it says: {len(data)} bytes of {size} are there")
    return data


def _is_remote(url: str) -> bool:
    return "://" in url
