"""Which data set lies in a folder: each known one in its true layout, from small files."""

from __future__ import annotations

import json
import pickle
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from nvc3d.data import registry
from nvc3d.data.registry import Wanted, find
from nvc3d.files import write_cloud
from nvc3d.tasks.classification.config import ClassificationConfig
from nvc3d.tasks.classification.data import data as data_of_classification
from nvc3d.tasks.completion.config import CompletionConfig
from nvc3d.tasks.completion.data import data as data_of_completion
from nvc3d.tasks.segmentation.config import SegmentationConfig
from nvc3d.tasks.segmentation.data import data as data_of_segmentation

PLANE, CHAIR = "02691156", "03001627"
OFF = "OFF\n4 4 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def cloud(path: Path, seed: int = 0, **columns: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cloud(path, points(40, seed), **columns)


def names(items: object) -> set[str]:
    return {items[i]["name"] for i in range(len(items))}  # type: ignore[arg-type, index]


# --- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["{kind}/{split}/{name}.off", "{split}/{kind}/{name}.off"])
def test_folders_of_splits_are_splits(tmp_path: Path, layout: str) -> None:
    """ModelNet40's own layout, and that of many others."""
    for kind in ("chair", "night_stand", "train"):
        for number, split in enumerate(("train", "train", "test")):
            file = layout.format(kind=kind, split=split, name=f"{kind}_{number:04d}")
            text(tmp_path / file, OFF)
    config = ClassificationConfig(data=str(tmp_path), points=20)
    splits = data_of_classification(config)
    assert splits.vocabulary.groups == ("chair", "night_stand", "train")
    assert (len(splits.train), len(splits.val)) == (6, 3)
    assert all(Path(name).stem.endswith("_0002") for name in names(splits.val))
    measured = data_of_classification(ClassificationConfig(data=str(tmp_path), holdout=1.0))
    assert len(measured.train) == 0 and names(measured.val) == names(splits.val)
    pairs = data_of_completion(CompletionConfig(data=str(tmp_path), views=1))
    assert (len(pairs.train), len(pairs.val)) == (6, 3)


def test_a_folder_called_after_a_split_beside_categories_is_refused(tmp_path: Path) -> None:
    for name in ("chair/a.ply", "lamp/b.ply", "train/c.ply"):
        cloud(tmp_path / name)
    with pytest.raises(ValueError, match=r"train is called after a split .* categories .chair"):
        data_of_completion(CompletionConfig(data=str(tmp_path)))


def test_a_split_that_holds_a_part_only_is_refused(tmp_path: Path) -> None:
    for name in ("chair/a.ply", "chair/b.ply", "test/chair/c.ply"):
        cloud(tmp_path / name)
    with pytest.raises(ValueError, match=r"test/chair/c.ply lies in a folder called after a split"):
        data_of_completion(CompletionConfig(data=str(tmp_path)))


def test_val_is_measured_on_where_there_is_no_test(tmp_path: Path) -> None:
    for name in ("Training/a.ply", "Training/b.ply", "Validation/c.ply"):
        cloud(tmp_path / name)
    splits = data_of_completion(CompletionConfig(data=str(tmp_path), views=1))
    assert names(splits.val) == {"Validation/c.ply"} and len(splits.train) == 2
    cloud(tmp_path / "test" / "d.ply")
    (tmp_path / "Training" / "a.ply").unlink()
    (tmp_path / "Training" / "b.ply").unlink()
    (tmp_path / "Training").rmdir()
    with pytest.raises(ValueError, match="none called train"):
        data_of_completion(CompletionConfig(data=str(tmp_path)))


def modelnet_text(root: Path) -> None:
    for variant in ("modelnet40", "modelnet10"):
        text(root / f"{variant}_shape_names.txt", "airplane\nnight_stand\n")
        text(root / f"{variant}_train.txt", "airplane_0001\nnight_stand_0001\n")
        text(root / f"{variant}_test.txt", "night_stand_0002\n")
    for seed, name in enumerate(("airplane_0001", "night_stand_0001", "night_stand_0002")):
        rows = np.c_[points(30, seed), points(30, 9)]
        path = root / name.rpartition("_")[0] / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        np.savetxt(path, rows, "%.6f", ",")


def scanobjectnn(root: Path) -> None:
    for part in ("training", "test"):
        with h5py.File(root / f"{part}_objectdataset.h5", "w") as file:
            file["data"] = np.stack([points(30, seed) for seed in range(3)])
            file["label"] = np.array([4, 0, 14])
            file["mask"] = np.zeros((3, 30), np.int64)


def sydney(root: Path) -> None:
    record = struct.Struct("<qBBfffffi")
    for fold in range(3):
        listed = [f"{kind}.0.{fold}.bin" for kind in ("car", "tree")]
        text(root / "folds" / f"fold{fold}.txt", "\n".join(listed) + "\n")
        for seed, name in enumerate(listed):
            rows = [record.pack(1, 2, 3, *row, 0.1, 5, 7) for row in points(25, seed).tolist()]
            (root / "objects").mkdir(exist_ok=True)
            (root / "objects" / name).write_bytes(b"".join(rows))


@pytest.mark.parametrize(
    ("make", "name", "sizes", "categories"),
    [
        (modelnet_text, "ModelNet40, text", (2, 1), ("airplane", "night_stand")),
        (scanobjectnn, "ScanObjectNN", (3, 3), ("bag", "bin")),
        (sydney, "Sydney Urban Objects", (4, 2), ("car", "tree")),
    ],
)
def test_sets_of_shapes_keep_their_split(
    tmp_path: Path,
    make: Callable[[Path], None],
    name: str,
    sizes: tuple[int, int],
    categories: tuple[str, ...],
) -> None:
    make(tmp_path)
    known = find(tmp_path, "shapes", "parts")
    assert known is not None and known.name.startswith(name)
    splits = data_of_classification(ClassificationConfig(data=str(tmp_path), points=20))
    assert (len(splits.train), len(splits.val)) == sizes
    assert splits.vocabulary.groups[:2] == categories
    item = splits.val[0]
    assert (
        item["points"].shape == (20, 3)
        and torch.linalg.vector_norm(item["points"], dim=1).max() <= 1
    )
    # The same for other tasks that take shapes.
    assert len(data_of_completion(CompletionConfig(data=str(tmp_path))).val) == sizes[1]


def test_shapes_stand_upright(tmp_path: Path) -> None:
    sydney(tmp_path)
    known = find(tmp_path, "shapes")
    assert known is not None
    loaded = known.open(tmp_path, True, Wanted()).load(0, np.random.default_rng(0))
    assert np.allclose(loaded.points, points(25) * [1, -1, -1])


def test_versions_of_scanobjectnn_are_told_apart(tmp_path: Path) -> None:
    home = tmp_path / "main_split"
    home.mkdir()
    scanobjectnn(home)
    with pytest.raises(ValueError, match=r"it is .*main_split that holds ScanObjectNN"):
        find(tmp_path, "shapes")
    for part in ("training", "test"):
        (home / f"{part}_objectdataset.h5").rename(home / f"{part}_objectdataset_a.h5")
    (home / "training_objectdataset_b.h5").write_bytes(b"")
    config = ClassificationConfig(data=str(home), points=20)
    with pytest.raises(ValueError, match=r"several versions .*: give one of them, training_o"):
        data_of_classification(config)
    config = ClassificationConfig(data=str(home / "training_objectdataset_a.h5"), points=20)
    assert names(data_of_classification(config).val) == {
        f"test_objectdataset_a/{i}" for i in range(3)
    }


# --- parts ----------------------------------------------------------------------------------------


@pytest.fixture
def apart(tmp_path: Path) -> Path:
    """ShapeNetPart with points and labels in files of their own."""
    text(tmp_path / "synsetoffset2category.txt", "Cap\t02954340\nBag\t02773838\n")
    listed = []
    for synset in ("02954340", "02773838"):
        for number in range(4):
            (tmp_path / synset / "points").mkdir(parents=True, exist_ok=True)
            np.savetxt(tmp_path / synset / "points" / f"{number}.pts", points(30, number), "%.5f")
            labels = "\n".join(map(str, [0, *[1, 2] * 14, 1]))
            text(tmp_path / synset / "points_label" / f"{number}.seg", labels + "\n")
            listed.append(f"shape_data/{synset}/{number}")
    for split, part in (("train", listed[1:]), ("test", listed[:1])):
        path = tmp_path / "train_test_split" / f"shuffled_{split}_file_list.json"
        text(path, json.dumps(part))
    return tmp_path


def test_parts_apart_from_points(apart: Path) -> None:
    config = SegmentationConfig(data=str(apart), points=30, augment=False)
    splits = data_of_segmentation(config)
    assert (len(splits.train), len(splits.val)) == (7, 1)
    assert splits.vocabulary.of_group == {"Bag": (4, 5), "Cap": (6, 7)}
    parts = splits.val[0]["point_labels"]
    assert sorted(set(parts.tolist())) == [-1, 6, 7] and int((parts == -1).sum()) == 1
    for file in (apart / "train_test_split").iterdir():
        file.unlink()
    with pytest.warns(UserWarning, match="without train_test_split/, 0.1 of the shapes are"):
        splits = data_of_segmentation(config)
    assert len(splits.train) + len(splits.val) == 8 and not names(splits.train) & names(splits.val)
    # Classified, too, by their categories.
    splits = data_of_classification(ClassificationConfig(data=str(apart), points=20, holdout=1.0))
    assert splits.vocabulary.groups == ("Bag", "Cap") and len(splits.val) == 8


def test_parts_with_faults(apart: Path) -> None:
    path = apart / "02954340" / "points_label" / "0.seg"
    text(path, "3\n" * 30)
    with pytest.raises(ValueError, match=r"0.seg: expected 30 numbers from 0 to 2, got 30 from 3"):
        data_of_segmentation(SegmentationConfig(data=str(apart), holdout=1.0))
    path.unlink()
    with pytest.raises(ValueError, match="names 1 of 1 shapes that are not there"):
        data_of_segmentation(SegmentationConfig(data=str(apart), holdout=1.0))


def test_parts_of_ones_own_have_names_and_points_without_labels(tmp_path: Path) -> None:
    for number in range(4):
        labels = np.random.default_rng(number).permutation(np.r_[[255] * 8, [0] * 16, [7] * 16])
        np.savez(tmp_path / f"{number}.npz", points=points(40, number), labels=labels)
    config = SegmentationConfig(data=str(tmp_path), points=40, holdout=0.25)
    vocabulary = data_of_segmentation(config).vocabulary
    assert vocabulary.of_group == {"shape": (0, 7)} and vocabulary.labels[7] == "shape 7"
    text(tmp_path / "classes.txt", "0 body\n7: wing\n255 nothing\n")
    splits = data_of_segmentation(config)
    assert splits.vocabulary.labels[0] == "shape body"
    assert splits.vocabulary.labels[7] == "shape wing"
    assert set(splits.val[0]["point_labels"].tolist()) == {-1, 0, 7}
    text(tmp_path / "classes.txt", "body\nwing\n")
    with pytest.raises(
        ValueError, match=r"left out 4 of 4 .*labels with names must be from 0 to 1, got 7"
    ):
        data_of_segmentation(config)


# --- pairs ----------------------------------------------------------------------------------------


def test_pcn_without_its_list(tmp_path: Path) -> None:
    root = tmp_path / "PCN"
    for split, shapes in (("train", "ab"), ("test", "c")):
        for seed, name in enumerate(shapes):
            for synset in (PLANE, CHAIR):
                cloud(root / split / "complete" / synset / f"{name}.pcd", seed)
                for view in range(3 if split == "train" else 1):
                    folder = root / split / "partial" / synset / name
                    cloud(folder / f"{view:02d}.pcd", 10 + view)
    splits = data_of_completion(CompletionConfig(data=str(root)))
    assert splits.vocabulary.groups == ("airplane", "chair")
    assert (len(splits.train), len(splits.val)) == (4, 2)
    assert names(splits.val) == {f"{PLANE}/c", f"{CHAIR}/c"}
    with pytest.raises(ValueError, match=r"holds pairs in folders.*for completion; here shapes"):
        data_of_classification(ClassificationConfig(data=str(root)))
    with pytest.raises(ValueError, match=r"it is .* that holds pairs in folders"):
        find(tmp_path, "pairs")


def test_pairs_of_ones_own(tmp_path: Path) -> None:
    for number in range(5):
        cloud(tmp_path / "Partial" / f"{number}.ply", number)
        cloud(tmp_path / "GT" / f"{number}.npy", number)
    cloud(tmp_path / "GT" / "alone.npy")
    with pytest.warns(UserWarning, match=r"1 clouds have no other half: GT/alone.npy"):
        splits = data_of_completion(CompletionConfig(data=str(tmp_path), holdout=0.4))
    assert (len(splits.train), len(splits.val)) == (3, 2)
    item = splits.val[0]
    seed = int(item["name"])
    known = {tuple(row) for row in points(40, seed).tolist()}
    assert {tuple(row) for row in item["complete"].tolist()} <= known
    for path in (tmp_path / "GT").iterdir():
        path.rename(path.with_name(f"whole_{path.name}"))
    with pytest.raises(ValueError, match="the two of a pair must have the same name"):
        data_of_completion(CompletionConfig(data=str(tmp_path)))


# --- the registry ---------------------------------------------------------------------------------


def test_a_folder_that_could_be_two_is_refused(tmp_path: Path) -> None:
    modelnet_text(tmp_path)
    scanobjectnn(tmp_path)
    with pytest.raises(ValueError, match=r"could be ModelNet40, text .* or ScanObjectNN"):
        find(tmp_path, "shapes")


def test_the_documentation_has_the_tables(request: pytest.FixtureRequest) -> None:
    page = (request.config.rootpath / "docs" / "data.md").read_text()
    for gives in registry.GIVES:
        assert registry.table([gives]) in page, f"docs/data.md lacks the table of {gives}"


def test_real_sets(data_dir: Path) -> None:
    sets = {"sydney_urban": ("shapes", (301, 132)), "semantickitti": ("scenes", None)}
    for folder, (gives, sizes) in sets.items():
        if not (data_dir / folder).is_dir():
            continue
        known = find(data_dir / folder, gives)  # type: ignore[arg-type]
        assert known is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = [
                known.open(data_dir / folder, t, Wanted(points=256, block=10))
                for t in (True, False)
            ]
        assert sizes is None or (len(parts[0]), len(parts[1])) == sizes
        item = pickle.loads(pickle.dumps(parts[0]))[0]
        assert torch.equal(item["points"], parts[0][0]["points"])
