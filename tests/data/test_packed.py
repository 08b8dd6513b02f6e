"""Data sets in shards: the same items as from the folder, bit for bit, for every kind there is."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_frames import write_msra
from packing import check_packed, cloud, equal
from tiny import call
from torch.utils.data import DataLoader

from nvc3d.data.folder import ShapeFolder
from nvc3d.data.grids import GridFolder
from nvc3d.data.packed.items import SET
from nvc3d.data.registry import Wanted, find
from nvc3d.data.shards import pack
from nvc3d.files import write_cloud
from nvc3d.tasks import TASKS

wds = pytest.importorskip("webdataset", reason="needs webdataset")
WANTED = Wanted(seed=3, holdout=0.3, points=50, partial_points=40, block=0.5)


def write_pairs(root: Path) -> None:
    """Six shapes of two categories, each seen from two sides."""
    for number in range(6):
        name = f"{'mug' if number % 2 else 'cup'}/{number}"
        for view in range(2):
            path = root / "partial" / name / f"{view}.ply"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_cloud(path, cloud(30 + view, 10 * number + view))
        path = root / "complete" / f"{name}.ply"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_cloud(path, cloud(90, number))


def write_rooms(root: Path) -> None:
    """Six rooms as S3DIS has them in text: points, colours, and things by their files."""
    for number in range(6):
        rng = np.random.default_rng(number)
        folder = root / "site" / f"hall_{number}" / "Annotations"
        folder.mkdir(parents=True)
        for thing in ("pump_1", "pipe_1"):
            rows = np.concatenate([rng.random((120, 3)), rng.integers(0, 256, (120, 3))], 1)
            np.savetxt(folder / f"{thing}.txt", rows, "%.3f")


def write_scenes(root: Path) -> None:
    """Five clouds with colours, labels and an attribute."""
    root.mkdir(exist_ok=True)
    for number in range(5):
        rng = np.random.default_rng(number)
        write_cloud(
            root / f"{number}.ply",
            cloud(300, number),
            rng.integers(0, 256, (300, 3)).astype(np.uint8),
            rng.integers(0, 3, 300),
            {"intensity": rng.random(300).astype(np.float32)},
        )


def write_parts(root: Path) -> None:
    """ShapeNetPart as text, with normals."""
    (root / "train_test_split").mkdir()
    (root / "02691156").mkdir()
    (root / "synsetoffset2category.txt").write_text("Airplane\t02691156\n")
    for split, names in (("train", "abc"), ("val", "d"), ("test", "ef")):
        listed = [f"shape_data/02691156/{name}" for name in names]
        path = root / "train_test_split" / f"shuffled_{split}_file_list.json"
        path.write_text(json.dumps(listed))
        for name in names:
            rng = np.random.default_rng(ord(name))
            rows = np.concatenate([rng.random((60, 6)), rng.integers(0, 4, (60, 1))], 1)
            np.savetxt(root / "02691156" / f"{name}.txt", rows, "%.5f")


def test_pairs(tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs")
    (tmp_path / "pairs" / "complete" / "mug" / "3.ply").write_bytes(b"ply\nno more")
    with pytest.warns(UserWarning, match="1 of 6 items cannot be read: mug/3"):
        said = check_packed("pairs", tmp_path / "pairs", tmp_path / "shards", WANTED)
    assert any("mug/3" in text and "stands in" in text for text in said)


def test_rooms(tmp_path: Path) -> None:
    write_rooms(tmp_path / "rooms")
    check_packed("scenes", tmp_path / "rooms", tmp_path / "shards", WANTED)


def test_parts(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    write_parts(tmp_path / "parts")
    check_packed("parts", tmp_path / "parts", tmp_path / "shards", WANTED)


def test_hands(tmp_path: Path) -> None:
    write_msra(tmp_path / "hands", 2)
    check_packed("hands", tmp_path / "hands", tmp_path / "shards", WANTED)
    known = find(tmp_path / "shards", "hands")
    assert known is not None
    frame = known.open(tmp_path / "shards", True, WANTED).read(0)
    assert frame.depth is not None and 0 < np.count_nonzero(frame.depth) == len(frame.points())


def test_grids_of_a_folder(tmp_path: Path) -> None:
    """Stacks, single ones and clouds; names of classes beside them."""
    folder, rng = tmp_path / "grids", np.random.default_rng(0)
    (folder / "box").mkdir(parents=True)
    np.savez(folder / "box" / "many.npz", voxels=rng.integers(0, 3, (4, 8, 8, 8)))
    np.save(folder / "box" / "one.npy", rng.integers(0, 3, (8, 8, 8)))
    write_cloud(folder / "box" / "cloud.ply", cloud(100, 0))
    np.save(folder / "box" / "wrong.npy", np.ones((7, 8, 8)))
    (folder / "classes.txt").write_text("empty\nwall\ndoor\n")
    pack(folder, tmp_path / "shards")
    found = []
    for root in (folder, tmp_path / "shards", tmp_path / "shards" / "000000.tar"):
        with pytest.warns(UserWarning, match=r"left out 1 of 7 grids: box/wrong.npy"):
            found.append(GridFolder(root, (8, 8, 8)))
    for other in found[1:]:
        assert other.classes == found[0].classes == ("wall", "door")
        for (grid, *known), (again, *same) in zip(found[0], other, strict=True):
            assert known == same and np.array_equal(grid, again)


def test_stacks_and_labels_of_shapes(tmp_path: Path) -> None:
    folder, rng = tmp_path / "shapes", np.random.default_rng(0)
    (folder / "box").mkdir(parents=True)
    np.savez(folder / "box" / "many.npz", voxels=rng.integers(0, 2, (3, 8, 8, 8)))
    write_cloud(folder / "box" / "a.ply", cloud(80, 1), labels=rng.integers(0, 4, 80))
    pack(folder, tmp_path / "shards")
    one, other = ShapeFolder(folder), ShapeFolder(tmp_path / "shards")
    assert len(one) == len(other) == 4
    for (shape, *known), (again, *same) in zip(one, other, strict=True):
        assert known == same
        for drawn, too in zip(
            shape.sample(50, np.random.default_rng(1)),
            again.sample(50, np.random.default_rng(1)),
            strict=True,
        ):
            assert np.array_equal(drawn, too)


def test_a_task_is_given_the_same_from_either(tmp_path: Path) -> None:
    """The command packs; a pattern names the shards, and workers read them."""
    folder, shards = tmp_path / "data", tmp_path / "shards"
    write_scenes(folder)
    assert call(f"pack {folder} --output {shards} --size 1 --holdout 0.3 --scenes") == 0
    task = TASKS["segmentation"]
    found = []
    for data, workers in ((folder, 0), (f"{shards}/{{000000..000000}}.tar", 1)):
        config = task.config(data=str(data), scenes=True, points=64, block=0.5, holdout=0.3)
        splits = task.splits(config)
        assert splits.vocabulary.labels == ("label 0", "label 1", "label 2")
        found.append([*DataLoader(splits.train, 4, num_workers=workers), *splits.val])
    assert all(equal(one, other) for one, other in zip(*found, strict=True))


def test_webdataset_alone_reads_them(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes")
    pack(tmp_path / "scenes", tmp_path / "shards", wanted=WANTED, scenes=True)
    found = {}
    for sample in wds.WebDataset(f"{tmp_path}/shards/000000.tar", shardshuffle=False).decode():
        assert sample["__key__"].split("/")[0] in ("train", "test")
        found[sample["json"]["name"]] = sample
    assert sorted(found) == [f"{number}.ply" for number in range(5)]
    assert np.array_equal(found["2.ply"]["coord.npy"], cloud(300, 2))
    assert set(found["2.ply"]) >= {"color.npy", "label.npy", "intensity.npy"}
    told = json.loads((tmp_path / "shards" / SET).read_text())
    assert told["gives"] == "scenes" and len(told["classes"]) == 3


def test_they_are_read_from_a_url(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    write_scenes(tmp_path / "scenes")
    pack(tmp_path / "scenes", tmp_path / "shards", wanted=WANTED, scenes=True)
    memory = fsspec.filesystem("memory")
    for path in (tmp_path / "shards").iterdir():
        memory.pipe(f"/scenes/{path.name}", path.read_bytes())
    known = find("memory://scenes/{000000..000000}.tar", "scenes")
    assert known is not None
    there = known.open(Path("memory://scenes/{000000..000000}.tar"), True, WANTED)
    here = known.open(tmp_path / "shards", True, WANTED)
    assert all(np.array_equal(here[i]["points"], there[i]["points"]) for i in range(len(here)))


def test_what_cannot_be_packed_or_read_is_told(tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes")
    pack(tmp_path / "scenes", tmp_path / "shards", wanted=WANTED, scenes=True)
    tar = tmp_path / "shards" / "000000.tar"
    whole = tar.read_bytes()
    known = find(tmp_path / "shards", "scenes")
    assert known is not None
    for cut in range(600, len(whole), len(whole) // 20):
        tar.write_bytes(whole[:cut])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                data = known.open(tmp_path / "shards", True, WANTED)
                [data[index] for index in range(len(data))]
            except ValueError:
                pass
    tar.write_bytes(whole)
    told = json.loads((tmp_path / "shards" / SET).read_text())
    changes: tuple[dict[str, Any], ...] = ({"halves": {}}, {"halves": 3}, {"categories": None})
    for change in changes:
        (tmp_path / "shards" / SET).write_text(json.dumps(told | change))
        with pytest.raises(ValueError, match=r"set.json is not of these shards"):
            known.open(tmp_path / "shards", True, WANTED)
