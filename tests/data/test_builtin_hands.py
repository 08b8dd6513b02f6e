"""Built-in hands as a data set: exact joints, views that repeat, and what a sensor adds."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
import torch

from nvc3d.data.hands.builtin import BuiltinHands
from nvc3d.data.hands.kept import KeptHands
from nvc3d.geometry.hand_joints import BONES, FINGERS
from nvc3d.geometry.intrinsics import CAMERAS
from nvc3d.shapes.hands.sensor import as_measured

SOME = range(0, 24)


def test_items_are_those_of_hands() -> None:
    item = BuiltinHands(300, count=40)[3]
    assert item["points"].shape == (300, 3) and item["points"].dtype == torch.float32
    assert item["joints"].shape == (21, 3) and item["joint_mask"].all()
    assert item["side"] == "right" and item["name"] == "random-train-00003"
    hands = BuiltinHands(training=False, count=40)
    assert hands[2]["name"] == "flat-val-00002"
    assert hands.categories[int(hands[2]["label"])] == "flat"
    assert len(hands) == 40


def test_joints_lie_behind_the_skin_that_is_seen() -> None:
    hands = BuiltinHands(training=False, count=40)
    for index in SOME:
        frame = hands.read(index)
        assert frame.depth is not None
        for u, v, z in frame.camera.project(frame.annotated).tolist():
            seen = frame.depth[round(v), round(u)]
            assert 0 < seen < z + 0.5, "every joint has skin before it"
        # The nearest joint of all is hidden by nothing but its own flesh.
        u, v, z = min(frame.camera.project(frame.annotated).tolist(), key=lambda at: at[2])
        assert z - frame.depth[round(v), round(u)] < 25
        points = frame.points()
        gaps = np.linalg.norm(points[:, None] - frame.annotated.astype(np.float32), axis=-1)
        assert gaps.min(1).max() < 50, "all that is seen is the hand's"


def test_a_seed_gives_the_same_frames_and_every_epoch_new_ones() -> None:
    hands, again, other = (BuiltinHands(64, seed, count=4) for seed in (0, 0, 1))
    first = hands[0]
    assert all(torch.equal(first[key], again[0][key]) for key in ("points", "joints"))
    assert torch.equal(first["joints"], torch.from_numpy(hands.read(0).annotated).float())
    assert not torch.equal(first["joints"], other[0]["joints"])
    hands.set_epoch(1)
    assert not torch.equal(first["joints"], hands[0]["joints"])
    fixed = BuiltinHands(64, 0, False, count=4)
    before = fixed[0]["joints"]
    fixed.set_epoch(1)
    assert torch.equal(before, fixed[0]["joints"])


def test_kept_hands_are_items_of_several_epochs_and_others_follow() -> None:
    kept, resumed = (KeptHands(64, 3, epochs=2, count=4, side="both") for _ in range(2))
    drawn = BuiltinHands(64, 3, count=4, side="both")
    for epoch in range(4):
        drawn.set_epoch(epoch // 2)
        kept.set_epoch(epoch)
        assert_same(kept[1], drawn[1])
        assert_same(kept[-3], drawn[1])
    resumed.set_epoch(3)
    assert_same(resumed[1], kept[1])
    kept[1]["points"].zero_()
    assert_same(kept[1], resumed[1])
    kept.set_epoch(0)
    drawn.set_epoch(0)
    assert_same(kept[1], drawn[1])


def assert_same(item: dict[str, Any], other: dict[str, Any]) -> None:
    assert item.keys() == other.keys()
    for key, value in item.items():
        assert torch.equal(value, other[key]) if torch.is_tensor(value) else value == other[key]


def test_what_a_seed_gives_is_the_same_on_every_machine() -> None:
    frame = BuiltinHands(training=False, count=8).read(3)
    assert frame.depth is not None
    found = zlib.crc32(frame.annotated.tobytes()), zlib.crc32(frame.depth.tobytes())
    assert found == (3332264376, 3546467172), "say in the changelog that the data changed"


def test_who_is_measured_on_is_never_trained_on() -> None:
    def bones(hands: BuiltinHands) -> set[tuple[float, ...]]:
        kept = [pair for pair in BONES if pair[0] != 0]
        of = [hands.read(i).annotated for i in range(12)]
        return {tuple(round(float(np.linalg.norm(a[i] - a[j])), 2) for i, j in kept) for a in of}

    assert not bones(BuiltinHands(count=12)) & bones(BuiltinHands(training=False, count=12))


def test_left_hands_are_mirrored_right_ones() -> None:
    def handed(joints: np.ndarray) -> float:
        """Positive where the fingers bend to the side that a right hand's do."""
        index, little = joints[FINGERS["index_finger"][0]], joints[FINGERS["pinky"][0]]
        palm = np.cross(index - joints[0], joints[FINGERS["middle_finger"][0]] - joints[0])
        palm = np.cross(index - joints[0], little - joints[0])
        return float((joints[FINGERS["middle_finger"][3]] - joints[0]) @ palm)

    fist = 6
    right, left = (BuiltinHands(side=side, count=8).read(fist) for side in ("right", "left"))
    assert (right.side, left.side) == ("right", "left")
    assert handed(right.annotated) > 0 > handed(left.annotated)
    both = BuiltinHands(side="both", training=False, count=60)
    sides = [both.read(index).side for index in range(20)]
    assert 4 < sides.count("left") < 16


@pytest.mark.parametrize("camera", ["msra", "kinect2"])
def test_hands_are_seen_by_the_camera_that_is_asked_for(camera: str) -> None:
    frame = BuiltinHands(camera=camera, count=4).read(1)
    known = CAMERAS[camera]
    assert frame.camera == known and frame.depth is not None
    assert frame.depth.shape == (known.height, known.width)
    assert frame.depth[frame.depth > 0].min() > 200 and frame.depth.max() < 1100


@pytest.mark.parametrize("what", ["arm", "object", "other"])
def test_what_is_beside_a_hand_changes_what_is_seen_alone(what: str) -> None:
    plain = BuiltinHands(training=False, count=12)
    shown = BuiltinHands(training=False, count=12, **{what: True})
    more = []
    for index in range(12):
        a, b = plain.read(index), shown.read(index)
        assert np.array_equal(a.annotated, b.annotated)
        assert a.depth is not None and b.depth is not None
        assert (b.depth[a.depth > 0] <= a.depth[a.depth > 0]).all(), "nothing of the hand is gone"
        more.append(int((b.depth != a.depth).sum()))
    assert sum(count > 200 for count in more) >= 6, "it is seen in most frames"


def test_a_sensor_errs_more_from_afar_frays_edges_and_tells_whole_millimetres() -> None:
    errors = []
    for far in (400.0, 800.0):
        depth = np.zeros((60, 80), np.float32)
        depth[10:50, 10:70] = far
        measured = np.stack([as_measured(depth, np.random.default_rng(i)) for i in range(20)])
        assert (measured == np.rint(measured)).all() and (measured[:, depth == 0] == 0).all()
        inner = measured[:, 14:46, 14:66]
        assert 0.9 < (inner > 0).mean() < 1, "holes are few"
        inner = np.where(inner > 0, inner, np.nan) - far
        errors.append(np.nanstd(inner, axis=(1, 2)))
        assert np.abs(np.nanmean(inner)) < 0.2
        edge = measured[:, 10, 10:70]
        assert 0.05 < (edge == 0).mean() < 0.6
        assert (edge > far + 10).any(), "some fly behind the edge"
    assert np.median(errors[1]) / np.median(errors[0]) == pytest.approx(4, rel=0.2)
    assert errors[1].max() > 3 * errors[1].min(), "sensors differ"
    empty = np.zeros((4, 4), np.float32)
    assert not as_measured(empty, np.random.default_rng(0)).any()


def test_noise_leaves_the_joints_as_they_are() -> None:
    plain, noisy = (BuiltinHands(training=False, count=4, noise=share) for share in (0, 1))
    for index in range(4):
        exact, measured = plain.read(index), noisy.read(index)
        assert np.array_equal(exact.annotated, measured.annotated)
        assert not np.array_equal(exact.depth, measured.depth)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be >= 1, got 0"),
        ({"noise": 2}, "noise must be from 0 to 1, got 2"),
        ({"side": "upper"}, "side must be one of right, left, both, got 'upper'"),
        ({"camera": "webcam"}, "camera must be one of kinect2, .*got 'webcam'"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BuiltinHands(**arguments)
