"""Data sets of scenes as they are handed out, and scenes of one's own."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

from nvc3d.data.registry import Wanted, find
from nvc3d.data.scenes import LabelledScenes, dealt, find_scenes, open_scene
from nvc3d.data.scenes.annotated import AnnotatedRooms
from nvc3d.data.scenes.kitti_frames import KittiFrames
from nvc3d.data.scenes.scannet_scans import ScanNetScans
from nvc3d.files import read_shape, write_cloud
from nvc3d.tasks.segmentation.config import SegmentationConfig
from nvc3d.tasks.segmentation.data import data as data_of_segmentation

WANTED = Wanted(points=64, block=1.0, holdout=0.4)


def opened(root: Path, wanted: Wanted = WANTED) -> tuple[LabelledScenes, LabelledScenes]:
    known = find(root, "scenes") or pytest.fail("not recognised")
    return known.open(root, True, wanted), known.open(root, False, wanted)


def names(data: LabelledScenes) -> set[str]:
    return {data.name(i) for i in range(len(data))}


def xyz(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 3)) * [3, 2, 1]


def annotated(room: Path, things: list[str], seed: int = 0, count: int = 200) -> None:
    folder = room / "Annotations"
    folder.mkdir(parents=True)
    for number, thing in enumerate(things):
        rows = np.c_[xyz(count, seed + number), np.full((count, 3), 10 * number)]
        np.savetxt(folder / f"{thing}.txt", rows, ["%.3f"] * 3 + ["%d"] * 3)
    rows = xyz(5)
    np.savetxt(room / f"{room.name}.txt", rows, "%.3f")


def test_s3dis_as_text(tmp_path: Path) -> None:
    for area in (1, 5):
        things = ["ceiling_1", "chair_1", "chair_12", "stairs_1"]
        annotated(tmp_path / f"Area_{area}" / "office_1", things, area)
    train, test = opened(tmp_path)
    assert isinstance(train, AnnotatedRooms) and len(train.classes) == 13
    assert names(train) == {"Area_1/office_1"} and names(test) == {"Area_5/office_1"}
    scene = next(train.scenes())
    rows = scene.read(0, scene.count)
    ceiling, chair, clutter = (train.classes.index(n) for n in ("ceiling", "chair", "clutter"))
    expected = np.repeat([ceiling, chair, chair, clutter], 200)
    assert rows.labels is not None and (rows.labels == expected).all()
    assert rows.colors is not None and (rows.colors[:, 0] == np.repeat([0, 10, 20, 30], 200)).all()
    assert np.allclose(rows.points[:200], xyz(200, 1), atol=1e-3)
    item = pickle.loads(pickle.dumps(train))[0]
    assert item["features"].shape == (64, 6)


def test_a_forest_laid_out_like_s3dis_keeps_its_own_classes(tmp_path: Path) -> None:
    for number in range(5):
        annotated(tmp_path / "Area_1" / f"plot_{number}", ["tree_1", "fern", "deadwood_2"], number)
    train, test = opened(tmp_path)
    assert train.classes == ("deadwood", "fern", "tree") and train.categories == ("Area_1",)
    assert (len(names(train)), len(names(test))) == (3, 2) and not names(train) & names(test)
    splits = data_of_segmentation(SegmentationConfig(data=str(tmp_path), points=64))
    assert splits.vocabulary.labels == train.classes


def test_a_broken_row_is_named_and_left_out(tmp_path: Path) -> None:
    for area in (1, 5):
        annotated(tmp_path / f"Area_{area}" / "hallway_6", ["ceiling_1", "wall_1"])
    broken = tmp_path / "Area_5" / "hallway_6" / "Annotations" / "ceiling_1.txt"
    lines = broken.read_bytes().split(b"\n")
    lines[120] = lines[120].replace(b".", b"\x10", 1)
    broken.write_bytes(b"\n".join(lines))
    with pytest.warns(UserWarning, match=r"ceiling_1.txt: left out, 1 of 200 rows .*: row 121 \("):
        _, test = opened(tmp_path)
    assert next(test.scenes()).count == 399
    broken.write_bytes(b"\n".join([b"a b c", *lines[:50], b"1 2", *lines[50:], b"x"]))
    with pytest.raises(ValueError, match=r"ceiling_1.txt: 4 of 203 rows are not 6 numbers"):
        opened(tmp_path)


def test_text_of_other_systems_is_read_in_s3dis_too(tmp_path: Path) -> None:
    for area in (1, 5):
        annotated(tmp_path / f"Area_{area}" / "hallway_6", ["ceiling_1", "wall_1"])
    changed = tmp_path / "Area_5" / "hallway_6" / "Annotations" / "ceiling_1.txt"
    lines = changed.read_text().split("\n")
    lines[3] = "-nan(ind) " + lines[3].split(" ", 1)[1]
    changed.write_bytes("\r".join(lines).encode("utf-16"))
    with pytest.warns(UserWarning, match=r"hallway_6: left out 1 of 400 points that are") as told:
        _, test = opened(tmp_path)
    assert len(told) == 1
    rows = next(test.scenes()).read(0, 399)
    assert np.allclose(rows.points[:4], xyz(200, 0)[[0, 1, 2, 4]], atol=1e-3)


def test_without_area_5_rooms_are_dealt_with_a_word(tmp_path: Path) -> None:
    for number in range(4):
        annotated(tmp_path / "Area_2" / f"office_{number}", ["wall_1"], number)
    with pytest.warns(UserWarning, match="it has no Area_5, .* 0.4 of the rooms .* instead"):
        train, test = opened(tmp_path)
    assert len(names(train)) == len(names(test)) == 2 and not names(train) & names(test)


def scan(folder: Path, labels: np.ndarray | None, seed: int = 0) -> None:
    folder.mkdir(parents=True)
    color = np.zeros((300, 3), np.uint8)
    write_cloud(folder / f"{folder.name}_vh_clean_2.ply", xyz(300, seed), color)
    if labels is not None:
        write_cloud(folder / f"{folder.name}_vh_clean_2.labels.ply", xyz(300, seed), color, labels)


def test_scannet_as_meshes(tmp_path: Path) -> None:
    labels = np.resize([0, 1, 2, 13, 39, 40], 300)
    for number in range(3):
        scan(tmp_path / "scans" / f"scene000{number}_00", labels, number)
    scan(tmp_path / "scans" / "scene0009_00", None)
    for split, listed in (("train", "scene0000_00\nscene0002_00\n"), ("val", "scene0001_00\n")):
        (tmp_path / f"scannetv2_{split}.txt").write_text(listed)
    train, val = opened(tmp_path)
    assert isinstance(train, ScanNetScans) and len(train.classes) == 20
    assert names(train) == {"train/scene0000_00", "train/scene0002_00"}
    assert names(val) == {"val/scene0001_00"}
    scene = next(val.scenes())
    found = scene.read(0, scene.count).labels
    assert found is not None
    wall, cabinet, other = 0, 2, 19
    assert found[:6].tolist() == [-1, wall, 1, -1, other, -1] and cabinet not in found
    assert val[0]["features"].shape == (64, 6)


def test_scannet_from_segments_and_without_lists(tmp_path: Path) -> None:
    for room in range(3):
        for number in range(2):
            folder = tmp_path / "scans" / f"scene000{room}_0{number}"
            scan(folder, None)
            segments = {"segIndices": np.repeat([3, 8, 20], 100).tolist()}
            name = folder / f"{folder.name}_vh_clean_2.0.010000.segs.json"
            name.write_text(json.dumps(segments))
            things = [{"label": "office chair", "segments": [3]}, {"label": "x", "segments": [20]}]
            (folder / f"{folder.name}.aggregation.json").write_text(
                json.dumps({"segGroups": things})
            )
    with (
        pytest.warns(UserWarning, match="without scannetv2_train.txt"),
        pytest.raises(ValueError, match=r"need scannetv2-labels.combined.tsv"),
    ):
        opened(tmp_path)
    table = "id\traw_category\tnyu40id\n1\toffice chair\t5\n2\tx\t\n"
    (tmp_path / "scannetv2-labels.combined.tsv").write_text(table)
    with pytest.warns(UserWarning, match="without scannetv2_train.txt"):
        train, val = opened(tmp_path)
    found = next(train.scenes()).read(0, 300).labels
    assert found is not None and found.tolist() == [4] * 100 + [-1] * 200
    rooms = [{name[:9] for name in names(part)} for part in (train, val)]
    assert not rooms[0] & rooms[1] and len(rooms[0] | rooms[1]) == 3


def frame(root: Path, name: str, labels: np.ndarray | None = None, seed: int = 0) -> Path:
    path = root / "sequences" / name[:2] / "velodyne" / f"{name[3:]}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    np.c_[rng.normal(size=(500, 3)) * [9, 9, 1], rng.random(500)].astype("<f4").tofile(path)
    if labels is not None:
        (path.parents[1] / "labels").mkdir(exist_ok=True)
        (np.resize(labels, 500).astype("<u4") | np.uint32(7 << 16)).tofile(
            path.parents[1] / "labels" / f"{path.stem}.label"
        )
    return path


def test_semantickitti_frames(tmp_path: Path) -> None:
    stored = np.array([0, 10, 252, 40, 99, 81])
    for name in ("00/000000", "00/000012", "08/000000"):
        frame(tmp_path, name, stored)
    frame(tmp_path, "00/000024")
    frame(tmp_path, "11/000000")
    with pytest.warns(UserWarning, match=r"left out 1 frames without labels: .*00/velodyne/000024"):
        train, val = opened(tmp_path, Wanted(points=64, block=8))
    assert isinstance(train, KittiFrames) and len(train.classes) == 19
    assert names(train) == {"00/000000", "00/000012"} and names(val) == {"08/000000"}
    car, road, sign = (train.classes.index(n) for n in ("car", "road", "traffic-sign"))
    scene = train.open(tmp_path / "sequences/00/velodyne/000000.bin")
    rows = scene.read(0, 500)
    assert rows.labels is not None and rows.labels[:6].tolist() == [-1, car, car, road, -1, sign]
    assert (rows.columns["instance"] == 7).all() and rows.columns["intensity"].max() <= 1
    (tmp_path / "sequences/08/labels/000000.label").write_bytes(b"\0" * 8)
    with pytest.raises(ValueError, match=r"000000.label: expected 500 labels, got 2"):
        opened(tmp_path, Wanted(points=64, block=8))


def test_frames_of_one_sequence_are_dealt_with_a_word(tmp_path: Path) -> None:
    for number in range(3):
        frame(tmp_path, f"00/00000{number}", np.array([40]), number)
    with pytest.warns(UserWarning, match="without sequence 08 .* frames, which are much alike"):
        train, val = opened(tmp_path, Wanted(points=64, block=8))
    assert not names(train) & names(val)


def test_a_laser_frame_is_a_cloud(tmp_path: Path) -> None:
    path = frame(tmp_path, "00/000000")
    shape = read_shape(path)
    assert len(shape) == 500 and shape.columns["intensity"].shape == (500,)  # type: ignore[arg-type, union-attr]
    scene = open_scene(path)
    assert scene.count == 500 and not scene.has_labels
    rng = np.random.default_rng(0)
    rows = np.c_[rng.normal(size=(80, 3)), rng.integers(0, 256, 80), rng.integers(0, 32, 80)]
    nuscenes = tmp_path / "LIDAR_TOP.pcd.bin"
    rows.astype("<f4").tofile(nuscenes)
    shape = read_shape(nuscenes)
    assert np.allclose(shape.points, rows[:, :3], atol=1e-5)  # type: ignore[union-attr]
    assert (shape.columns["ring"] == rows[:, 4]).all()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 15,
        np.random.default_rng(0).bytes(1600),
        np.full((10, 4), 1e5, "<f4").tobytes(),
        np.full((10, 4), -1, "<f4").tobytes(),
        np.arange(1, 200, dtype="<i4").tobytes()[:640],
        np.full((10, 4), np.nan, "<f4").tobytes(),
    ],
)
def test_other_bytes_are_no_frame(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model.bin: its \d+ bytes are no "):
        read_shape(path)


# --- scenes of one's own --------------------------------------------------------------------------


def own(path: Path, seed: int = 0, scale: float = 1, labels: object = (0, 1, 2)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.resize(np.asarray(labels), 2000)
    np.savez(path, points=xyz(2000, seed) * scale, labels=values)


def test_blocks_of_single_points_are_refused_with_a_width_that_fits(tmp_path: Path) -> None:
    for number in range(3):
        own(tmp_path / f"{number}.npz", number, scale=1000)
    said = r"2999 x 1999 x 99.*may be millimetres; --block \d+ would hold about 64"
    with pytest.raises(ValueError, match=said) as error:
        dealt(tmp_path, 0.4, 64, 1.5)
    width = float(str(error.value).split("--block ")[1].split()[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, _ = dealt(tmp_path, 0.4, 64, width)
    assert train is not None
    with pytest.warns(UserWarning, match="most blocks 200 wide hold 13 of the points"):
        dealt(tmp_path, 0.4, 64, 200)
    with pytest.warns(UserWarning, match="times as wide as the scenes"):
        dealt(tmp_path, 0.4, 64, 1e6)


def test_scenes_in_folders_of_splits(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "val/c"):
        own(tmp_path / f"{name}.npz")
    train, val = dealt(tmp_path, 0.1, 64, 1.0)
    assert train is not None
    assert names(train) == {"train/a.npz", "train/b.npz"} and names(val) == {"val/c.npz"}


def test_one_scene_alone_is_refused(tmp_path: Path) -> None:
    own(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"one labelled scene only, a\.npz: nothing would be"):
        dealt(tmp_path, 0.1, 64, 1.0)
    assert dealt(tmp_path, 1.0, 64, 1.0)[0] is None


def test_names_of_labels_come_along(tmp_path: Path) -> None:
    own(tmp_path / "a.npz", labels=[0, 7, 255, -1])
    own(tmp_path / "b.npz", labels=[0, 1])
    assert find_scenes(tmp_path)[1] == tuple(f"label {i}" for i in range(8))
    (tmp_path / "labels.json").write_text(json.dumps({"0": "floor", "7": "wall", "255": "none"}))
    assert find_scenes(tmp_path)[1][::7] == ("floor", "wall")
    (tmp_path / "labels.json").write_text(json.dumps(["floor", "wall"]))
    with pytest.warns(UserWarning, match=r"left out 1 of 2 .*a.npz: labels with names are from"):
        places, classes = find_scenes(tmp_path)
    assert [place.name for place in places] == ["b.npz"] and classes == ("floor", "wall")
    (tmp_path / "classes.txt").write_text("ground\nwall\n")
    with pytest.raises(ValueError, match=r"classes.txt and labels.json name labels differ"):
        find_scenes(tmp_path)
    (tmp_path / "labels.json").unlink()
    (tmp_path / "classes.txt").write_text("0 1 2 3 4 5\n")
    with pytest.warns(UserWarning, match=r"are not used: .*classes.txt: expected a name a line"):
        assert len(find_scenes(tmp_path)[1]) == 8


def test_labels_that_are_no_classes_are_refused(tmp_path: Path) -> None:
    own(tmp_path / "a.npz", labels=[0, 100_000])
    with pytest.raises(ValueError, match=r"a.npz: labels of classes must be from 0 to 1000, got 1"):
        find_scenes(tmp_path)


def test_a_scene_that_is_read_as_a_whole_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        own(tmp_path / f"{number}.npz", number)
    train, _ = dealt(tmp_path, 0.4, 64, 1.0)
    assert train is not None
    item = train[0]
    for file in tmp_path.iterdir():
        file.unlink()
    copy = pickle.loads(pickle.dumps(train))
    assert (copy[0]["points"] == item["points"]).all()
    home = train._kept._home
    assert home is not None and home.is_dir()
    del copy, train, _
    assert not home.exists()
