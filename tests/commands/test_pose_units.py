"""`nvc3d pose` says where a hand shows that its depth has another unit."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hand_frames import HAND, write_depth
from limbs import ELBOW, arm, hand, seen
from tiny import call, untrained

from nvc3d.commands.posing.frames import CloudFrame, Frame, ImageFrame
from nvc3d.commands.posing.units import doubt, larger
from nvc3d.geometry import CAMERAS
from nvc3d.geometry.hand_finding import FoundHand, NoHand
from nvc3d.tasks.hand_pose import HandPoseAnswer

CAMERA = CAMERAS["sr300"]
AWAY = np.array([0.0, 0, 250])
VIEW = seen(CAMERA, hand(HAND + AWAY), arm(HAND + AWAY, ELBOW + AWAY))  # metres


def frames(factor: float) -> list[Frame]:
    """The hand so many times as large, as an image and as a cloud."""
    image = ImageFrame(VIEW * np.float32(factor), CAMERA)
    return [image, CloudFrame(image.points)]


def answer(error: float) -> HandPoseAnswer:
    return HandPoseAnswer(HAND, np.full(21, error), "right", HAND[None], HAND)


@pytest.mark.parametrize("frame", frames(8))
def test_a_hand_beyond_reach_is_doubted_by_what_the_model_expects(frame: Frame) -> None:
    far = FoundHand(np.array([0.0, 0, 3200]), HAND.astype(np.float32))
    said = r"3.2 m away; with an eighth of the unit there is one at 0.6\d m, and .* to err by"
    with pytest.raises(ValueError, match=f"{said} 8 mm"):
        doubt(frame, far, answer(30.0), lambda found: answer(8.0))
    with pytest.warns(UserWarning, match=f"{said} 20 mm rather than 30: .* --unit 0.000125"):
        doubt(frame, far, answer(30.0), lambda found: answer(20.0))
    near = FoundHand(np.array([0.0, 0, 700]), HAND.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        doubt(frame, near, answer(30.0), lambda found: answer(8.0))
        doubt(frame.scaled(1 / 8), far, answer(30.0), lambda found: answer(8.0))


@pytest.mark.parametrize("frame", frames(1 / 8))
def test_where_no_hand_is_found_a_larger_unit_is_tried(frame: Frame) -> None:
    with pytest.raises(ValueError):
        frame.hands(1)
    assert "; with eight times the unit there is a hand at 0.6" in larger(frame)
    assert larger(frame.scaled(8)) == ""


def test_an_image_of_another_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = untrained(tmp_path / "run", "hand_pose", bottleneck="vae")
    write_depth(tmp_path / "a.png", 1000 * VIEW)
    words = ["--checkpoint", run, "--output", tmp_path, "--camera", "sr300"]
    assert call("pose", tmp_path / "a.png", *words, "--unit", "0.000125") == 2
    error = capsys.readouterr().err
    assert "no hand was found" in error and "with eight times the unit" in error
    assert issubclass(NoHand, ValueError) and "Traceback" not in error
