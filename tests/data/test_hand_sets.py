"""More data sets of hands, read from small files in their true layouts."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hand_frames import HAND, check, depth_of, stored, write_colors, write_depth
from scipy.io import savemat

from nvc3d.data.hands.fpha import FPHA
from nvc3d.data.hands.freihand import FreiHAND
from nvc3d.data.hands.hands2017 import Hands2017
from nvc3d.data.hands.rhd import RHD
from nvc3d.data.hands.stb import CAMERA, STB
from nvc3d.data.registry import Wanted, find
from nvc3d.geometry.intrinsics import CAMERAS, Intrinsics


def opened(root: Path, training: bool, holdout: float = 0.5) -> object:
    known = find(root, "hands")
    assert known is not None
    return known.open(root, training, Wanted(points=32, holdout=holdout))


def row(order: str, separator: str = "\t") -> str:
    return separator.join(f"{value:.4f}" for value in stored(order).ravel())


def hands2017(root: Path) -> Path:
    (root / "training").mkdir()
    names = [f"image_D0000000{i}.png" for i in range(1, 5)]
    text = "".join(f"{name}\t{row('hands2017')}\t\n" for name in names)
    (root / "training/Training_Annotation.txt").write_text(text)
    for name in names:
        write_depth(root / "training/images" / name, depth_of(CAMERAS["hands2017"]))
    return root


def test_hands2017(tmp_path: Path) -> None:
    hands2017(tmp_path)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, Hands2017) and isinstance(val, Hands2017)
    named = [{data.name(i) for i in range(len(data))} for data in (train, val)]
    assert named[0] | named[1] == {f"image_D0000000{i}" for i in range(1, 5)}
    assert len(named[0]) == len(named[1]) == 2
    check(train.read(0))
    assert len(opened(tmp_path, False, 1.0)) == 4
    (tmp_path / "training/images/image_D00000002.png").unlink()
    with pytest.warns(UserWarning, match="names 1 of 4 frames that are not there: image_D00000002"):
        opened(tmp_path, False, 1.0)


def fpha(root: Path) -> Path:
    for person, frames in (("Subject_1", 2), ("Subject_2", 1)):
        sequence = Path(person) / "open_milk" / "3"
        folder = root / "Hand_pose_annotation_v1" / sequence
        folder.mkdir(parents=True)
        text = "".join(f"{i} {row('fpha', ' ')}\n" for i in range(frames))
        (folder / "skeleton.txt").write_text(text)
        for i in range(frames):
            path = root / "Video_files" / sequence / "depth" / f"depth_{i:04d}.png"
            write_depth(path, depth_of(CAMERAS["hands2017"]))
    return root


def test_fpha(tmp_path: Path) -> None:
    fpha(tmp_path)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, FPHA) and isinstance(val, FPHA)
    assert (train.categories, val.categories) == (("Subject_1",), ("Subject_2",))
    assert [train.name(i) for i in range(2)] == [f"Subject_1/open_milk/3/000{i}" for i in range(2)]
    check(train.read(1))
    path = tmp_path / "Hand_pose_annotation_v1/Subject_1/open_milk/3/skeleton.txt"
    path.write_text(path.read_text()[:-12])
    with pytest.raises(ValueError, match=r"skeleton.txt: line 2: expected a frame and 63 numbers"):
        opened(tmp_path, True)


def freihand(root: Path) -> Path:
    camera = [[480.0, 0, 112], [0, 481, 113], [0, 0, 1]]
    for split, images in (("training", 8), ("evaluation", 2)):
        joints = [(HAND / 1000).tolist(), (HAND / 1000 + [0, 0, 0.1]).tolist()]
        (root / f"{split}_xyz.json").write_text(json.dumps(joints))
        (root / f"{split}_K.json").write_text(json.dumps([camera, camera]))
        for number in range(images):
            path = root / split / "rgb" / f"{number:08d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"a picture")
    return root


def test_freihand(tmp_path: Path) -> None:
    freihand(tmp_path)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, FreiHAND) and (len(train), len(val)) == (8, 2)
    for number in (0, 5):
        frame = train.read(number)
        expected = HAND + np.array([0, 0, 100 * (number % 2)])
        assert np.allclose(frame.canonical[0], expected) and frame.depth is None
        assert frame.camera == Intrinsics(480, 481, 112, 113, 224, 224)
    item = train[5]
    assert "points" not in item and item["side"] == "right"
    assert item["image"] == str(tmp_path / "training/rgb/00000005.jpg")
    (tmp_path / "training_K.json").write_text("[[[1, 0, 0], [0, 1, 0], [0, 0, 1]]]")
    with pytest.raises(
        ValueError, match=r"expected \(N, 21, 3\) and \(N, 3, 3\), got \(2, 21, 3\)"
    ):
        opened(tmp_path, True)


def rhd(root: Path, hostile: object = None) -> Path:
    matrix = np.array([[280.0, 0, 160], [0, 281, 170], [0, 0, 1]])
    camera = Intrinsics(280, 281, 160, 170, 320, 320)
    both = np.concatenate([stored("rhd"), stored("rhd") + np.array([30, 0, 0])]) / 1000
    for split in ("training", "evaluation"):
        told = {}
        for number, (left, right) in enumerate(((True, False), (True, True))):
            seen = np.repeat([[0, 0, left]] * 21 + [[0, 0, right]] * 21, 1, 0)
            told[number] = {"xyz": both, "uv_vis": seen.astype(float), "K": matrix}
            joints = both[21 * (not left) : 42 if right else 21] * 1000
            steps = np.rint(depth_of(camera, joints) / 5000 * 65535).astype(int)
            path = root / split / "depth" / f"{number:05d}.png"
            write_colors(path, steps >> 8, steps & 255, np.zeros_like(steps))
        if hostile is not None:
            told[9] = hostile
        with (root / split / f"anno_{split}.pickle").open("wb") as file:
            pickle.dump(told, file, 2)
    return root


def test_rhd(tmp_path: Path) -> None:
    rhd(tmp_path)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, RHD) and isinstance(val, RHD)
    names = [train.name(i) for i in range(len(train))]
    assert names == [f"training/{n}" for n in ("00000/left", "00001/left", "00001/right")]
    check(train.read(0), within=0.1)
    told, there = train.read(2).canonical
    assert there.all() and np.allclose(told, HAND + np.array([30, 0, 0]))
    assert [train[i]["side"] for i in range(3)] == ["left", "left", "right"]
    assert train[2]["image"] == str(tmp_path / "training/color/00001.png")


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch ran",)


def test_rhd_with_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for fault, told in (
        (Hostile(), r"anno_training.pickle: it asks for \w+.system"),
        ({"xyz": np.ones((42, 3))}, "frame 9: expected xyz, uv_vis and K"),
        (
            {"xyz": np.ones((21, 3)), "uv_vis": np.ones((42, 3)), "K": np.eye(3)},
            r"frame 9: expected xyz and uv_vis \(42, 3\), got \(21, 3\)",
        ),
        (
            {"xyz": np.ones((42, 3)), "uv_vis": np.ones((42, 3)), "K": np.eye(4)},
            r"expected a camera matrix \(3, 3\), got \(4, 4\)",
        ),
    ):
        rhd(tmp_path, fault)
        with pytest.raises(ValueError, match=told):
            opened(tmp_path, True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("images", ["images", "."])
def test_stb(tmp_path: Path, images: str) -> None:
    (tmp_path / "labels").mkdir()
    depth = np.rint(depth_of(CAMERA)).astype(int)
    for sequence in ("B1Counting", "B1Random", "B3Counting"):
        told = np.repeat(stored("stb").T[:, :, None], 2, 2)
        savemat(tmp_path / "labels" / f"{sequence}_SK.mat", {"handPara": told})
        savemat(tmp_path / "labels" / f"{sequence}_BB.mat", {"handPara": told * 0})
        for number in range(2):
            path = tmp_path / images / sequence / f"SK_depth_{number}.png"
            write_colors(path, depth & 255, depth >> 8, np.zeros_like(depth))
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, STB) and isinstance(val, STB)
    assert [train.name(i) for i in range(2)] == ["B3Counting/0", "B3Counting/1"]
    assert (len(val), val.categories) == (4, ("B1Counting", "B1Random"))
    check(train.read(1), within=1e-9)
    assert (
        np.flatnonzero(~train.read(1).canonical[1]).tolist() == [0]
        and not train[0]["joint_mask"][0]
    )
    savemat(tmp_path / "labels/B3Counting_SK.mat", {"handPara": np.zeros((21, 3, 2))})
    with pytest.raises(ValueError, match=r"expected handPara \(3, 21, N\), got \(21, 3, 2\)"):
        opened(tmp_path, True)
