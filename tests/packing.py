"""A data set and the shards that it is packed into, side by side."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nvc3d.data.packed.kinds import KINDS
from nvc3d.data.registry import Gives, Wanted, find


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two items are the same, bit for bit."""
    return one.keys() == other.keys() and all(
        torch.equal(value, other[key]) and value.dtype == other[key].dtype
        if isinstance(value, torch.Tensor)
        else value == other[key]
        for key, value in one.items()
    )


def check_packed(gives: Gives, folder: Path, shards: Path, wanted: Wanted) -> list[str]:
    """Pack a data set, and compare the items of both in two epochs, and those to measure on; gives
    the warnings of the items that the folder has, which those of the shards must be, too."""
    pytest.importorskip("webdataset", reason="needs webdataset")
    from nvc3d.data.shards import pack

    pack(folder, shards, size=10**6, wanted=wanted)
    one, other = find(folder, gives), find(shards, *KINDS)
    assert one is not None and other is not None and other.gives == gives and one is not other
    said: list[list[str]] = []
    found: list[list[dict[str, Any]]] = []
    for known, root in ((one, folder), (other, shards)):
        with warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always")
            found.append([])
            for training in (True, False):
                data = known.open(root, training, wanted)
                for epoch in (0, 3) if hasattr(data, "set_epoch") else (0,):
                    if hasattr(data, "set_epoch"):
                        data.set_epoch(epoch)
                    found[-1] += [data[index] for index in range(len(data))]
        said.append(
            [str(warning.message) for warning in met if "stands in" in str(warning.message)]
        )
    assert len(found[0]) == len(found[1]) > 0
    assert all(equal(a, b) for a, b in zip(*found, strict=True))
    assert said[0] == said[1]
    return said[0]


def cloud(count: int, seed: int) -> np.ndarray:
    """Random points (count, 3) float32."""
    return np.random.default_rng(seed).random((count, 3)).astype(np.float32)
