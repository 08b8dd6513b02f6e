"""The data sets of labelled shapes, read from small files in their true layouts."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from nvc3d.data.labelled import PARTS, LabelledClouds, ModelNet40, PartFiles, ShapeNetPart

BAG, CAP = "02773838", "02954340"


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def write_h5(path: Path, **arrays: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "train_test_split").mkdir()
    (tmp_path / "synsetoffset2category.txt").write_text(f"Cap\t{CAP}\nBag\t{BAG}\n")
    names = [f"shape_data/{CAP}/a", f"shape_data/{BAG}/b"]
    for split in ("train", "val", "test"):
        path = tmp_path / f"train_test_split/shuffled_{split}_file_list.json"
        path.write_text(json.dumps(names))
    for number, (synset, name, part) in enumerate([(CAP, "a", 6), (BAG, "b", 4)]):
        (tmp_path / synset).mkdir()
        place, normal = points(40, number), points(40, number + 10)
        parts = part + (place[:, :1] > 0)
        np.savetxt(tmp_path / synset / f"{name}.txt", np.hstack([place, normal, parts]))
    return tmp_path


@pytest.fixture
def parts_hdf5(tmp_path: Path) -> Path:
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}_hdf5_file_list.txt").write_text("hdf5_data/a.h5\nb.h5\n")
    for number, name in enumerate("ab"):
        data = np.stack([points(40, 2 * number), points(40, 2 * number + 1)])
        labels = np.array([[1], [2]], np.uint8)  # a bag and a cap
        pid = np.array([4, 6], np.uint8)[:, None] + (data[..., 0] > 0)
        write_h5(tmp_path / f"{name}.h5", data=data, label=labels, pid=pid)
    return tmp_path


@pytest.fixture
def modelnet(tmp_path: Path) -> Path:
    (tmp_path / "shape_names.txt").write_text("airplane\nbathtub\n")
    (tmp_path / "train_files.txt").write_text("data/modelnet40/a.h5\n")
    (tmp_path / "test_files.txt").write_text("data/modelnet40/a.h5\n")
    data = np.stack([points(40, 0), points(40, 1), points(40, 2)])
    write_h5(tmp_path / "a.h5", data=data, label=np.array([[1], [0], [1]], np.uint8))
    return tmp_path


def in_unit_ball(values: np.ndarray) -> np.ndarray:
    moved = values.astype(np.float64) - values.mean(0, dtype=np.float64)
    return moved / np.linalg.norm(moved, axis=1).max()


def test_shapenetpart_as_text(text: Path) -> None:
    data = ShapeNetPart(text, "test", points=40)
    assert data.categories == ("Bag", "Cap")
    item = data[0]
    assert item["name"] == f"{CAP}/a" and data.categories[item["label"]] == "Cap"
    # The rows of points, normals and parts still belong together.
    whole = in_unit_ball(points(40))
    order = [int(np.abs(whole - p).sum(1).argmin()) for p in item["points"].numpy()]
    assert sorted(order) == list(range(40))
    np.testing.assert_allclose(item["points"], whole[order], atol=1e-5)
    np.testing.assert_allclose(item["normals"], points(40, 10)[order], atol=1e-5)
    assert item["point_labels"].tolist() == (6 + (points(40)[order, 0] > 0)).tolist()


def test_shapenetpart_of_some_categories(text: Path) -> None:
    data = ShapeNetPart(text, "train", categories=["Bag"])
    assert len(data) == 1 and data[0]["label"] == 0
    with pytest.raises(ValueError, match="has no category Mug; it has Bag, Cap"):
        ShapeNetPart(text, "train", categories=["Mug"])


def test_shapenetpart_with_faults(text: Path) -> None:
    path = text / BAG / "b.txt"
    rows = np.loadtxt(path)
    rows[3, 6] = 9
    np.savetxt(path, rows)
    data = ShapeNetPart(text, "train")
    with pytest.warns(UserWarning, match=r"parts \[9\] are not among those of Bag, \[4, 5\]"):
        assert data[1]["name"] == f"{CAP}/a"
    np.savetxt(path, rows[:, :6])
    data = ShapeNetPart(text, "train")
    with pytest.warns(UserWarning, match="expected lines x y z nx ny nz part, got 6 numbers"):
        data[1]
    path.unlink()
    with pytest.warns(UserWarning, match="names 1 of 2 shapes that are not there"):
        assert len(ShapeNetPart(text, "train")) == 1
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'all'"):
        ShapeNetPart(text, "all")


def test_part_files(parts_hdf5: Path) -> None:
    data = PartFiles(parts_hdf5, "test", points=40)
    assert len(data) == 4 and data.categories == tuple(PARTS)
    item = data[3]
    assert item["name"] == "b/1" and data.categories[item["label"]] == "Cap"
    assert set(item["point_labels"].tolist()) == {6, 7} and "normals" not in item
    assert torch.linalg.vector_norm(item["points"], dim=1).max() == pytest.approx(1)


def test_part_files_with_faults(parts_hdf5: Path) -> None:
    data = np.stack([points(40)])
    cases = [
        ({"pid": np.zeros((1, 39))}, r"a\.h5: expected pid \(1, 40\), got \(1, 39\)"),
        ({"label": np.array([[16]])}, r"a\.h5: labels must be from 0 to 15, got 16 to 16"),
        ({"data": np.zeros((1, 40, 2))}, r"a\.h5: expected data \(1, N, 3\)"),
    ]
    for arrays, message in cases:
        whole = {"data": data, "label": np.array([[1]]), "pid": np.full((1, 40), 4)}
        write_h5(parts_hdf5 / "a.h5", **whole | arrays)
        with pytest.raises(ValueError, match=message):
            PartFiles(parts_hdf5, "train")
    write_h5(parts_hdf5 / "a.h5", data=data, label=np.array([[1]]), pid=np.full((1, 40), 7))
    with pytest.warns(UserWarning, match=r"a\.h5, shape 0: parts \[7\] are not among those of Bag"):
        PartFiles(parts_hdf5, "train")[0]
    (parts_hdf5 / "a.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.h5"):
        PartFiles(parts_hdf5, "train")


def test_modelnet40(modelnet: Path) -> None:
    data = ModelNet40(modelnet, "test", points=16)
    assert data.categories == ("airplane", "bathtub")
    assert [int(data[i]["label"]) for i in range(3)] == [1, 0, 1]
    assert data[0]["points"].shape == (16, 3) and "point_labels" not in data[0]
    (modelnet / "test_files.txt").write_text("\n")
    with pytest.raises(ValueError, match="names no files"):
        ModelNet40(modelnet, "test")


@pytest.mark.parametrize("name", ["text", "parts_hdf5", "modelnet"])
def test_items_are_new_in_each_epoch_and_the_same_in_all_workers(
    name: str, request: pytest.FixtureRequest
) -> None:
    root = request.getfixturevalue(name)
    kinds = {"text": ShapeNetPart, "parts_hdf5": PartFiles, "modelnet": ModelNet40}
    data: LabelledClouds = kinds[name](root, "train", points=50)
    alone = [data[i]["points"] for i in range(len(data))]
    assert all(item.shape == (50, 3) and item.dtype == torch.float32 for item in alone)
    for expected, item in zip(alone, DataLoader(data, None, num_workers=2), strict=True):
        assert torch.equal(item["points"], expected)
    data.set_epoch(1)
    assert not torch.equal(data[0]["points"], alone[0])
