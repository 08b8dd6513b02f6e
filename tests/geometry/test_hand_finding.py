"""Hands found in what a depth camera saw: made of balls, and real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hand_frames import HAND
from limbs import ELBOW, along, arm, body, hand, seen, turned

from nvc3d.files import read_depth
from nvc3d.geometry import CAMERAS, Intrinsics
from nvc3d.geometry.hand_finding import FoundHand, find_hands, find_hands_in_points
from nvc3d.geometry.hand_joints import FINGERS

CAMERA = CAMERAS["sr300"]


def fist() -> np.ndarray:
    joints = HAND.copy()
    for chain in FINGERS.values():
        base = joints[chain[0]]
        joints[list(chain)] = base + np.array(
            [[0, 0, 0], [0, -22, -14], [0, -10, -34], [0, 8, -26]]
        )
    return joints


def both(depth: np.ndarray, most: int = 2) -> list[list[FoundHand]]:
    """What is found in the image, and in its points in any order."""
    points = 1000 * CAMERA.points(depth).points
    mixed = np.random.default_rng(0).permutation(points)
    return [find_hands(depth, CAMERA, most), find_hands_in_points(mixed, most)]


def check(found: FoundHand, joints: np.ndarray, elbow: np.ndarray = ELBOW) -> None:
    """It lies where the joints are, all fingers are of it, and of the arm the wrist alone."""
    assert np.linalg.norm(found.centre - joints.mean(0)) < 40
    tips = joints[[chain[-1] for chain in FINGERS.values()]]
    for tip in tips:
        assert np.linalg.norm(found.points - tip, axis=1).min() < 12
    down = (elbow - joints[0]) / np.linalg.norm(elbow - joints[0])
    assert ((found.points - joints[0]) @ down).max() < 55
    assert np.abs(found.points - found.centre).max() <= found.cube / 2


@pytest.mark.parametrize("degrees", [0, 45, 90, 180, 270])
@pytest.mark.parametrize("pose", ["open", "fist"])
def test_an_arm_that_comes_in_from_any_border(degrees: float, pose: str) -> None:
    joints = turned(HAND if pose == "open" else fist(), degrees)
    elbow = turned(ELBOW[None], degrees)[0]
    for hands in both(seen(CAMERA, hand(joints), arm(joints, elbow))):
        assert len(hands) == 1
        check(hands[0], joints, elbow)


def test_a_hand_without_an_arm() -> None:
    for joints in (HAND, fist()):
        for hands in both(seen(CAMERA, hand(joints))):
            assert len(hands) == 1
            check(hands[0], joints)


def test_an_arm_that_points_at_the_camera() -> None:
    behind = along(HAND[0], np.array([20.0, 60, 680]), 24, 38)
    for others in ([], [body()]):
        for hands in both(seen(CAMERA, hand(), behind, *others)):
            assert len(hands) == 1
            check(hands[0], HAND, np.array([20.0, 60, 680]))


def test_the_arm_of_a_body() -> None:
    elbow, shoulder = np.array([-40.0, 150, 560]), np.array([-150.0, 100, 690])
    depth = seen(
        CAMERA, hand(), along(HAND[0], elbow, 24, 36), along(elbow, shoulder, 36, 42), body()
    )
    for hands in both(depth):
        assert len(hands) == 1
        check(hands[0], HAND, elbow)


def test_two_hands_and_one_that_is_too_far_behind() -> None:
    near, other, far = (
        HAND + np.array(by) for by in ((-60, 0, 0), (150, 20, 60), (-200, -40, 500))
    )
    solids = [
        own for by in (near, other, far) for own in (hand(by), arm(by, by[0] + ELBOW - HAND[0]))
    ]
    depth = seen(CAMERA, *solids)
    for hands in both(depth):
        assert len(hands) == 2
        check(hands[0], near)
        check(hands[1], other)
    assert [len(hands) for hands in both(depth, 1)] == [1, 1]


def test_a_wall_behind_changes_nothing() -> None:
    depth = seen(CAMERA, hand(), arm())
    alone = find_hands(depth, CAMERA)[0]
    found = find_hands(np.where(depth > 0, depth, np.float32(1.5)), CAMERA)
    assert len(found) == 1
    check(found[0], HAND)
    assert np.linalg.norm(found[0].centre - alone.centre) < 10


def test_a_thin_cloud() -> None:
    points = 1000 * CAMERA.points(seen(CAMERA, hand(), arm())).points
    some = np.random.default_rng(0).choice(len(points), 2000, replace=False)
    check(find_hands_in_points(points[some])[0], HAND)


def test_other_resolutions() -> None:
    for camera in (CAMERAS["kinect2"], CAMERAS["msra"], CAMERA.scaled(1280, 960)):
        check(find_hands(seen(camera, hand(), arm()), camera)[0], HAND)


@pytest.mark.parametrize(
    ("depth", "told"),
    [
        (np.zeros((480, 640)), "no pixel saw anything"),
        (np.full((240, 320), 0.5), r"got \(240, 320\); camera.scaled\(width, height\) is the same"),
        (np.full((480, 640), 500.0), "most of it lies 500 m before the camera.* its unit is anoth"),
        (np.full((480, 640), 5e-4), "most of it lies 0.0005 m before the camera"),
        (np.full((480, 640), 0.7), "no hand was found: nothing of 30 cm² or more ends as an arm"),
        (np.where(np.arange(640) == 3, np.full((480, 1), 0.5), 0), "no hand was found"),
        (np.eye(480, 640), "no hand was found"),
    ],
)
def test_images_without_hands(depth: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        find_hands(depth, CAMERA)


@pytest.mark.parametrize(
    ("points", "told"),
    [
        (np.ones((3, 2)), r"points must be \(N, 3\) and finite, with N > 0, got \(3, 2\)"),
        (np.zeros((0, 3)), "N > 0"),
        (np.array([[0, 0, np.nan]]), "finite"),
        (
            np.array([[0, 0, -400.0], [0, 0, 400]]),
            "1 of 2 points are not before the camera: z must",
        ),
        (np.array([[0, 0, 0.4]]), "most of it lies 0.0004 m before the camera"),
        (np.array([[0, 0, 400.0]]), "no hand was found"),
    ],
)
def test_points_without_hands(points: np.ndarray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        find_hands_in_points(points)


REAL = {
    30: (285, 321, 606),
    50: (286, 282, 577),
    70: (295, 258, 562),
    90: (316, 227, 559),
    110: (293, 237, 497),
    130: (270, 222, 495),
    150: (303, 241, 490),
    170: (271, 240, 545),
}
"""Where the middle of each hand is, as the pictures were looked at: u, v, mm."""


def test_real_hands(data_dir: Path) -> None:
    """A person who turns an open hand before an SR305, the arm from all sides."""
    folder = data_dir / "hands/sr305_gestures/20210326-230536"
    if not folder.is_dir():
        pytest.skip("there are no frames of an SR305")
    camera = Intrinsics(476.007, 476.007, 313.683, 242.755, 640, 480)
    for number, (u, v, z) in REAL.items():
        depth = read_depth(folder / f"{number}.png", 0.000125)
        for hands in (
            find_hands(depth, camera),
            find_hands_in_points(1000 * camera.points(depth).points),
        ):
            assert len(hands) == 1
            place = camera.project(hands[0].centre[None])[0]
            assert np.abs(place - (u, v, z)).max() < 50
            low, high = hands[0].points.min(0), hands[0].points.max(0)
            assert 150 < np.linalg.norm((high - low)[:2]) < 300, "a hand, and no arm with it"
