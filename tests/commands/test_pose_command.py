"""`nvc3d pose`: the joints of hands in depth images, clouds and streams."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hand_frames import HAND, write_depth
from limbs import ELBOW, arm, hand, seen
from PIL import Image
from tiny import call, untrained

from nvc3d.commands.posing.frames import CloudFrame, ImageFrame
from nvc3d.commands.posing.places import Place
from nvc3d.commands.posing.stream import Follower
from nvc3d.files import find_shapes, write_cloud
from nvc3d.geometry import CAMERAS
from nvc3d.geometry.hand_joints import FINGERS, JOINTS
from nvc3d.shapes.hands.people import make_skeleton
from nvc3d.tasks.hand_pose import HandPoseAnswer

CAMERA = CAMERAS["sr300"]


def view(*by: tuple[float, float, float]) -> np.ndarray:
    """The depth image in metres of hands with arms, each moved."""
    shifts = [np.array(shift) for shift in by or ((0, 0, 0),)]
    return seen(CAMERA, *(s for d in shifts for s in (hand(HAND + d), arm(HAND + d, ELBOW + d))))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("run"), "hand_pose", bottleneck="vae")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "a.png"
    write_depth(path, 1000 * view())
    return path


def pose(path: Path, run: Path, *more: object) -> int:
    return call("pose", path, "--checkpoint", run, "--output", path.parent / "out", *more)


def told(path: Path, name: str = "a") -> list[dict[str, dict[str, list[float]]]]:
    found = json.loads((path.parent / "out" / f"{name}-pose.json").read_text())
    assert found["unit"] == "mm"
    return found["hands"]


def middle(of: dict[str, dict[str, list[float]]]) -> np.ndarray:
    return np.mean(list(of["joints"].values()), 0)


# --- one frame ------------------------------------------------------------------------------------


def test_what_is_written_of_an_image(image: Path, run: Path, capsys) -> None:
    assert pose(image, run, "--camera", "sr300") == 0
    out = capsys.readouterr().out
    assert "hand, of which the model is surer; it expects to err by" in out and "a-pose.json" in out
    (own,) = told(image)
    assert own["side"] in ("left", "right")
    assert tuple(own["joints"]) == JOINTS == tuple(own["confidence"])
    assert np.linalg.norm(middle(own) - HAND.mean(0)) < 80, "it lies where the hand is"
    joints = np.load(image.parent / "out/a-pose.npy")
    assert joints.shape == (1, 21, 3)
    np.testing.assert_allclose(joints[0], list(own["joints"].values()), atol=1e-3)
    with Image.open(image.parent / "out/a-pose.png") as picture:
        assert picture.size == (640, 480)
        assert len(picture.getcolors(100000)) > 20, "fingers have colours"


def test_two_hands(image: Path, run: Path) -> None:
    write_depth(image, 1000 * view((-60, 0, 0), (150, 20, 60)))
    assert pose(image, run, "--camera", "sr300", "--hand", "left") == 0
    hands = told(image)
    assert [own["side"] for own in hands] == ["left", "left"]
    assert middle(hands[1])[0] - middle(hands[0])[0] > 100
    assert np.load(image.parent / "out/a-pose.npy").shape == (2, 21, 3)


def test_samples_are_numbered(image: Path, run: Path) -> None:
    assert pose(image, run, "--camera", "sr300", "--samples", 3) == 0
    names = {path.name for path in (image.parent / "out").iterdir()}
    assert names == {"a-pose.png"} | {f"a-pose-{i}.{e}" for i in (1, 2, 3) for e in ("json", "npy")}


def test_refined_joints_are_those_of_a_hand(image: Path, run: Path) -> None:
    def lengths() -> np.ndarray:
        joints = np.load(image.parent / "out/a-pose.npy")[0]
        return np.linalg.norm(np.diff(joints[list(FINGERS["middle_finger"])], axis=0), axis=1)

    people = np.stack([make_skeleton(seed).lengths[2].numpy() for seed in range(200)])

    def usual() -> bool:
        return bool((abs(lengths() - people.mean(0)) < 6 * people.std(0)).all())

    assert pose(image, run, "--camera", "sr300", "--hand", "left") == 0 and not usual()
    assert pose(image, run, "--camera", "sr300", "--hand", "left", "--refine") == 0 and usual()


@pytest.mark.parametrize("unit", ["m", "mm"])
def test_clouds(tmp_path: Path, run: Path, unit: str, capsys) -> None:
    points = CAMERA.points(view()).points * (1000 if unit == "mm" else 1)
    path = tmp_path / "a.ply"
    write_cloud(path, points)
    assert pose(path, run) == (2 if unit == "mm" else 0)
    if unit == "mm":
        assert "the cloud may be in millimetres; give --unit mm" in capsys.readouterr().err
        assert pose(path, run, "--unit", "mm") == 0
    (own,) = told(path)
    assert np.linalg.norm(middle(own) - HAND.mean(0)) < 80
    assert (tmp_path / "out/a-pose.png").is_file()


def test_answers_are_not_taken_for_clouds(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.ply", HAND)
    for name in ("a-pose.npy", "a-pose-2.npy", "other-pose.npy"):
        np.save(tmp_path / name, np.zeros((1, 21, 3)))
    with pytest.warns(UserWarning, match=r"left out 2 of 4 files, which nvc3d wrote of others"):
        found = find_shapes(tmp_path)
    assert [path.name for path in found] == ["a.ply", "other-pose.npy"]


def test_a_folder_with_a_broken_file(image: Path, run: Path, capsys) -> None:
    folder = image.parent
    data = image.read_bytes()
    (folder / "b.png").write_bytes(data[: len(data) // 2])
    (folder / "sub").mkdir()
    shutil.copy(image, folder / "sub" / "c.png")
    words = ["--checkpoint", run, "--output", folder, "--camera", "sr300"]
    for _ in range(2):  # the second time its own pictures and arrays lie there
        assert call("pose", folder, *words) == 2
        said = capsys.readouterr()
        assert "1 of 3 files could not be done" in said.err and "b.png" in said.err
    assert (folder / "a-pose.json").is_file() and (folder / "sub/c-pose.json").is_file()


# --- where the hand is ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pixel", "place", "box", "mask"])
def test_a_hand_whose_place_is_said(tmp_path: Path, kind: str) -> None:
    """Of two hands the farther one, without its arm but where a mask says so."""
    far = HAND + np.array([150, 20, 60])
    frame = ImageFrame(view((-60, 0, 0), (150, 20, 60)), CAMERA)
    u, v, _ = CAMERA.project(far.mean(0)[None])[0]
    box = (int(u) - 100, int(v) - 110, int(u) + 100, int(v) + 170)
    mask = np.zeros((480, 640), np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    place = {
        "pixel": Place(centre=(u, v)),
        "place": Place(centre=tuple(far.mean(0))),
        "box": Place(box=box),
        "mask": Place(mask=tmp_path / "mask.png"),
    }[kind]
    (found,) = place.hands(frame, 2)
    for joint in far[[4, 8, 12, 16, 20]]:
        assert np.linalg.norm(found.points - joint, axis=1).min() < 12
    assert (found.points[:, 1].max() < far[0, 1] + 55) == (kind != "mask")
    assert np.linalg.norm(found.centre - far.mean(0)) < 70


def test_a_place_without_a_limb() -> None:
    """A hand flat on a table is not found, but its cube is taken."""
    table = np.where(np.arange(640) > 200, np.float32(0.42), np.float32(0))
    depth = np.broadcast_to(table, (480, 640)).copy()
    (found,) = Place(centre=(320.0, 240.0)).hands(ImageFrame(depth, CAMERA), 1)
    assert len(found.points) > 1000 and np.abs(found.points - found.centre).max() <= 125.1
    (boxed,) = Place(box=(250, 200, 350, 300)).hands(ImageFrame(depth, CAMERA), 1)
    assert len(boxed.points) == 100 * 100
    cloud = CloudFrame(1000 * CAMERA.points(depth).points.astype(np.float32))
    (same,) = Place(centre=tuple(found.centre)).hands(cloud, 1)
    assert len(same.points) == len(found.points)


# --- bad input ------------------------------------------------------------------------------------

IN = ["--camera", "sr300"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a depth image needs its camera: give --camera, or --intrinsics fx,fy,cx,cy"),
        (["--camera", "webcam"], "--camera must be one of kinect2, sr300"),
        (["--camera", "kinect2"], "640 x 480 pixels and the camera's 512 x 424.*Intrinsics.scaled"),
        (["--camera", "sr300", "--intrinsics", "1,1,1,1"], "--camera or --intrinsics, not both"),
        (["--intrinsics", "475,475,320"], "--intrinsics must be 4 numbers with commas"),
        (["--intrinsics", "475,475,x,1"], "--intrinsics must be 4 numbers .* got '475,475,x,1'"),
        (["--intrinsics", "475,475,960,240"], "meets no image of 640 x 480 pixels.*scaled"),
        (["--intrinsics=-475,475,320,240"], "fx must be positive"),
        ([*IN, "--unit", "furlong"], "--unit must be mm, m or a number of metres, got 'furlong'"),
        ([*IN, "--unit", "m"], "with a unit of 1 m: give the unit of the camera"),
        ([*IN, "--unit", "0.1"], "most of it lies .* m before the camera, .* its unit is another"),
        ([*IN, "--unit", "0.0000001"], "expected 0.05 to 10 m: its unit is another"),
        ([*IN, "--centre", "1"], "--centre must be 2 or 3 numbers"),
        ([*IN, "--centre", "700,10"], "--centre 700,10 lies outside of the image, 640 x 480"),
        ([*IN, "--centre", "5,5"], "shows nothing around --centre 5,5"),
        ([*IN, "--centre", "0,0,2000"], r"nothing was seen within 125 mm of \(0, 0, 2000\) mm"),
        ([*IN, "--bbox", "9,9,5,20"], "--bbox 9,9,5,20 is no box left,top,right,bottom"),
        ([*IN, "--bbox", "0,0,9,9"], "shows nothing in --bbox 0,0,9,9"),
        ([*IN, "--bbox", "0,0,9,9", "--centre", "1,1"], "give one of --centre, --bbox, not sever"),
        ([*IN, "--samples", "0"], "--samples must be at least 1, got 0"),
        ([*IN, "--seed", "-1"], "--seed must be at least 0"),
        ([*IN, "--stream", "--rate", "0"], "--rate must be positive"),
        ([*IN, "--stream", "--centre", "1,1"], "--stream follows a hand by itself"),
        ([*IN, "--hand", "both"], "invalid choice: 'both'"),
    ],
)
def test_wrong_words(image: Path, run: Path, words: list[str], said: str, capsys) -> None:
    assert pose(image, run, *words) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error), error


def test_bad_images(image: Path, run: Path, tmp_path: Path, capsys) -> None:
    def error(*words: object) -> str:
        assert pose(image, run, "--camera", "sr300", *words) == 2
        return capsys.readouterr().err

    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    assert "a.png: " in error()
    write_depth(image, np.zeros((480, 640)))
    assert "no pixel saw anything" in error()
    write_depth(image, np.full((480, 640), 800.0))
    assert "no hand was found" in error()
    Image.fromarray(np.zeros((480, 640, 3), np.uint8)).save(image)
    assert "expected a PNG of one channel with 16 bits" in error()
    few = np.zeros((480, 640))
    few[240, 320:324] = 400
    write_depth(image, few)
    assert "the hand is seen by 4 points, expected 32 or more" in error("--centre", "321,240")
    image.write_bytes(whole)
    Image.fromarray(np.ones((9, 9), np.uint8)).save(tmp_path / "m.png")
    assert "expected a mask of (480, 640), got (9, 9)" in error("--mask", tmp_path / "m.png")
    Image.fromarray(np.zeros((480, 640), np.uint8)).save(tmp_path / "m.png")
    assert "shows nothing where the mask is" in error("--mask", tmp_path / "m.png")
    assert "m.png" in error("--mask", tmp_path / "none" / "m.png")


def test_bad_clouds(tmp_path: Path, run: Path, capsys) -> None:
    points = CAMERA.points(view()).points
    path = tmp_path / "a.ply"
    for change, words, said in (
        ([1, -1, -1], [], "points are not before the camera: z must be forward"),
        ([1, 1, 1], ["--centre", "320,240"], "a cloud has no pixels: give --centre x,y,z in mm"),
    ):
        write_cloud(path, points * change)
        assert pose(path, run, *words) == 2
        assert said in capsys.readouterr().err
    (tmp_path / "a.off").write_text("OFF\n3 1 0\n0 0 1\n1 0 1\n0 1 1\n3 0 1 2\n")
    assert pose(tmp_path / "a.off", run) == 2
    assert "expected a cloud or a depth image, got a mesh" in capsys.readouterr().err


def test_a_model_of_another_task(image: Path, tmp_path: Path, capsys) -> None:
    other = untrained(tmp_path / "other", "completion")
    assert pose(image, other, "--camera", "sr300") == 2
    assert "holds a model of task completion, not of hand_pose" in capsys.readouterr().err


# --- streams --------------------------------------------------------------------------------------


def stream(folder: Path, frames: int = 12) -> Path:
    """A hand that moves to the right, away in the seventh frame, numbered 8, 9, 10, ..."""
    for number in range(frames):
        depth = view((4.0 * number - 30, 0, 0)) if number != 6 else np.zeros((480, 640))
        depth[:3, :3] = 1.0
        write_depth(folder / f"{number + 8}.png", 1000 * depth)
    return folder


def test_a_stream(tmp_path: Path, run: Path, capsys) -> None:
    folder = stream(tmp_path / "in")
    words = ["--checkpoint", run, "--output", tmp_path / "out", "--camera", "sr300", "--stream"]
    assert call("pose", folder, *words) == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if ".png: " in line]
    assert [line.partition(".png")[0].rpartition("/")[2] for line in lines] == [
        str(number) for number in range(8, 20)
    ]
    assert [line.rpartition(", ")[2] for line in lines if "no hand" not in line] == [
        *["looked for"],
        *["followed"] * 5,
        "looked for",
        *["followed"] * 4,
    ]
    assert lines[6].endswith("no hand")
    assert " a second with the hand looked for (2 frames)" in out
    assert " a second with the hand followed (9 frames)" in out
    found = [np.load(tmp_path / f"out/{number}-pose.npy") for number in range(8, 20)]
    assert [len(joints) for joints in found] == [1] * 6 + [0] + [1] * 5
    assert json.loads((tmp_path / "out/14-pose.json").read_text()) == {"unit": "mm", "hands": []}
    x = [joints[0, :, 0].mean() for joints in found if len(joints)]
    assert x[-1] - x[0] > 20


def test_a_follower_smooths_and_decides_for_a_side() -> None:
    rng = np.random.default_rng(0)
    asked: list[str | None] = []

    def answering(found, side: str | None) -> HandPoseAnswer:  # type: ignore[no-untyped-def]
        asked.append(side)
        joints = HAND + rng.normal(size=(21, 3)) * 3
        own = side or ("left" if len(asked) % 3 == 0 else "right")
        return HandPoseAnswer(joints, np.full(21, 5.0), own, joints[None], found.points)

    follower = Follower(answering, None, 30.0)
    frame = ImageFrame(view(), CAMERA)
    steps = [follower.next(frame) for _ in range(25)]
    assert asked == [None] * 10 + ["right"] * 15
    assert [step.searched for step in steps] == [True] + [False] * 24
    noise = np.std([step.answer.joints for step in steps[8:]], 0).mean()
    assert noise < 2.0
    assert np.array_equal(steps[-1].answer.samples[0], steps[-1].answer.joints)
