"""Fixtures that every test shares."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        default=os.environ.get("NVC3D_DATA"),
        help="folder with real data (meshes/, modelnet10_voxels/, mnist/); default: $NVC3D_DATA",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Each process of `make test`, and what it starts, has a core: small tensors gain by no more.
    if hasattr(config, "workerinput"):
        os.environ["OMP_NUM_THREADS"] = "1"
        torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What commands note on this machine goes to a folder of the tests, not to the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of real data; tests that need it are skipped where none is given."""
    path = request.config.getoption("--data")
    if not path:
        pytest.skip("needs real data: give --data DIR or set NVC3D_DATA")
    if not Path(path).is_dir():
        pytest.fail(f"--data (or NVC3D_DATA) names {path}, which is not a folder")
    return Path(path)


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """Runs a module's tests on each device: new tensors and the module's own are made there."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU and torch with CUDA")
    device = torch.device(request.param)
    with pytest.MonkeyPatch.context() as patch, device:
        for name, value in list(vars(request.module).items()):
            if isinstance(value, torch.Tensor | tuple | list | dict) and not name.startswith("_"):
                patch.setattr(request.module, name, _moved(value, device))
        yield device


@pytest.fixture
def shapenetpart(tmp_path: Path) -> Path:
    """A mug and a bag in each split of ShapeNetPart, as text with normals."""
    folder = tmp_path / "shapenetpart"
    (folder / "train_test_split").mkdir(parents=True)
    (folder / "synsetoffset2category.txt").write_text("Mug\t03797390\nBag\t02773838\n")
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        listing = []
        for synset, part in (("03797390", 36), ("02773838", 4)):
            (folder / synset).mkdir(exist_ok=True)
            normals = rng.standard_normal((40, 3))
            normals /= np.linalg.norm(normals, axis=1, keepdims=True)
            rows = np.c_[rng.random((40, 3)), normals, rng.integers(part, part + 2, 40)]
            np.savetxt(folder / synset / f"{split}.txt", rows, "%.6f")
            listing.append(f"shape_data/{synset}/{split}")
        path = folder / "train_test_split" / f"shuffled_{split}_file_list.json"
        path.write_text(json.dumps(listing))
    return folder


def _moved(value: Any, device: torch.device) -> Any:
    """The tensors in lists, tuples and dicts, on another device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, list | tuple):
        return type(value)(_moved(part, device) for part in value)
    if isinstance(value, dict):
        return {key: _moved(part, device) for key, part in value.items()}
    return value
