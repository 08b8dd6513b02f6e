"""Write shards: the files of a folder as they are, or the items of a data set as it stores them."""

from __future__ import annotations

import io
import json
import posixpath
import shutil
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from nvc3d.data.listing import find_files, names_labels
from nvc3d.data.naming import named
from nvc3d.data.packed.items import ERROR, SET
from nvc3d.data.packed.kinds import KINDS, Kind
from nvc3d.data.pairs.base import StoredPairs
from nvc3d.data.registry import DataSet, Gives, Wanted, find
from nvc3d.data.scenes import dealt
from nvc3d.data.stand_ins import FAULTS
from nvc3d.data.tars import END, write_index
from nvc3d.extras import require
from nvc3d.files import PathLike

BYTES = 64 * 10**6
"""Of a shard, about."""
Sample = tuple[str, dict[str, bytes]]
"""Of webdataset: its key, and its files by what follows that."""
WIDE = 1e9
"""A width of blocks that any scene fits in."""


def pack(
    folder: PathLike,
    output: Path,
    size: int = BYTES,
    wanted: Wanted | None = None,
    scenes: bool = False,
) -> list[Path]:
    """Write a folder to shards of about so many bytes, from which is trained as from the folder.

    A data set that is known, or with `scenes` labelled scenes of one's own, is written item by
    item: the arrays that it stores, in the two parts that `wanted` makes of it. Of any other folder
    the files are written as they are: their paths without the suffix are the keys, so that
    categories and splits stay in them. Samples are dealt to the shards by a hash of their keys:
    each shard is a small choice of all.

    An item that cannot be read is kept as what is wrong with it, so that the same one stands in for
    it as in the folder; a warning counts and names them.

    Raises FileExistsError where the output holds shards, ValueError where there is nothing to pack,
    or nothing that can be, OSError where it cannot be written.
    """
    webdataset = require("webdataset", "to write shards")
    root, wanted = Path(folder), wanted or Wanted()
    known = None if scenes else find(root, *KINDS)
    if scenes or known is not None:
        gives: Gives = "scenes" if known is None else known.gives
        parts = _parts(root, known, wanted)
        if isinstance(parts[1], StoredPairs) and not parts[1].stored(0)[0]:
            raise ValueError(
                f"{root}: its partial clouds are made anew in each epoch, so there is nothing of "
                "them to pack; train from the folder"
            )
        kind, halves = KINDS[gives], dict(zip(("train", "test"), parts, strict=True))
        told = {"gives": gives, **kind.told(parts[1]), "halves": _listed(kind, halves)}
        keys = {
            f"{half}/{number:08d}": (kind, data, number)
            for half, data in halves.items()
            for number in range(kind.count(data))
        }
        samples: Iterable[Sample] = _items(keys)
    else:
        files = {file.relative_to(root).as_posix(): file for file in find_files(root)}
        if not files:
            raise ValueError(f"{root}: the folder holds no file of a known kind of shape")
        told, samples = None, _files(files)
    output.mkdir(parents=True, exist_ok=True)
    if any(output.glob(f"*{END}")):
        raise FileExistsError(f"{output} holds shards already: give another --output")
    pattern = str(output / f"%06d{END}").replace(str(output), str(output).replace("%", "%%"))
    with webdataset.ShardWriter(
        pattern, maxsize=size, maxcount=10**9, encoder=False, verbose=0, mtime=0
    ) as sink:
        for key, content in samples:
            sink.write({"__key__": key, **content})
    if told is not None:
        (output / SET).write_text(json.dumps(told), encoding="utf-8")
    elif root.is_dir():
        for file in filter(names_labels, root.iterdir()):
            shutil.copy(file, output)
    return write_index(output)


def _parts(root: Path, known: DataSet | None, wanted: Wanted) -> tuple[Any, Any]:
    """What of a data set, or of scenes of one's own, is trained on and what is measured on."""
    wide = replace(wanted, block=WIDE)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "blocks .* wide are .* times as wide as the scenes")
        if known is None:
            return dealt(root, wanted.holdout, 1, WIDE, wanted.seed)
        return known.open(root, True, wide), known.open(root, False, wide)


def _files(files: dict[str, Path]) -> Iterator[Sample]:
    for name in sorted(files, key=_drawn):
        stem, _, ending = posixpath.basename(name).partition(".")
        yield posixpath.join(posixpath.dirname(name), stem), {ending: files[name].read_bytes()}


def _listed(kind: Kind, halves: dict[str, Any]) -> dict[str, Any]:
    """The names and the labels of the items of each half."""
    found = {half: [kind.known(d, i) for i in range(kind.count(d))] for half, d in halves.items()}
    return {
        half: {"names": [name for name, _ in items], "labels": [label for _, label in items]}
        for half, items in found.items()
    }


def _items(keys: dict[str, tuple[Kind, Any, int]]) -> Iterator[Sample]:
    broken: dict[str, str] = {}
    for key in sorted(keys, key=_drawn):
        kind, data, number = keys[key]
        name, label = kind.known(data, number)
        told: dict[str, Any] = {"name": name}
        if label >= 0:
            told["category"] = data.categories[label]
        content: dict[str, bytes] = {}
        try:
            more, arrays = kind.stored(data, number)
        except FAULTS as error:
            broken[name] = str(error)
            more, arrays, content = {}, {}, {ERROR: str(error).encode()}
        for what, values in arrays.items():
            if isinstance(values, str):
                broken[name] = values
                content[f"{what}.{ERROR}"] = values.encode()
            else:
                content[f"{what}.npy"] = _npy(values)
        yield key, {**content, "json": json.dumps(told | more).encode()}
    if broken:
        said = named([f"{name} ({why})" for name, why in broken.items()])
        warnings.warn(f"{len(broken)} of {len(keys)} items cannot be read: {said}", stacklevel=3)


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(values), allow_pickle=False)
    return file.getvalue()


def _drawn(name: str) -> tuple[int, str]:
    return crc32(name.encode()), name
