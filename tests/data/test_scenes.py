"""Labelled scenes: the layouts they come in, blocks of them, and votes on every point."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from nvc3d.data.registry import Wanted, find
from nvc3d.data.scenes import (
    S3DIS,
    LabelledScenes,
    ScanNet,
    Scene,
    cells,
    dealt,
    find_scenes,
    open_scene,
    survey,
    vote,
)
from nvc3d.data.scenes import votes as votes_module
from nvc3d.data.scenes.blocks import block_around
from nvc3d.data.scenes.scene import of_cloud
from nvc3d.files import write_cloud
from nvc3d.geometry import Cloud


def room(count: int = 3000, seed: int = 0, classes: int = 13) -> np.ndarray:
    """Rows x y z r g b label of a room of 3 by 2 by 1; red tells the label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=(count, 1))
    colors = np.concatenate([labels * 10, rng.integers(256, size=(count, 2))], 1)
    return np.concatenate([rng.random((count, 3)) * [3, 2, 1], colors, labels], 1)


def with_value(rows: np.ndarray, column: int, value: float) -> np.ndarray:
    """The rows with another value in one place."""
    rows[7, column] = value
    return rows


def as_folder(folder: Path, rows: np.ndarray, segment: str = "segment.npy") -> Path:
    folder.mkdir(parents=True)
    np.save(folder / "coord.npy", rows[:, :3].astype(np.float32))
    np.save(folder / "color.npy", rows[:, 3:6].astype(np.uint8))
    np.save(folder / segment, rows[:, 6:].astype(np.int16))
    return folder


def opened(
    root: Path, points: int, size: float, holdout: float = 0.1
) -> tuple[LabelledScenes, LabelledScenes]:
    """What the data set in a folder is trained on, and what it is measured on."""
    known = find(root, "scenes") or pytest.fail("not recognised")
    wanted = Wanted(points=points, block=size, holdout=holdout)
    return known.open(root, True, wanted), known.open(root, False, wanted)


@pytest.fixture
def s3dis(tmp_path: Path) -> Path:
    """Area_1 and Area_5 with two rooms each, one of them in either form."""
    for area in (1, 5):
        np.save(tmp_path / f"Area_{area}_office_1.npy", room(seed=area))
        as_folder(tmp_path / f"Area_{area}" / "office_2", room(seed=area + 1))
    return tmp_path


def test_an_item_is_a_block_of_a_room(s3dis: Path) -> None:
    train, test = opened(s3dis, 256, 0.8)
    assert train.training and not test.training
    assert len(train) == 2 * (3000 // 256) and train.features == 6
    assert {train.name(i) for i in range(len(train))} == {"Area_1/office_1", "Area_1/office_2"}
    item = train[0]
    points, features, parts = item["points"], item["features"], item["point_labels"]
    assert points.dtype == features.dtype == torch.float32 and parts.dtype == torch.int64
    assert points.shape == (256, 3) and features.shape == (256, 6) and parts.shape == (256,)
    assert points[:, :2].abs().max() <= 0.4 + 1e-6 and points[:, 2].min() > -0.02
    assert features[:, :3].min() >= 0 and features[:, :3].max() <= 1
    assert features[:, 3:].min() > -0.02 and features[:, 3:].max() < 1.02
    assert torch.equal((features[:, 0] * 25.5).round().long(), parts)
    # Positions in the room and in the block differ by a shift.
    low, high = survey(of_cloud(Cloud(room(seed=2)[:, :3]))).inner  # of office_2, the first
    whole = features[:, 3:].double() * torch.tensor(high - low)
    assert (whole - points.double()).std(0).max() < 1e-5
    assert train.categories[int(test[0]["label"])] == "Area_5"


def test_items_are_new_in_each_epoch_of_training_only(s3dis: Path) -> None:
    train, test = opened(s3dis, 64, 1.0)
    before = train[3]["points"], test[3]["points"]
    assert torch.equal(train[3]["points"], before[0])
    for data in (train, test):
        data.set_epoch(1)
    assert not torch.equal(train[3]["points"], before[0])
    assert torch.equal(test[3]["points"], before[1])


def test_scannet(tmp_path: Path) -> None:
    rows = room(500, classes=20)
    rows[::3, 6], rows[1::3, 6] = -1, 255
    for split in ("train", "val"):
        as_folder(tmp_path / split / "scene0000_00", rows, "segment20.npy")
        as_folder(tmp_path / split / "scene0001_00", rows, "segment20.npy")
    train, _ = opened(tmp_path, 2000, 9.0)
    assert isinstance(train, ScanNet) and len(train.classes) == 20 and len(train) == 2
    item = train[0]  # all of the room and points of it again
    assert set(item["point_labels"].tolist()) == {-1} | set(rows[2::3, 6].astype(int).tolist())
    (tmp_path / "scannetv2_train.txt").write_text("scene0001_00\nscene0009_00\n")
    with pytest.warns(UserWarning, match=r"1 of 2 shapes that are not there: scene0009_00"):
        train = ScanNet(tmp_path, "train", 64)
    assert train.name(0) == "train/scene0001_00"
    with pytest.raises(ValueError, match="split must be one of train, val"):
        ScanNet(tmp_path, "test")


def test_scenes_of_ones_own(tmp_path: Path) -> None:
    rows = room(400, classes=4)
    xyz, rgb, labels = rows[:, :3], rows[:, 3:6].astype(np.uint8), rows[:, 6].astype(np.int64)
    write_cloud(tmp_path / "a.ply", xyz, rgb, labels)
    write_cloud(tmp_path / "b.npz", xyz, rgb, labels)
    np.save(tmp_path / "c.npy", np.asfortranarray(rows))
    as_folder(tmp_path / "site" / "d", rows)
    header = "ply\nformat ascii 1.0\nelement vertex 400\n"
    kinds = ["float x", "float y", "float z", "uchar red", "uchar green", "uchar blue", "int label"]
    lines = [" ".join(f"{value:.9g}" for value in row) for row in rows]
    text = header + "".join(f"property {kind}\n" for kind in kinds) + "end_header\n"
    (tmp_path / "e.ply").write_text(text + "\n".join(lines) + "\n")
    write_cloud(tmp_path / "unlabelled.ply", xyz)
    with pytest.warns(UserWarning, match=r"left out 1 of 6 scenes: .*unlabelled.ply: it has no"):
        places, classes = find_scenes(tmp_path)
    assert classes == ("label 0", "label 1", "label 2", "label 3")
    for place in places:
        read = open_scene(place.path).read(0, 400)
        assert np.allclose(read.points, xyz, atol=1e-6)
        assert read.colors is not None and (read.colors == rgb).all()
        assert read.labels is not None and (read.labels == labels).all()
    (tmp_path / "unlabelled.ply").unlink()
    train, held_out = dealt(tmp_path, 0.4, 128, 1.0)
    names = [{d.name(i) for i in range(len(d))} for d in (train, held_out) if d is not None]
    assert [len(part) for part in names] == [3, 2] and not names[0] & names[1]
    assert held_out[0]["features"].shape == (128, 6)
    nothing, everything = dealt(tmp_path, 1.0, 128, 1.0)
    assert nothing is None and len(everything) == 5 * 3


def test_a_scan_in_map_coordinates_keeps_its_details(tmp_path: Path) -> None:
    rows = room(500)
    moved = rows + np.array([4.5e6, 5.3e6, 400, 0, 0, 0, 0])
    items = []
    for name, values in (("here", rows), ("there", moved)):
        as_npy = tmp_path / f"{name}.npy"
        np.save(as_npy, values)
        places, classes = find_scenes(as_npy)
        items.append(LabelledScenes(places, classes, ("scene",), 200, 1.0, 0, True)[0])
    assert torch.equal(items[0]["point_labels"], items[1]["point_labels"])
    assert (items[0]["points"] - items[1]["points"]).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda r: with_value(r, 6, 13), "labels must be from 0 to 12.*got 13"),
        (lambda r: with_value(r, 6, -2), "labels must be 0 or more, or -1.*got -2"),
        (lambda r: with_value(r, 6, 0.5), "labels must be whole numbers"),
        (lambda r: with_value(r, 0, np.inf), "1 points or more are not finite"),
        (lambda r: with_value(r, 3, 256), "colours must be from 0 to 255"),
        (lambda r: r[:, :5], "it has no labels"),
        (lambda r: r[:0], r"N > 0, got \(0, 7\)"),
    ],
)
def test_a_broken_room_is_replaced_counted_and_named(s3dis: Path, spoil: object, said: str) -> None:
    np.save(s3dis / "Area_1_office_1.npy", spoil(room(seed=1)))  # type: ignore[operator]
    data = S3DIS(s3dis, ["Area_1"], 1024)
    with pytest.warns(UserWarning, match=rf"Area_1_office_1.npy: .*{said}.*stands in"):
        assert all(item["name"] == "Area_1/office_2" for item in (data[0], data[len(data) - 1]))
    assert list(data.broken) == ["Area_1/office_1"]


def test_faults_of_a_scene_are_told_in_a_sentence(s3dis: Path) -> None:
    office = s3dis / "Area_1" / "office_2"
    with pytest.raises(ValueError, match=r"areas must be among Area_1, .*, got Area_7"):
        S3DIS(s3dis, ["Area_1", "Area_7"])
    with pytest.raises(ValueError, match="it has no rooms of Area_2"):
        S3DIS(s3dis, ["Area_2"])
    np.save(office / "color.npy", np.zeros((2999, 3), np.uint8))
    with pytest.raises(ValueError, match=r"color.npy: expected 3000 rows as in coord.npy, got 299"):
        open_scene(office)
    np.save(office / "segment.npy", np.zeros((3000, 2)))
    with pytest.raises(ValueError, match=r"segment.npy: expected an array \(N,\) or \(N, 1\)"):
        open_scene(office)
    (office / "coord.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"no such file.*coord.npy"):
        open_scene(office)
    whole = s3dis / "Area_1_office_1.npy"
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"office_1.npy: .*truncated"):
        open_scene(whole)
    with pytest.raises(ValueError, match="none of the 2 scenes can be used"):
        S3DIS(s3dis, ["Area_1"])
    ply = s3dis / "scan.ply"
    write_cloud(ply, room()[:, :3])
    ply.write_bytes(ply.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"scan.ply: .*truncated"):
        open_scene(ply)
    np.savez(s3dis / "scan.npz", points=np.zeros((5, 3)), labels=np.zeros(4, int))
    with pytest.raises(ValueError, match=r"scan.npz: .*no extent"):
        open_scene(s3dis / "scan.npz")
    np.savez(s3dis / "scan.npz", points=np.eye(5)[:, :3], labels=np.zeros(4, int))
    with pytest.warns(UserWarning, match=r"scan.npz: left aside labels \(4,\).* each of 5 points"):
        assert not open_scene(s3dis / "scan.npz").has_labels


def votes(scene: Scene, predict: object, **options: object) -> tuple[np.ndarray, np.ndarray]:
    """All points of a scene as they are handed out, and their sums."""
    index, sums = zip(*vote(scene, predict, **options), strict=True)  # type: ignore[arg-type]
    return np.concatenate(index), np.concatenate(sums)


@pytest.mark.parametrize("shift", [0.0, 5e6])
@pytest.mark.parametrize(("size", "overlap", "points"), [(1.0, 2, 100), (0.7, 3, 50), (9.0, 1, 64)])
def test_every_point_is_voted_on_in_blocks(
    tmp_path: Path, size: float, overlap: int, points: int, shift: float
) -> None:
    rows = room(2000) + np.array([shift, 0, 0, 0, 0, 0, 0])
    np.save(tmp_path / "a.npy", rows)

    def predict(local: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        assert local.shape[1:] == (points, 3) and len(local) <= 8
        assert local[..., :2].abs().max() <= size / 2 + 1e-4 and local[..., 2].min() > -0.02
        label = (features[..., 0] * 25.5).round().long()
        return torch.nn.functional.one_hot(label, 13).float()

    scene = open_scene(tmp_path / "a.npy")
    index, sums = votes(scene, predict, points=points, size=size, overlap=overlap)
    assert (np.sort(index) == np.arange(2000)).all()
    assert (sums.argmax(1) == rows[index, 6]).all()
    # Away from the border each is in as many blocks as overlap there.
    middle = (np.abs(rows[index, :2] - [1.5 + shift, 1]) < [0.4, 0.3]).all(1)
    assert sums[middle].sum(1).min() >= (overlap**2 if size < 9 else 1)


def test_a_dense_block_is_looked_at_in_pieces_that_each_show_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "STRETCH", 128)
    monkeypatch.setattr(votes_module, "STRETCH", 128)
    rows = room(4000)[:, :3]
    rows[:3000, 0] *= 1 / 3  # dense on one side, so that cells are dealt to unlike many hands
    rows = rows[np.argsort(rows[:, 0])]
    np.save(tmp_path / "a.npy", rows)
    reach, largest = [], 0

    def predict(local: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        nonlocal largest
        largest = max(largest, len(local))
        reach.extend((local.amax(1) - local.amin(1))[:, :2].tolist())
        return torch.cat([features, torch.ones_like(features)], -1)

    scene = open_scene(tmp_path / "a.npy")
    options = {"points": 64, "size": 1.0, "with_colors": False}
    index, sums = votes(scene, predict, **options)
    assert (np.sort(index) == np.arange(4000)).all()
    # What was said of each point came back to it.
    known = survey(scene)
    assert np.allclose(sums[:, :3] / sums[:, 3:], known.positions(rows[index]), atol=1e-5)
    assert largest == 2  # 128 points at once
    assert np.quantile(reach, 0.01) > 0.7  # of blocks 1 wide


def test_votes_on_scenes_with_far_points_and_of_one_point(tmp_path: Path) -> None:
    rows = np.concatenate([room(100), room(100) + 1e6, [[-1e6, 3e5, 0, 0, 0, 0, 0]]])[:, :3]
    for points in (rows, rows[:1]):
        np.save(tmp_path / "a.npy", points)
        index, _ = votes(open_scene(tmp_path / "a.npy"), lambda p, f: p, with_colors=False)
        assert (np.sort(index) == np.arange(len(points))).all()
    with pytest.raises(ValueError, match="has no colours"):
        votes(open_scene(tmp_path / "a.npy"), lambda p, f: p)


def test_memory_does_not_grow_with_the_scene(tmp_path: Path) -> None:
    peaks: list[float] = []
    for count, length, width in ((1, 10, 5), (6, 30, 10), (6, 2, 2)):
        rows = np.random.default_rng(0).random((100_000 * count, 7)) * [length, width, *[1] * 5]
        rows[:, 6] = 0
        path = tmp_path / f"{len(peaks)}.npy"
        np.save(path, rows)
        del rows
        # It counts numpy's arrays, and not the pages of a file that is mapped.
        tracemalloc.start()
        for _ in vote(open_scene(path), lambda points, features: features):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1] / 1e6)
        tracemalloc.stop()
    # The longer and the denser one are 28 MB larger as they are stored.
    assert max(peaks) - peaks[0] < 12, peaks


def test_an_intensity_before_colours_is_not_taken_for_red(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colors, points = rng.integers(0, 256, (50, 3)), rng.random((50, 3))
    for intensity in (rng.random(50), rng.integers(0, 256, 50)):
        np.save(tmp_path / "a.npy", np.c_[points, intensity, colors])
        with pytest.raises(ValueError, match=r"a.npy: .*may be intensity r g b: name the columns"):
            open_scene(tmp_path / "a.npy")
    # Without a colour anywhere, or with points whose label is unknown, nothing is in doubt.
    for color, label in ((0 * colors, np.arange(50) % 13), (colors, np.full(50, 255))):
        np.save(tmp_path / "a.npy", np.c_[points, color, label])
        columns = open_scene(tmp_path / "a.npy").read(0, 50).columns
        assert np.array_equal(columns["label"], label) and np.array_equal(columns["color"], color)


def test_survey_reads_what_a_scene_spans(tmp_path: Path) -> None:
    rows = room(200)
    np.save(tmp_path / "a.npy", rows)
    known = survey(open_scene(tmp_path / "a.npy"))
    assert (known.low == rows[:, :3].min(0)).all() and (known.high == rows[:, :3].max(0)).all()
    assert known.brightest == 255 and known.classes == rows[:, 6].max() + 1
    np.savez(tmp_path / "b.npz", points=rows[:, :3], colors=rows[:, 3:6] / 255)
    assert survey(open_scene(tmp_path / "b.npz")).brightest == 255
    rows[:, 3:6] /= 255
    np.save(tmp_path / "c.npy", rows)
    assert survey(open_scene(tmp_path / "c.npy")).brightest == 1


def test_a_mirrored_point_below_the_ground_lifts_no_other() -> None:
    points = np.random.default_rng(0).random((2000, 3)) * [8.0, 8.0, 3.0]
    given = of_cloud(Cloud(points))
    mirrored = of_cloud(Cloud(np.concatenate([points, [[4.0, 4.0, -60.0], [90.0, -70.0, 1.0]]])))
    known, other = survey(given), survey(mirrored)
    assert other.low[2] == -60 and other.high[0] == 90  # the whole of it is voted on
    assert known.inner == pytest.approx(np.array([[0, 0, 0], [8, 8, 3]]), abs=0.1)
    assert other.inner == pytest.approx(known.inner, abs=0.05)
    block, same = block_around(given, known, 7, 2.0), block_around(mirrored, other, 7, 2.0)
    count = len(block.points)  # the point below is in this column or not
    assert same.points[:count] == pytest.approx(block.points, abs=0.05)
    assert same.features[:count] == pytest.approx(block.features, abs=0.02)
