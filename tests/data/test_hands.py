"""The data sets of hands in depth, read from small files in their true layouts."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hand_frames import HAND, check, depth_of, stored, write_colors, write_depth, write_msra
from scipy.io import savemat
from torch.utils.data import DataLoader

from nvc3d.data.hands import HandFrame
from nvc3d.data.hands.icvl import ICVL
from nvc3d.data.hands.msra import MSRA
from nvc3d.data.hands.nyu import NYU
from nvc3d.data.registry import Wanted, find
from nvc3d.geometry.intrinsics import CAMERAS

WANTED = Wanted(points=64)


def opened(root: Path, training: bool) -> object:
    known = find(root, "hands")
    assert known is not None
    return known.open(root, training, WANTED)


# --- MSRA15 ---------------------------------------------------------------------------------------


def test_msra(tmp_path: Path) -> None:
    write_msra(tmp_path)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, MSRA) and isinstance(val, MSRA)
    assert (train.categories, val.categories) == (("P1",), ("P2",))
    assert [train.name(i) for i in range(3)] == [f"P1/TIP/00000{i}" for i in range(3)]
    for number in range(3):
        check(train.read(number), HAND + np.array([10.0 * number, 0, 0]), 1e-3)
    assert train.read(0).side == "right" and train.read(0).cube == 200
    item = train[1]
    assert item["points"].shape == (64, 3) and item["points"].dtype == torch.float32
    assert item["joints"].shape == (21, 3) and bool(item["joint_mask"].all())
    assert (item["name"], int(item["label"]), item["side"]) == ("P1/TIP/000001", 0, "right")
    batch = next(iter(DataLoader(train, batch_size=3)))
    assert batch["points"].shape == (3, 64, 3) and batch["joints"].shape == (3, 21, 3)


def test_faulty_frames_of_msra_are_left_out(tmp_path: Path) -> None:
    write_msra(tmp_path, 175)
    train = MSRA(tmp_path, ["P1", "P2"], True)
    assert len(train) == 2 * 175 - 3
    named = {train.name(i) for i in range(len(train))}
    assert "P1/TIP/000172" in named and "P2/TIP/000171" in named
    assert not named & {f"P2/TIP/000{number}" for number in (172, 173, 174)}


def test_msra_with_faults(tmp_path: Path) -> None:
    write_msra(tmp_path)
    path = tmp_path / "P1/TIP/000001_depth.bin"
    whole = path.read_bytes()
    for data, told in (
        (whole[:-4], f"expected {len(whole)} bytes, got {len(whole) - 4}"),
        (whole[:10], "expected a header of 24 bytes, got 10 bytes"),
        (struct.pack("<6i", 320, 240, 90, 50, 2**30, 200) + whole[24:], "expected a part of 320"),
        (struct.pack("<6i", 320, 240, 90, 50, 90, 200), "expected a part of 320 x 240 pixels"),
    ):
        path.write_bytes(data)
        train = MSRA(tmp_path, ["P1"], True, points=16)
        with pytest.warns(UserWarning, match=f"000001_depth.bin: {told}.*000002 stands in"):
            assert train[1]["name"] == "P1/TIP/000002"
    path.unlink()
    with pytest.warns(UserWarning, match="names 1 of 3 frames that are not there: P1/TIP/000001"):
        assert len(MSRA(tmp_path, ["P1"], True)) == 2
    labels = tmp_path / "P1/TIP/joint.txt"
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join(lines[:-1]))
    with pytest.raises(ValueError, match=r"joint.txt: it says 3 frames, .* 189 .* holds 126"):
        MSRA(tmp_path, ["P1"], True)
    labels.write_text("1\n" + lines[1])
    with pytest.warns(UserWarning, match="the joints of 1 frames, and 2 lie beside it"):
        assert len(MSRA(tmp_path, ["P1"], True)) == 1
    with pytest.raises(ValueError, match="names no frames"):
        MSRA(tmp_path, ["P7"], True)


def test_one_person_alone_leaves_none_to_measure_on(tmp_path: Path) -> None:
    write_msra(tmp_path)
    (tmp_path / "P2/TIP/joint.txt").unlink()
    with pytest.raises(ValueError, match="one person only, P1, and none to measure on"):
        opened(tmp_path, True)


# --- ICVL -----------------------------------------------------------------------------------------


def icvl(root: Path) -> Path:
    camera = CAMERAS["icvl"]
    u, v, z = camera.project(stored("icvl")).T
    row = " ".join(f"{value:.3f}" for value in np.stack([u, v, z], 1).ravel())
    for half, listing, names in (
        ("Training", "labels.txt", ("2014/image_0000.png", "22-5/2014/image_0000.png")),
        ("Testing", "test_seq_1.txt", ("test_seq_1/image_0000.png",)),
        ("Testing", "test_seq_2.txt", ("test_seq_2/image_0000.png",)),
    ):
        for name in names:
            write_depth(root / half / "Depth" / name, depth_of(camera))
        (root / half / listing).write_text("".join(f"{name} {row} \n\n" for name in names))
    return root


def test_icvl(tmp_path: Path) -> None:
    icvl(tmp_path)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, ICVL) and isinstance(val, ICVL)
    assert (train.categories, len(train)) == (("2014", "22-5/2014"), 2)
    assert [val.name(i) for i in range(2)] == [f"test_seq_{i}/image_0000" for i in (1, 2)]
    frame = val.read(1)
    told, there = frame.canonical
    assert np.flatnonzero(there).tolist() == [4, 8, 12, 16, 20], "only tips are joints of ours"
    assert np.allclose(told[there], HAND[there], atol=0.01) and frame.annotated.shape == (16, 3)
    assert not train[0]["joints"][~train[0]["joint_mask"]].any()


def test_icvl_with_faults(tmp_path: Path) -> None:
    icvl(tmp_path)
    labels = tmp_path / "Training/labels.txt"
    whole = labels.read_text()
    labels.write_text(whole.strip()[:-8])
    with pytest.raises(ValueError, match=r"labels.txt: line 3: expected a name and 48 numbers"):
        ICVL(tmp_path, True)
    labels.write_text(whole.replace(whole.split()[5], "x", 1))
    with pytest.raises(ValueError, match=r"labels.txt: line 1: could not convert string"):
        ICVL(tmp_path, True)
    labels.write_text(whole)
    path = tmp_path / "Training/Depth/2014/image_0000.png"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    train = ICVL(tmp_path, True, points=8)
    with pytest.warns(UserWarning, match=r"image_0000.png: .*22-5/2014/image_0000 stands in"):
        train[0]
    labels.unlink()
    with pytest.raises(FileNotFoundError):
        ICVL(tmp_path, True)


# --- NYU ------------------------------------------------------------------------------------------


def nyu(root: Path, frames: int = 2) -> Path:
    camera = CAMERAS["nyu"]
    for split in ("train", "test"):
        joints = np.zeros((3, frames, 36, 3))  # of the other cameras: nothing that fits
        joints[0] = stored("nyu36") * [1, -1, 1]
        depth = np.rint(depth_of(camera)).astype(int)
        for number in range(frames):
            path = root / split / f"depth_1_{number + 1:07d}.png"
            write_colors(path, np.full_like(depth, 7), depth >> 8, depth & 255)
        savemat(root / split / "joint_data.mat", {"joint_xyz": joints, "joint_uvd": joints})
    return root


def test_nyu(tmp_path: Path) -> None:
    nyu(tmp_path)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, NYU) and isinstance(val, NYU)
    assert (len(train), len(val)) == (2, 2) and val.name(1) == "test/0000002"
    check(train.read(0), within=1e-6)
    assert train.read(0).canonical[1].all() and train.read(0).annotated.shape == (36, 3)
    assert train.read(0).cube == 300 and train[0]["joint_mask"].all()


def test_the_second_person_of_nyu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvc3d.data.hands.nyu.FIRST_PERSON", 1)
    nyu(tmp_path)
    val, train = NYU(tmp_path, "test"), NYU(tmp_path, "train")
    assert [val.label(i) for i in range(2)] == [0, 1] and [train.label(i) for i in (0, 1)] == [0, 0]
    assert [val.read(i).cube for i in range(2)] == [300, 250]


def test_nyu_with_faults(tmp_path: Path) -> None:
    nyu(tmp_path)
    path = tmp_path / "train/joint_data.mat"
    whole = path.read_bytes()
    (tmp_path / "train/depth_1_0000001.png").unlink()
    with pytest.warns(UserWarning, match="joint_data.mat names 1 of 2 frames that are not there"):
        assert NYU(tmp_path, "train").name(0) == "train/0000002"
    for data, told in (
        (whole[:2000], "joint_data.mat: "),
        (b"MATLAB 7.3 MAT-file" + bytes(600), "it is of version 7.3: save it as version 7"),
    ):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=told):
            NYU(tmp_path, "train")
    for arrays, told in (
        ({"joint_uvd": np.zeros(3)}, "it holds no joint_xyz"),
        ({"joint_xyz": np.zeros((2, 36, 3))}, r"expected joint_xyz \(3, N, 36, 3\), got float64"),
        ({"joint_xyz": "three"}, "joint_xyz holds no numbers"),
    ):
        savemat(path, arrays)
        with pytest.raises(ValueError, match=told):
            NYU(tmp_path, "train")
    with pytest.raises(ValueError, match="split must be one of train, test, got 'val'"):
        NYU(tmp_path, "val")


def test_packed_depth_of_another_kind_is_refused(tmp_path: Path) -> None:
    nyu(tmp_path)
    write_depth(tmp_path / "train/depth_1_0000001.png", depth_of(CAMERAS["nyu"]))
    with pytest.warns(UserWarning, match="expected a PNG of three colours, got PNG of mode I;16"):
        NYU(tmp_path, "train", points=8)[0]


# --- all ------------------------------------------------------------------------------------------


def test_draws_are_new_in_each_epoch_of_training_only(tmp_path: Path) -> None:
    write_msra(tmp_path)
    for training in (True, False):
        data = MSRA(tmp_path, ["P1"], training, points=16)
        first = data[0]["points"]
        assert torch.equal(first, data[0]["points"])
        data.set_epoch(1)
        assert torch.equal(first, data[0]["points"]) is not training


def test_a_hand_out_of_the_picture(tmp_path: Path) -> None:
    write_msra(tmp_path)
    path = tmp_path / "P1/TIP/000000_depth.bin"
    path.write_bytes(path.read_bytes()[:24] + bytes(4 * 150 * 170))
    with pytest.warns(UserWarning, match="P1/TIP/000000: the depth image is empty.*000001 stands"):
        MSRA(tmp_path, ["P1"], True, points=8)[0]
    camera = CAMERAS["msra"]
    frame = HandFrame(HAND, "canonical", camera, depth_of(camera, HAND + np.array([0, 0, 500])))
    with pytest.raises(ValueError, match=r"nothing within 125 mm of the hand's middle"):
        frame.points()
    with pytest.raises(ValueError, match="there is no depth image"):
        HandFrame(HAND, "canonical", camera).points()
    with pytest.raises(ValueError, match="none of its joints is told"):
        HandFrame(HAND * np.nan, "canonical", camera, depth_of(camera)).points()
    with pytest.raises(ValueError, match=r"depth must be \(240, 320\) for this camera"):
        HandFrame(HAND, "canonical", camera, np.ones((24, 32), np.float32)).points()
