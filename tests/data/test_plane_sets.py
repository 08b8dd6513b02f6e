"""Data sets of planes, in small files of their true layouts."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from packing import check_packed
from PIL import Image

from nvc3d.data.planes import PlaneFrame, Planes
from nvc3d.data.planes.builtin import BuiltinPlanes
from nvc3d.data.planes.nyu import CAMERA as NYU_CAMERA
from nvc3d.data.planes.nyu import FRAMED
from nvc3d.data.planes.own import own_planes
from nvc3d.data.registry import Wanted, find
from nvc3d.files import tfrecord
from nvc3d.files.tfrecord import example, read_record, record_places
from nvc3d.geometry import plane_forms
from nvc3d.geometry.intrinsics import Intrinsics
from nvc3d.geometry.mesh import Cloud

# A floor 0.8 m below a camera, and a wall 3 m before it: n·d, x right, y forward, z up.
VECTORS = np.array([[0.0, 0.0, -0.8], [0.0, 3.0, 0.0]])
FLOOR, WALL = 0, 1


def seen(camera: Intrinsics) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The exact depth and the planes (height, width) of floor and wall."""
    v = np.arange(camera.height)[:, None] + np.zeros(camera.width)
    down = (v - camera.cy) / camera.fy
    floor = np.where(down > 0, 0.8 / np.where(down > 0, down, 1), np.inf)
    return np.minimum(floor, 3.0), np.where(floor < 3.0, FLOOR, WALL)


def judged(frame: PlaneFrame) -> None:
    """The points lie on their planes, and the planes are those of above."""
    on = frame.plane >= 0
    normal, offset = frame.normal[frame.plane[on]], frame.offset[frame.plane[on]]
    assert np.abs((frame.points[on] * normal).sum(1) - offset).max() < 2e-3
    order = np.argsort(-np.abs(frame.normal[:, 2]))
    vectors = plane_forms.times_offset(frame.normal, frame.offset)[order]
    assert np.allclose(vectors, VECTORS, atol=2e-3)


# --- PlaneNet and PlanarReconstruction ------------------------------------------------------------

INFO = np.zeros(20, np.float32)
INFO[[0, 5, 2, 6, 10, 15, 16, 17]] = 577.87, 577.87, 319.5, 239.5, 1, 1, 640, 480
SMALL = Intrinsics(577.87 * 0.4, 577.87 * 0.4, 319.5 * 0.4, 239.5 * 0.4, 256, 192)


def arrays() -> dict[str, NDArray[Any]]:
    depth, numbers = seen(SMALL)
    segmentation = np.where(numbers == WALL, 1, 0).astype(np.uint8)
    segmentation[:4] = 20
    image = np.zeros((192, 256, 3), np.uint8)
    image[..., 0] = 200  # blue comes first
    plane = np.zeros((20, 3), np.float32)
    plane[:2] = VECTORS
    return {
        "image": image,
        "depth": depth[..., None].astype(np.float32),
        "segmentation": segmentation[..., None],
        "plane": plane,
        "num_planes": np.array([2]),
        "info": INFO,
    }


def planar_reconstruction(root: Path, **change: Any) -> Path:
    for split, count in (("train", 2), ("val", 1)):
        (root / split).mkdir(parents=True)
        names = [f"{i}.npz" for i in range(count)]
        (root / f"{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            np.savez(root / split / name, **(arrays() | change))
    return root


def varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def encoded(values: dict[str, Any]) -> bytes:
    """An example: bytes, lists of float32, lists of int64."""
    entries = b""
    for name, value in values.items():
        if isinstance(value, bytes):
            kind, content = 1, field(1, value)
        elif value.dtype == np.float32:
            kind, content = 2, field(1, value.tobytes())
        else:
            kind, content = 3, b"".join(b"\x08" + varint(int(n) % 2**64) for n in value.ravel())
        entries += field(1, field(1, name.encode()) + field(2, field(kind, content)))
    return field(1, entries)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    check, other = (tfrecord._masked(tfrecord._crc(part)) for part in (length, b""))
    return length + struct.pack("<I", check) + data + struct.pack("<I", other)


def planenet(root: Path) -> Path:
    own = arrays()
    raw: dict[str, Any] = {f"{n}_raw": own.pop(n).tobytes() for n in ("image", "segmentation")}
    raw |= {"image_path": b"scene0000_00/0.jpg"} | own
    for split, count in (("train", 2), ("val", 1)):
        path = root / f"planes_scannet_{split}.tfrecords"
        path.write_bytes(record(encoded(raw)) * count)
    return root


# --- PlaneRCNN ------------------------------------------------------------------------------------

SCANNET = Intrinsics(57.787, 57.787, 31.5, 23.5, 64, 48)


def planercnn(root: Path) -> Path:
    """Two scenes: the camera, turned and moved, and the planes in the world."""
    depth, numbers = seen(SCANNET)
    c, s = 0.6, 0.8
    upright = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ upright
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, (1.0, -2.0, 1.5)
    normal, offset = plane_forms.moved(
        *plane_forms.from_times_offset(VECTORS), turn @ upright.T, pose[:3, 3]
    )
    code = 100 * (np.where(numbers == WALL, 1, 0) + 1)
    code[0], code[1] = 0, 100 * (167771 + 1)
    colors = np.stack([code >> 16, code >> 8 & 255, code & 255], 2).astype(np.uint8)
    for scene in ("scene0000_00", "scene0001_00"):
        folder = root / "scans" / scene
        for name in ("frames/depth", "frames/color", "frames/pose", "annotation/segmentation"):
            (folder / name).mkdir(parents=True)
        words = zip(("fx", "fy", "mx", "my"), (57.787, 57.787, 31.5, 23.5), strict=True)
        lines = [f"{name}_depth = {value}" for name, value in words]
        lines += ["depthWidth = 64", "depthHeight = 48", "sceneType = Kitchen"]
        (folder / f"{scene}.txt").write_text("\n".join(lines))
        steps = np.rint(1000 * depth).astype(np.uint16)
        Image.fromarray(steps).save(folder / "frames/depth/0.png")
        Image.new("RGB", (128, 96), (9, 99, 199)).save(folder / "frames/color/0.jpg")
        np.savetxt(folder / "frames/pose/0.txt", pose)
        np.save(folder / "annotation/planes.npy", plane_forms.times_offset(normal, offset))
        Image.fromarray(colors).save(folder / "annotation/segmentation/0.png")
    return root


# --- NYU ------------------------------------------------------------------------------------------


def nyu(root: Path, frames: int = 2) -> Path:
    h5py = pytest.importorskip("h5py")
    depth, numbers = seen(NYU_CAMERA)
    label = np.where(numbers == WALL, 21, 11)
    label[100:200, 100:250] = 28  # a picture on the wall
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w") as file:
        file["depths"] = np.stack([depth.T.astype(np.float32)] * frames)
        file["images"] = np.full((frames, 3, 640, 480), 77, np.uint8)
        file["labels"] = np.stack([label.T.astype(np.uint16)] * frames)
        file["instances"] = np.ones((frames, 640, 480), np.uint8)
    return root


MAKERS = {
    "PlanarReconstruction": (planar_reconstruction, 2),
    "PlaneNet": (planenet, 2),
    "PlaneRCNN's ScanNet": (planercnn, 1),
}


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_set_is_found_and_its_points_lie_on_its_planes(name: str, tmp_path: Path) -> None:
    make, count = MAKERS[name]
    root = make(tmp_path)
    known = find(root, "planes")
    assert known is not None and known.name == name
    train, val = (known.open(root, training, Wanted(points=300)) for training in (True, False))
    assert (len(train), len(val)) == (count, 1)
    frame = val.read(0)
    judged(frame)
    assert frame.plane.min() == -1 and frame.depth is not None and frame.camera is not None
    assert frame.colors is not None
    blue = frame.colors[:, 2].astype(int)
    assert (np.abs(blue - (199 if "RCNN" in name else 200)) < 5).all()
    item = val[0]
    assert item["points"].shape == (300, 3) and item["features"].shape == (300, 3)
    assert item["label"] == 0 and item["name"] == val.name(0)


def test_nyu_has_the_planes_of_its_depth_cut_where_things_end(tmp_path: Path) -> None:
    known = find(nyu(tmp_path), "planes")
    assert known is not None
    val = known.open(tmp_path, False, Wanted(points=300, holdout=1.0))
    frame = val.read(0)
    assert len(val) == 2 and len(frame.offset) == 3
    vectors = plane_forms.times_offset(frame.normal, frame.offset)
    assert np.allclose(vectors[(vectors[:, 1] > 1)], VECTORS[WALL], atol=1e-3)
    assert np.allclose(vectors[(vectors[:, 2] < -0.5)], VECTORS[FLOOR], atol=1e-3)
    assert frame.camera == NYU_CAMERA.part(*FRAMED)


def test_planes_of_a_users_own(tmp_path: Path) -> None:
    from nvc3d.files import write_cloud

    points = np.random.default_rng(0).random((200, 3))
    points[:100, 2] = 0
    points[100:, 0] = 2000
    instance = np.repeat([5, 2], 100)
    for name in ("a", "b", "c"):
        write_cloud(tmp_path / f"{name}.ply", Cloud(points, {"instance": instance}))
    train, val = own_planes(tmp_path, Wanted(holdout=0.4))
    assert train is not None and (len(train), len(val)) == (2, 1)
    frame = val.read(0)
    assert sorted(frame.offset.round(6).tolist()) == [0, 2000] and not val.colors
    nothing, every = own_planes(tmp_path, Wanted(holdout=1.0))
    assert nothing is None and len(every) == 3
    write_cloud(tmp_path / "a.ply", Cloud(points))
    with pytest.raises(ValueError, match=r"a\.ply: it tells no planes"):
        own_planes(tmp_path, Wanted(holdout=1.0))[1].read(0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no file of a known kind"):
        own_planes(tmp_path / "empty", Wanted())


BROKEN = {
    "num_planes": (np.array([21]), "expected 0 to 20 planes"),
    "segmentation": (np.full((192, 256, 1), 7, np.uint8), "numbers of planes must be from -1 to 1"),
    "depth": (np.zeros((192, 256, 1), np.float32), "the depth image is empty"),
    "info": (np.zeros(20, np.float32), "info must tell the camera"),
    "plane": (np.full((20, 3), np.nan, np.float32), "planes must be finite"),
    "image": (np.zeros((10, 10, 3), np.uint8), "image must hold 147456 numbers"),
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_files_are_told_in_one_sentence(name: str, tmp_path: Path) -> None:
    value, said = BROKEN[name]
    known = find(planar_reconstruction(tmp_path, **{name: value}), "planes")
    assert known is not None
    val: Planes = known.open(tmp_path, False, Wanted())
    with pytest.raises(ValueError, match=rf"0\.npz: .*{said}"):
        val.read(0)


def test_a_pose_that_is_no_turn_and_a_camera_that_is_not_told(tmp_path: Path) -> None:
    known = find(planercnn(tmp_path), "planes")
    assert known is not None
    val = known.open(tmp_path, False, Wanted())
    scene = val.name(0).partition("/")[0]
    folder = tmp_path / "scans" / scene
    np.savetxt(folder / "frames/pose/0.txt", 2 * np.eye(4))
    with pytest.raises(ValueError, match="no turn"):
        val.read(0)
    (folder / f"{scene}.txt").write_text("fx_depth = 57\n")
    with pytest.raises(ValueError, match="does not tell fy_depth"):
        val.read(0)


def test_records_that_are_cut_short_or_lie(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecords"
    data = record(encoded({"depth": np.arange(3, dtype=np.float32), "n": np.array([-1, 300])}))
    path.write_bytes(2 * data)
    places = record_places(path)
    values = example(read_record(path, places[1]))
    assert len(places) == 2 and list(values) == ["depth", "n"]
    assert np.array_equal(values["depth"], [0, 1, 2]) and np.array_equal(values["n"], [-1, 300])
    # Those of the specification of CRC-32C.
    assert tfrecord._crc(b"123456789") == 0xE3069283
    for end, said in ((5, "ends within the header"), (len(data) - 3, "bytes, and")):
        path.write_bytes(data + data[:end])
        with pytest.raises(ValueError, match=said):
            record_places(path)
    wrong = bytearray(data)
    wrong[0] += 1
    path.write_bytes(wrong)
    with pytest.raises(ValueError, match="does not begin with its length"):
        record_places(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="it is empty"):
        record_places(path)


def test_an_example_that_is_cut_anywhere_is_told() -> None:
    data = encoded({"depth": np.arange(3, dtype=np.float32), "n": np.array([7])})
    for end in range(len(data)):
        with pytest.raises(ValueError, match=r"example|float32|part of"):
            example(data[:end])


def test_built_in_planes_are_new_in_each_epoch_and_others_to_measure_on() -> None:
    train, val = BuiltinPlanes(64, count=4), BuiltinPlanes(64, training=False, count=4)
    assert train.categories == ("camera", "scanner") and train.name(3) == "scanner-train-00003"
    first = train[0]["points"]
    assert np.array_equal(first, train[0]["points"]) and val[0]["points"].shape == (64, 3)
    train.set_epoch(1)
    assert not np.array_equal(first, train[0]["points"])
    assert val.read(0).camera is not None and val.read(1).camera is None
    with pytest.raises(ValueError, match="sensor must be one of"):
        BuiltinPlanes(sensor="eye")  # type: ignore[arg-type]


def test_forms_of_planes_go_round_and_keep_handedness() -> None:
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(9, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    offset = rng.random(9) + 0.1
    for there, back in (
        (plane_forms.times_offset, plane_forms.from_times_offset),
        (plane_forms.by_offset, plane_forms.from_by_offset),
    ):
        again = back(there(normal, offset))
        assert np.allclose(again[0], normal) and np.allclose(again[1], offset)
    on = normal * offset[:, None] + np.cross(normal, [1.0, 2.0, 3.0])
    assert np.allclose((plane_forms.by_offset(normal, offset) * on).sum(1), 1)
    mirror, shift = np.diag([1.0, -1.0, 1.0]), np.array([3.0, 1.0, -2.0])
    turned, moved = plane_forms.moved(normal, offset, mirror, shift)
    assert np.allclose((turned * (on @ mirror.T + shift)).sum(1), moved)
    with pytest.raises(ValueError, match="through the origin"):
        plane_forms.by_offset(normal, np.zeros(9))
    for wrong, said in ((np.zeros((1, 3)), "not be 0"), (np.ones(3), r"\(P, 3\)")):
        with pytest.raises(ValueError, match=said):
            plane_forms.from_times_offset(wrong)


@pytest.mark.parametrize("name", ["PlaneNet", "PlaneRCNN's ScanNet"])
def test_shards_of_it_are_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    root = MAKERS[name][0](tmp_path / "set")
    check_packed("planes", root, tmp_path / "shards", Wanted(points=100))
