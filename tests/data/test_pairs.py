"""The data sets of completion, read from small files in their true layouts."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from nvc3d.data.pairs import (
    MVP,
    PCN,
    Completion3D,
    KittiCars,
    ShapeNet55,
    StoredPairs,
)
from nvc3d.data.pairs.shapenet55 import VIEWPOINTS, cut
from nvc3d.data.registry import Wanted, find
from nvc3d.data.shards import pack
from nvc3d.files import write_cloud
from nvc3d.tasks.completion import TASK, CompletionConfig
from nvc3d.tasks.completion.data import data as data_of_completion

PLANE, CHAIR = "02691156", "03001627"


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)


def write_h5(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


def write_pcd(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cloud(path, values)


@pytest.fixture
def pcn(tmp_path: Path) -> Path:
    """Two planes and a chair to train on, seen from 3 sides; one plane to test on."""
    listing = [
        {"taxonomy_id": PLANE, "taxonomy_name": "airplane", "train": ["a", "b"], "test": ["c"]},
        {"taxonomy_id": CHAIR, "taxonomy_name": "chair", "train": ["d"], "test": []},
    ]
    (tmp_path / "PCN.json").write_text(json.dumps(listing))
    for number, (synset, name) in enumerate([(PLANE, "a"), (PLANE, "b"), (CHAIR, "d")]):
        write_pcd(tmp_path / f"train/complete/{synset}/{name}.pcd", points(64, number))
        for view in range(3):
            path = tmp_path / f"train/partial/{synset}/{name}/{view:02d}.pcd"
            write_pcd(path, points(20, 10 * number + view) + 100)
    write_pcd(tmp_path / f"test/complete/{PLANE}/c.pcd", points(64, 7))
    write_pcd(tmp_path / f"test/partial/{PLANE}/c.pcd", points(20, 8))
    return tmp_path


@pytest.fixture
def completion3d(tmp_path: Path) -> Path:
    names = [f"{CHAIR}/x", f"{PLANE}/y"]
    for split in ("train", "val"):
        (tmp_path / f"{split}.list").write_text("\n".join(names) + "\n")
        for number, name in enumerate(names):
            write_h5(tmp_path / f"{split}/gt/{name}.h5", data=points(48, number))
            write_h5(tmp_path / f"{split}/partial/{name}.h5", data=points(48, number + 5))
    return tmp_path


@pytest.fixture
def mvp(tmp_path: Path) -> Path:
    """A lamp and an airplane, 26 views each."""
    partial = np.stack([points(16, view) for view in range(52)])
    complete = np.stack([points(32, 90), points(32, 91)])
    path = tmp_path / "MVP_Train_CP.h5"
    labels = np.repeat([4, 0], 26)
    write_h5(path, incomplete_pcds=partial, complete_pcds=complete, labels=labels)
    return path


@pytest.fixture
def shapenet(tmp_path: Path) -> Path:
    (tmp_path / "shapenet_pc").mkdir()
    (tmp_path / "ShapeNet-55").mkdir()
    names = [f"{PLANE}-a.npy", f"{CHAIR}-b.npy"]
    for number, name in enumerate(names):
        np.save(tmp_path / "shapenet_pc" / name, 3 * points(400, number) + 5)
    for split in ("train", "test"):
        (tmp_path / f"ShapeNet-55/{split}.txt").write_text("\n".join(names))
    return tmp_path


def test_pcn_pairs_a_view_with_its_shape(pcn: Path) -> None:
    data = PCN(pcn, "train", partial_points=20, complete_points=64)
    assert data.categories == ("airplane", "chair")
    assert [data.name(i) for i in range(len(data))] == [f"{PLANE}/a", f"{PLANE}/b", f"{CHAIR}/d"]
    item = data[2]
    assert item["label"] == 1 and item["name"] == f"{CHAIR}/d"
    assert same_points(item["complete"], points(64, 2))
    views = [points(20, 20 + view) + 100 for view in range(3)]
    assert any(same_points(item["partial"], view) for view in views)


def test_pcn_takes_all_views_in_training_and_the_first_one_in_test(pcn: Path) -> None:
    data = PCN(pcn, "train", partial_points=20)
    seen = set()
    for epoch in range(30):
        data.set_epoch(epoch)
        seen.add(tuple(np.sort(data[0]["partial"].numpy().ravel())[:3].tolist()))
    assert len(seen) == 3
    test = PCN(pcn, "test", partial_points=20)
    assert len(test) == 1
    assert same_points(test[0]["partial"], points(20, 8))


def test_pcn_of_some_categories(pcn: Path) -> None:
    data = PCN(pcn, "train", categories=["chair"])
    assert len(data) == 1 and data.categories == ("chair",) and data[0]["label"] == 0
    with pytest.raises(ValueError, match="no category boat; it has airplane, chair"):
        PCN(pcn, "train", categories=["boat"])


def test_pcn_with_faults(pcn: Path) -> None:
    with pytest.raises(ValueError, match="split must be one of train, val, test, got 'all'"):
        PCN(pcn, "all")
    with pytest.raises(FileNotFoundError, match=r"PCN\.json"):
        PCN(pcn / "train", "train")
    (pcn / f"train/complete/{PLANE}/b.pcd").unlink()
    with pytest.warns(UserWarning, match=r"names 1 of 3 shapes that are not there.*'b'"):
        assert len(PCN(pcn, "train")) == 2
    (pcn / "PCN.json").write_text('{"train": 3}')
    with pytest.raises(ValueError, match="expected a list of categories with taxonomy_id"):
        PCN(pcn, "train")


def test_completion3d(completion3d: Path) -> None:
    data = Completion3D(completion3d, "val", partial_points=48, complete_points=48)
    assert data.categories == ("airplane", "chair")
    assert [int(data[i]["label"]) for i in range(2)] == [1, 0]
    assert same_points(data[0]["complete"], points(48, 0))
    assert same_points(data[0]["partial"], points(48, 5))
    with pytest.raises(ValueError, match="split must be one of train, val, got 'test'"):
        Completion3D(completion3d, "test")
    (completion3d / "val.list").write_text("just-one-word")
    with pytest.raises(ValueError, match="expected lines <synset>/<id>, got 'just-one-word'"):
        Completion3D(completion3d, "val")


def test_mvp_pairs_26_views_with_each_shape(mvp: Path) -> None:
    data = MVP(mvp, training=False, partial_points=16, complete_points=32)
    assert len(data) == 52
    item = data[27]
    assert item["name"] == "MVP_Train_CP/1/1" and data.categories[item["label"]] == "airplane"
    assert same_points(item["partial"], points(16, 27))
    assert same_points(item["complete"], points(32, 91))
    lamps = MVP(mvp, training=False, categories=["lamp"])
    assert len(lamps) == 26 and {int(lamps[i]["label"]) for i in range(26)} == {0}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": np.zeros(26)}, "no array 'incomplete_pcds', but labels"),
        ({"incomplete_pcds": np.zeros((26, 4, 2))}, "expected incomplete_pcds .V, P, 3."),
        ({"incomplete_pcds": np.zeros((25, 4, 3))}, "expected 26 views and labels"),
        ({"incomplete_pcds": np.zeros((26, 4, 3)), "labels": np.full(26, 16)}, "from 0 to 15"),
    ],
)
def test_mvp_of_another_form(tmp_path: Path, arrays: dict, message: str) -> None:
    whole = {"complete_pcds": np.zeros((1, 4, 3)), "labels": np.zeros(26)}
    given = arrays if "incomplete_pcds" not in arrays else whole | arrays
    write_h5(tmp_path / "odd.h5", **given)
    with pytest.raises(ValueError, match=message):
        MVP(tmp_path / "odd.h5", training=True)


def test_shapenet55_cuts_from_eight_sides(shapenet: Path) -> None:
    data = ShapeNet55(shapenet, "ShapeNet-55/test.txt", False, "hard", 64, 400)
    assert len(data) == 16 and data.categories == ("airplane", "chair")
    shape = 3 * points(400, 1).astype(np.float64) + 5
    shape -= shape.mean(0)
    shape /= np.linalg.norm(shape, axis=1).max()
    item = data[8 + 3]
    assert item["label"] == 1 and item["name"] == f"{CHAIR}-b/3"
    assert same_points(item["complete"], shape.astype(np.float32), 1e-5)
    # A quarter is left, farthest from the viewpoint, and 64 of these are taken.
    distance = np.linalg.norm(shape - VIEWPOINTS[3], axis=1)
    partial = item["partial"].numpy()
    assert len(np.unique(partial, axis=0)) == 64
    assert np.linalg.norm(partial - VIEWPOINTS[3], axis=1).min() >= np.sort(distance)[300] - 1e-5


def test_shapenet55_in_training_cuts_from_anywhere(shapenet: Path, tmp_path: Path) -> None:
    data = ShapeNet55(shapenet, "ShapeNet-55/train.txt", True, partial_points=64)
    assert len(data) == 2
    first = data[0]["partial"]
    assert torch.equal(first, data[0]["partial"])
    data.set_epoch(1)
    assert not torch.equal(first, data[0]["partial"])
    with pytest.raises(ValueError, match="difficulty must be one of simple, moderate, hard"):
        ShapeNet55(shapenet, "ShapeNet-55/train.txt", True, "easy")
    pytest.importorskip("webdataset", reason="needs webdataset")
    with pytest.raises(ValueError, match="made anew in each epoch, so there is nothing of them"):
        pack(shapenet, tmp_path / "shards")


def test_cut_removes_the_share_nearest_to_the_viewpoint() -> None:
    line = np.stack([np.linspace(-1, 1, 8), np.zeros(8), np.zeros(8)], 1).astype(np.float32)
    rest = cut(line, np.array([9.0, 0, 0]), 0.25)
    assert np.array_equal(np.sort(rest[:, 0]), line[:6, 0])
    with pytest.raises(ValueError, match="missing must be at least 0 and below 1"):
        cut(line, np.array([1.0, 0, 0]), 1)


def test_kitti_cars_stand_in_their_boxes_and_find_back(tmp_path: Path) -> None:
    # A box 4 long, 2 wide, 1.5 high, turned by 30 degrees; corners 0 and 3 are its back and front.
    corners = np.array(
        [(x, y, z) for y, z in [(-1, 0), (1, 0), (-1, 1.5), (1, 1.5)] for x in (-2, 2)], float
    )[[0, 2, 4, 1, 3, 5, 6, 7]]
    angle = np.pi / 6
    turn = np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    place = np.array([10.0, -3, 0.2])
    inside = np.random.default_rng(0).uniform([-2, -1, 0], [2, 1, 1.5], (30, 3))
    write_pcd(tmp_path / "cars/f0_car_0.pcd", (inside @ turn + place).astype(np.float32))
    write_pcd(tmp_path / "cars/f1_car_0.pcd", (inside @ turn + place).astype(np.float32))
    (tmp_path / "bboxes").mkdir()
    (tmp_path / "tracklets").mkdir()
    np.savetxt(tmp_path / "bboxes/f0_car_0.txt", corners @ turn + place)
    np.savetxt(tmp_path / "bboxes/f1_car_0.txt", np.zeros((8, 3)))
    (tmp_path / "tracklets/t0.txt").write_text("f0_car_0 f1_car_0\n")
    cars = KittiCars(tmp_path)
    assert cars.tracklets == (("f0_car_0", "f1_car_0"),)
    car = cars[0]
    expected = (inside - [0, 0, 0.75])[:, [0, 2, 1]] / 4
    assert np.allclose(car.points, expected, atol=1e-5) and np.isclose(car.length, 4)
    assert np.allclose(car.to_scan(car.points), inside @ turn + place, atol=1e-4)
    with pytest.raises(ValueError, match=r"f1_car_0\.txt: the box has no length"):
        cars[1]
    with pytest.raises(ValueError, match=r"holds no \.pcd files"):
        KittiCars(tmp_path / "bboxes")


@pytest.fixture(params=["pcn", "completion3d", "mvp", "shapenet"])
def data(request: pytest.FixtureRequest) -> StoredPairs:
    root = request.getfixturevalue(request.param)
    make: dict[str, Callable[[], StoredPairs]] = {
        "pcn": lambda: PCN(root, "train", partial_points=30, complete_points=40),
        "completion3d": lambda: Completion3D(root, "train", None, 30, 40),
        "mvp": lambda: MVP(root, True, None, 30, 40),
        "shapenet": lambda: ShapeNet55(
            root, "ShapeNet-55/train.txt", True, partial_points=30, complete_points=40
        ),
    }
    return make[request.param]()


def test_every_set_gives_items_of_one_form(data: StoredPairs) -> None:
    for i in range(len(data)):
        item = data[i]
        assert item["partial"].shape == (30, 3) and item["partial"].dtype == torch.float32
        assert item["complete"].shape == (40, 3) and item["complete"].dtype == torch.float32
        assert item["label"].dtype == torch.int64 and 0 <= item["label"] < len(data.categories)
    with pytest.raises(IndexError):
        data[len(data)]


def test_workers_give_the_same_items(data: StoredPairs) -> None:
    alone = [data[i] for i in range(len(data))]
    loader = DataLoader(data, batch_size=None, num_workers=2)
    for expected, item in zip(alone, loader, strict=True):
        assert torch.equal(item["partial"], expected["partial"])
        assert torch.equal(item["complete"], expected["complete"])
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again[0]["partial"], alone[0]["partial"])


def test_a_broken_file_is_replaced_and_named(pcn: Path) -> None:
    (pcn / f"train/complete/{PLANE}/a.pcd").write_bytes(b"no cloud")
    data = PCN(pcn, "train", complete_points=64)
    with pytest.warns(UserWarning, match=rf"a\.pcd.*{PLANE}/b stands in for it"):
        item = data[0]
    assert item["name"] == f"{PLANE}/b" and same_points(item["complete"], points(64, 1))
    assert list(data.broken) == [f"{PLANE}/a"]


def test_values_that_are_no_cloud_are_refused(completion3d: Path) -> None:
    bad = points(48)
    bad[5] = np.nan
    write_h5(completion3d / f"val/gt/{CHAIR}/x.h5", data=bad)
    write_h5(completion3d / f"val/gt/{PLANE}/y.h5", data=np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"x\.h5: 1 of 48 points are not finite"):
        Completion3D(completion3d, "val")[0]
    with pytest.raises(ValueError, match=r"y\.h5: expected numbers .N, 3. with N > 0"):
        Completion3D(completion3d, "val")[1]
    with pytest.raises(ValueError, match="partial_points must be >= 1, got 0"):
        Completion3D(completion3d, "val", partial_points=0)


def same_points(got: torch.Tensor, expected: np.ndarray, tolerance: float = 0) -> bool:
    """Whether two clouds are the same in some order."""
    a, b = (np.asarray(cloud)[np.lexsort(np.asarray(cloud).T)] for cloud in (got, expected))
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=tolerance)


def test_data_sets_are_recognised(pcn: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = find(pcn, "pairs")
    assert found is not None and found.name == "PCN"
    wanted = Wanted(seed=3, points=32, partial_points=16)
    train, test = found.open(pcn, True, wanted), found.open(pcn, False, wanted)
    assert isinstance(train, PCN) and (len(train), len(test)) == (3, 1)
    assert train.training and not test.training
    assert find(tmp_path_factory.mktemp("other"), "pairs") is None


@pytest.mark.parametrize("name", ["pcn", "completion3d", "shapenet"])
def test_completion_trains_on_a_data_set(name: str, request: pytest.FixtureRequest) -> None:
    config = CompletionConfig(
        data=str(request.getfixturevalue(name)), input_points=16, points=48, coarse=16, seeds=16
    )
    splits = data_of_completion(config)
    batch = next(iter(DataLoader(splits.train, batch_size=2)))
    model = TASK.fresh(config, splits)
    assert bool(torch.isfinite(TASK.loss(model, batch)["total"]))
    only_test = data_of_completion(replace(config, holdout=1.0))
    assert len(only_test.train) == 0 and len(only_test.val) == len(splits.val)
