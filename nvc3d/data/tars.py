"""What lies in tar files as webdataset has them, on a disk or at any URL that fsspec opens."""

from __future__ import annotations

import json
import posixpath
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from nvc3d.extras import require
from nvc3d.files import PathLike

END = ".tar"
INDEX = "index.json"
"""Beside the shards: of each the names of its files, and where they lie in it."""


class Member(NamedTuple):
    """A file in a shard."""

    name: str
    offset: int
    size: int


class Packed(NamedTuple):
    """A file in a shard, and which shard that is; it is read whenever it is asked for."""

    shard: str
    member: Member

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.member.name).suffix

    @property
    def stem(self) -> str:
        return PurePosixPath(self.member.name).stem

    def read(self, start: int = 0, stop: int | None = None) -> bytes:
        """Its bytes, or some of them. Raises ValueError where the shard has fewer."""
        stop = self.member.size if stop is None else min(stop, self.member.size)
        return _read(self.shard, self.member.offset + start, max(stop - start, 0))


@contextmanager
def local(file: Path | Packed) -> Iterator[Path]:
    """A file where readers find it, which take paths: what lies in a shard, in a temporary copy
    that errors call by the name it has there. Raises ValueError on any fault of such a copy."""
    if isinstance(file, Path):
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        # What the shard calls it is no path of this machine.
        path = Path(folder, "shape" + file.suffix.lower())
        path.write_bytes(file.read())
        try:
            yield path
        except (OSError, ValueError) as error:
            said = str(error).replace(str(path), f"{file.shard}: {file.member.name}")
            raise ValueError(said) from None


def shards(root: PathLike) -> list[str] | None:
    """The shards that a folder holds, or that a pattern as `DIR/{000000..000012}.tar` names; None
    where it is neither."""
    text = _url(root)
    if text.endswith(END):
        return list(require("braceexpand", "to name many shards").braceexpand(text))
    if not (Path(text) / INDEX).is_file():
        return None
    return sorted(str(path) for path in Path(text).glob(f"*{END}")) or None


def packed(urls: list[str]) -> list[Packed]:
    """The files of shards. Raises ValueError where a shard cannot be read."""
    return [Packed(url, member) for url, members in _contents(urls) for member in members]


def write_index(folder: Path) -> list[Path]:
    """Write what lies in the shards of a folder into its index; gives the shards."""
    made = sorted(folder.glob(f"*{END}"))
    index = {path.name: list(_scanned(str(path))) for path in made}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    return made


def beside(root: PathLike, name: str) -> bytes | None:
    """The bytes of a file beside shards, see `shards`; None where there is none."""
    text = _url(root)
    try:
        return _read(posixpath.join(posixpath.dirname(text) if text.endswith(END) else text, name))
    except (OSError, ValueError):
        return None


def _url(root: PathLike) -> str:
    # A path has made one of the two slashes of a URL.
    return re.sub(r"^(\w\w+):/(?!/)", r"\1://", str(root))


def _contents(urls: list[str]) -> Iterator[tuple[str, list[Member]]]:
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
