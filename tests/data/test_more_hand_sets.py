"""Data sets of hands that hold things or one another, from small files in their true layouts."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hand_frames import HAND, check, depth_of, stored, write_colors, write_depth

from nvc3d.data.hands.dexycb import DexYCB
from nvc3d.data.hands.ho3d import HO3D, STEP
from nvc3d.data.hands.interhand import InterHand
from nvc3d.data.registry import Wanted, find
from nvc3d.geometry.intrinsics import Intrinsics

RIGHT = np.array([30.0, 0, 0])


def opened(root: Path, training: bool, holdout: float = 0.5) -> object:
    known = find(root, "hands")
    assert known is not None
    return known.open(root, training, Wanted(points=32, holdout=holdout))


# --- HO-3D ----------------------------------------------------------------------------------------

CAMERA = Intrinsics(617.343, 617.343, 312.42, 241.42, 640, 480)


def ho3d(root: Path, **changed: object) -> Path:
    matrix = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
    joints = stored("ho3d") * [1, -1, -1] / 1000
    names = {"train": ("ABF10/0000", "ABF10/0007", "MC1/0000"), "evaluation": ("SM1/0000",)}
    steps = np.rint(depth_of(CAMERA) / 1000 / STEP).astype(int)
    for split, listed in names.items():
        (root / f"{split}.txt").parent.mkdir(parents=True, exist_ok=True)
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in listed))
        for name in listed:
            sequence, number = name.split("/")
            folder = root / split / sequence
            path = folder / "depth" / f"{number}.png"
            write_colors(path, steps & 255, steps >> 8, np.zeros_like(steps))
            told = {
                "handJoints3D": joints if split == "train" else joints[0],
                "camMat": matrix,
                "objName": "010_potted_meat_can",
                "handBeta": np.zeros(10, np.float32),
                "objLabel": np.int64(9),
                "handVertContact": np.zeros(778, bool),
            }
            (folder / "meta").mkdir(exist_ok=True)
            with (folder / "meta" / f"{number}.pkl").open("wb") as file:
                pickle.dump(told | changed, file, 2)
    return root


def test_ho3d_holds_sequences_out_where_the_evaluation_tells_no_joints(tmp_path: Path) -> None:
    ho3d(tmp_path)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, HO3D) and isinstance(val, HO3D)
    named = [{data.name(i) for i in range(len(data))} for data in (train, val)]
    both = ({"train/ABF10/0000", "train/ABF10/0007"}, {"train/MC1/0000"})
    assert named[0] in both and named[1] in both and not named[0] & named[1]
    check(train.read(0), within=0.1)
    assert train.read(0).side == "right" and train.read(0).camera == CAMERA
    assert len(opened(tmp_path, False, 1.0)) == 3


def test_ho3d_with_the_joints_of_its_evaluation(tmp_path: Path) -> None:
    ho3d(tmp_path)
    told = [(stored("ho3d") * [1, -1, -1] / 1000).tolist()]
    (tmp_path / "evaluation_xyz.json").write_text(json.dumps(told))
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert (len(train), val.name(0)) == (3, "evaluation/SM1/0000")
    check(val.read(0), within=0.1)
    (tmp_path / "evaluation_xyz.json").write_text(json.dumps(told * 2))
    with pytest.raises(ValueError, match=r"names 1 frames, evaluation_xyz.json tells 2"):
        opened(tmp_path, False)
    (tmp_path / "evaluation_xyz.json").write_text("[[1, 2, 3]]")
    with pytest.raises(ValueError, match=r"xyz.json: expected joints \(N, 21, 3\), got \(1, 3\)"):
        opened(tmp_path, False)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"handJoints3D": None}, r"0000.pkl: .* the frame has no annotation"),
        ({"camMat": None}, r"0000.pkl: expected handJoints3D and camMat"),
        ({"camMat": np.eye(4)}, r"expected a camera matrix \(3, 3\), got \(4, 4\)"),
        ({"handJoints3D": np.zeros((16, 3))}, r"expected joints \(21, 3\), got \(16, 3\)"),
        ({"handJoints3D": Path("here")}, r"0000.pkl: it asks for pathlib"),
    ],
)
def test_a_broken_frame_of_ho3d(tmp_path: Path, changed: dict[str, object], told: str) -> None:
    ho3d(tmp_path, **changed)
    with pytest.raises(ValueError, match=told):
        opened(tmp_path, True).read(0)


def test_ho3d_with_faults(tmp_path: Path) -> None:
    ho3d(tmp_path)
    (tmp_path / "train/ABF10/depth/0007.png").unlink()
    with pytest.warns(UserWarning, match=r"train.txt names 1 of 3 .* not there: ABF10/0007"):
        assert len(opened(tmp_path, False, 1.0)) == 2
    path = tmp_path / "train/ABF10/meta/0000.pkl"
    path.write_bytes(path.read_bytes()[:100])
    with (
        pytest.warns(UserWarning, match="ABF10/0007"),
        pytest.raises(ValueError, match=r"ABF10/meta/0000\.pkl: "),
    ):
        opened(tmp_path, False, 1.0).read(0)
    (tmp_path / "train.txt").write_text("ABF10/0000.png 1 2\n")
    with pytest.raises(ValueError, match=r"train.txt: expected a sequence and a frame a line.*'1'"):
        opened(tmp_path, True)


# --- DexYCB ---------------------------------------------------------------------------------------

SERIALS = ("836212060125", "839512060362")


def dexycb(root: Path, people: int = 3, sequences: int = 5, side: str = "left") -> Path:
    cameras = {
        s: Intrinsics(613.0 + i, 612.5, 315.7, 237.4, 640, 480) for i, s in enumerate(SERIALS)
    }
    for serial, camera in cameras.items():
        path = root / "calibration/intrinsics" / f"{serial}_640x480.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = {"fx": camera.fx, "fy": camera.fy, "ppx": camera.cx, "ppy": camera.cy}
        lines = "".join(f"  {name}: {number}\n" for name, number in numbers.items())
        path.write_text(f"color:\n  coeffs:\n  - 0.0\n{lines}depth:\n  fx: 1.0\n")
    for person in range(people):
        for number in range(sequences):
            folder = root / f"2020070{person}-name" / f"20200709_1417{number:02d}"
            folder.mkdir(parents=True)
            listed = "".join(f"- '{serial}'\n" for serial in SERIALS)
            meta = f"mano_sides:\n- {side}\nnum_frames: 2\nserials:\n{listed}ycb_ids:\n- 3\n- 7\n"
            (folder / "meta.yml").write_text(meta)
            poses = np.zeros((2, 1, 51), np.float32)
            poses[1] = 0.1
            np.savez(folder / "pose.npz", pose_m=poses, pose_y=np.zeros((2, 2, 7)))
            for serial, camera in cameras.items():
                write_depth(folder / serial / "aligned_depth_to_color_000001.png", depth_of(camera))
                for at, joints in enumerate((np.full((21, 3), -1.0), HAND / 1000)):
                    path = folder / serial / f"labels_{at:06d}.npz"
                    np.savez(path, joint_3d=joints[None].astype(np.float32), seg=np.zeros((4, 4)))
    return root


def test_dexycb(tmp_path: Path) -> None:
    dexycb(tmp_path)
    with pytest.warns(UserWarning, match="holds 15 of 1000 sequences: every fifth"):
        train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, DexYCB) and isinstance(val, DexYCB)
    assert (len(train), len(val)) == (3 * 4 * 2, 3 * 1 * 2)
    assert train.name(0) == "20200700-name/20200709_141700/836212060125/000001"
    assert val.name(1) == "20200700-name/20200709_141704/839512060362/000001"
    assert val.categories == tuple(f"2020070{i}-name" for i in range(3)) and val.label(5) == 2
    for index in (0, 1):
        check(train.read(index))
    frame = train.read(1)
    assert (frame.camera.fx, frame.side) == (614, "left")
    assert frame.image is not None and frame.image.name == "color_000001.jpg"


def test_dexycb_as_it_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """s0 trains on four fifths of all people, and measures on the others of the last eight."""
    monkeypatch.setattr("nvc3d.data.hands.dexycb.SEQUENCES", 5)
    monkeypatch.setattr("nvc3d.data.hands.dexycb.PEOPLE", 4)
    dexycb(tmp_path, people=4)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert len(train.categories) == 4 and len(train) == 4 * 4 * 2
    assert val.categories == ("20200702-name", "20200703-name") and len(val) == 2 * 2


def test_joints_of_dexycb_that_are_not_told(tmp_path: Path) -> None:
    dexycb(tmp_path, 1)
    joints = HAND / 1000
    joints[4] = -1
    with pytest.warns(UserWarning, match="every fifth"):
        data = opened(tmp_path, True)
    path = tmp_path / f"{data.name(0).replace('/000001', '/labels_000001')}.npz"
    np.savez(path, joint_3d=joints[None])
    told, there = data.read(0).canonical
    assert np.flatnonzero(~there).tolist() == [4] and np.allclose(told[there], HAND[there])


@pytest.mark.filterwarnings("ignore:.*every fifth")
def test_dexycb_with_faults(tmp_path: Path) -> None:
    dexycb(tmp_path, 1)
    folder = tmp_path / "20200700-name/20200709_141700"
    camera = tmp_path / "calibration/intrinsics/836212060125_640x480.yml"
    for path, content, told in (
        (
            folder / "meta.yml",
            "mano_sides: [right, left]\nserials: ['1']",
            "mano_sides of one hand",
        ),
        (folder / "meta.yml", "mano_sides: [right]\nserials: []", "expected serials of cameras"),
        (folder / "meta.yml", "- 1\n- 2", "meta.yml: expected names and values, got list"),
        (folder / "meta.yml", "a: [1, 2", "meta.yml: while parsing"),
        (folder / "meta.yml", "a: !!python/object/apply:os.system [ls]", "meta.yml: could not"),
        (camera, "color: {fx: 1, fy: 1}", "640x480.yml: expected color with fx, fy, ppx, ppy"),
        (folder / "pose.npz", "no zip", "pose.npz: "),
    ):
        whole = path.read_bytes()
        path.write_text(content)
        with pytest.raises(ValueError, match=told):
            opened(tmp_path, True)
        path.write_bytes(whole)
    np.savez(folder / "pose.npz", pose_y=np.zeros(3))
    with pytest.raises(ValueError, match=r"pose.npz: it holds no pose_m"):
        opened(tmp_path, True)
    np.savez(folder / "pose.npz", pose_m=np.ones((2, 51)))
    with pytest.raises(ValueError, match=r"pose.npz: expected pose_m \(frames, 1, 51\)"):
        opened(tmp_path, True)
    np.savez(folder / "pose.npz", pose_m=np.ones((2, 1, 51)))
    data = opened(tmp_path, True)
    with pytest.raises(FileNotFoundError, match=r"aligned_depth_to_color_000000.png"):
        data.read(0)
    labels = folder / "836212060125/labels_000001.npz"
    labels.write_bytes(labels.read_bytes()[:400])
    with pytest.raises(ValueError, match=r"labels_000001.npz: "):
        data.read(1)


# --- InterHand2.6M --------------------------------------------------------------------------------


def interhand(root: Path, folder: str = "{split}") -> Path:
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # a camera on its side
    where = np.array([100.0, -50, -700])
    both = np.concatenate([stored("interhand"), stored("interhand") + RIGHT])
    world = both @ turn + where
    for split in ("train", "test"):
        valid = np.ones((2, 42, 1))
        valid[0, 21:] = 0
        valid[1, 4] = 0
        images, hands = [], []
        for at in range(2):
            file = f"Capture0/ROM01/cam400002/image{at}.jpg"
            image = {"id": at + 10, "file_name": file, "width": 512, "height": 334}
            images.append(image | {"capture": 0, "camera": "400002", "frame_idx": at})
            hand = {"id": at, "image_id": at + 10, "joint_valid": valid[at].tolist()}
            hands.append(hand | {"hand_type": ("right", "interacting")[at]})
            path = root / "images" / split / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"a picture")
        cameras = {
            "campos": where,
            "camrot": turn,
            "focal": (1272.0, 1273),
            "princpt": (269.0, 160),
        }
        told = {
            "data": {"images": images, "annotations": hands},
            "camera": {"0": {k: {"400002": np.asarray(v).tolist()} for k, v in cameras.items()}},
            "joint_3d": {"0": {str(at): {"world_coord": world.tolist()} for at in range(2)}},
        }
        path = root / "annotations" / folder.format(split=split)
        path.mkdir(parents=True, exist_ok=True)
        for kind, content in told.items():
            (path / f"InterHand2.6M_{split}_{kind}.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize("folder", ["{split}", "all"])
def test_interhand(tmp_path: Path, folder: str) -> None:
    interhand(tmp_path, folder)
    train, val = opened(tmp_path, True), opened(tmp_path, False)
    assert isinstance(train, InterHand) and (len(train), len(val)) == (3, 3)
    names = [train.name(i) for i in range(3)]
    start = "Capture0/ROM01/cam400002/image"
    assert names == [f"{start}0/right", f"{start}1/right", f"{start}1/left"]
    for index, moved, lacking in ((0, 0, []), (1, 0, [8]), (2, RIGHT, [])):
        frame = train.read(index)
        told, there = frame.canonical
        assert np.allclose(told[there], (HAND + moved)[there])
        assert np.flatnonzero(~there).tolist() == lacking
        assert frame.depth is None and frame.camera == Intrinsics(1272, 1273, 269, 160, 512, 334)
    item = train[2]
    assert item["side"] == "left" and "points" not in item
    assert item["image"] == str(tmp_path / f"images/train/{start}1.jpg")


def test_interhand_with_faults(tmp_path: Path) -> None:
    interhand(tmp_path)
    folder = tmp_path / "annotations/train"
    for kind, change, told in (
        (
            "data",
            lambda d: d["annotations"][0].pop("joint_valid"),
            "image 10: expected joint_valid",
        ),
        (
            "data",
            lambda d: d["annotations"][0].update(image_id=7),
            "image 7 is not among the images",
        ),
        ("data", lambda d: d.pop("images"), "data.json: the annotations: expected images"),
        ("camera", lambda d: d["0"].pop("focal"), "image 10: expected 0 / focal / 400002"),
        ("joint_3d", lambda d: d["0"].pop("1"), "image 11: expected 0 / 1 / world_coord"),
        (
            "joint_3d",
            lambda d: d["0"]["0"].update(world_coord=[[1, 2, 3]]),
            r"image 10: expected 42 joints, got world_coord \(1, 3\)",
        ),
    ):
        path = folder / f"InterHand2.6M_train_{kind}.json"
        whole = path.read_text()
        content = json.loads(whole)
        change(content)
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=told):
            opened(tmp_path, True)
        path.write_text(whole)
    path = folder / "InterHand2.6M_train_camera.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ValueError, match=r"train_camera.json: "):
        opened(tmp_path, True)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        opened(tmp_path, True)
