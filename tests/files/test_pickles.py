"""Pickles of numbers, and those that would do something."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import pickles, reading


class Hostile:
    """Unpickling it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_numbers(tmp_path: Path, protocol: int) -> None:
    rng = np.random.default_rng(0)
    data = {
        7: {"xyz": rng.normal(size=(42, 3)), "K": np.eye(3, dtype=">f4"), "seen": np.ones(3, bool)},
        "columns": np.asfortranarray(rng.integers(9, size=(2, 3))),
        "plain": [1, (2, 3.5), None, True, "é", np.float32(0.25)],
    }
    path = tmp_path / "data.pickle"
    path.write_bytes(pickle.dumps(data, protocol))
    found = pickles.read(path)
    assert list(found) == list(data) and found["plain"] == data["plain"]
    for told, expected in (
        *zip(found[7].values(), data[7].values(), strict=True),
        (found["columns"], data["columns"]),
    ):
        kind = expected.dtype.newbyteorder("=")
        assert told.dtype.newbyteorder("=") == kind and np.array_equal(told, expected)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    mark, path = tmp_path / "mark", tmp_path / "data.pickle"
    path.write_bytes(pickle.dumps({0: np.ones(3), 1: Hostile(mark)}, protocol))
    with pytest.raises(ValueError, match=r"asks for \w+\.system: only arrays of numbers are read"):
        pickles.read(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the pickle is no threat: this test tests nothing"


@pytest.mark.parametrize(
    "data",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"cnumpy\nndarray.tofile\n.",
        pickle.dumps(np.array([Hostile], object)),
        pickle.dumps(np.zeros(2, "M8[s]")),
        pickle.dumps(np.zeros(2, [("a", "f4")])),
    ],
)
def test_other_names_and_kinds_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "data.pickle"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="only arrays of numbers are read"):
        pickles.read(path)


def test_a_truncated_pickle_is_refused(tmp_path: Path) -> None:
    whole = pickle.dumps({"xyz": np.ones((42, 3))})
    path = tmp_path / "data.pickle"
    for size in range(1, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"data\.pickle: "), reading(path):
            pickles.read(path)
