"""Hands drawn on depth images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from nvc3d.geometry import CAMERAS, Intrinsics
from nvc3d.geometry.hand_joints import FINGERS
from nvc3d.viz.figure import COLOURS
from nvc3d.viz.hand_in_image import HandInImage, draw_hand_in_image


def colour(number: int) -> tuple[int, ...]:
    return tuple(bytes.fromhex(COLOURS[number][1:]))


def test_fingers_lie_where_the_camera_sees_them(tmp_path: Path) -> None:
    camera = CAMERAS["msra"]
    joints = np.full((21, 3), np.nan)
    for number, chain in enumerate(FINGERS.values()):
        for step, joint in enumerate(chain):
            joints[joint] = 20.0 * (number - 2), -20.0 * step, 400
    joints[FINGERS["pinky"][3]] = np.nan
    depth = np.full((240, 320), 2000.0)
    depth[50:150, 100:200] = 380
    depth[:20] = 0
    hand = HandInImage("right", joints, (0, -30, 400), 200.0)
    path = draw_hand_in_image(tmp_path / "a.png", depth, camera, [hand])
    with Image.open(path) as picture:
        assert picture.size == (640, 480), "made larger"
        pixels = np.asarray(picture.convert("RGB"))
    large = camera.scaled(640, 480)
    for number, chain in enumerate(FINGERS.values()):
        for joint in chain:
            if np.isfinite(joints[joint]).all():
                u, v, _ = np.rint(large.project(joints[joint][None])[0]).astype(int)
                assert tuple(pixels[v, u]) == colour(number)
    assert not (pixels[:39] != 0).any(), "nothing was seen there"
    assert pixels[290, 390, 0] > pixels[450, 20, 0] > 0, "the nearer the brighter"
    u, v, _ = large.project(np.array([[-100, -130, 400.0]]))[0].astype(int)
    assert (pixels[v - 1 : v + 2, u - 1 : u + 2] == 255).all(-1).any(), "the square's corner"


def test_an_image_that_shows_nothing(tmp_path: Path) -> None:
    camera = Intrinsics(500, 500, 350, 10, 700, 20)
    path = draw_hand_in_image(tmp_path / "a.png", np.zeros((20, 700)), camera, [])
    with Image.open(path) as picture:
        assert picture.size == (700, 20) and not np.asarray(picture).any()
