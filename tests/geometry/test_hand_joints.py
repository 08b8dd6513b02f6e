"""The joints of hands: names, and the order of every data set, told by a hand placed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nvc3d.geometry.hand_joints import (
    BONES,
    FINGERS,
    JOINTS,
    NYU_EVALUATED,
    ORDERS,
    PARENTS,
    from_canonical,
    to_canonical,
)

# An open right hand, its palm to the viewer, in mm, row by row as each set's own description has
# it: (finger, step) is the finger's joint that many steps from its knuckle.
KNUCKLE = {"T": (-35, 20), "I": (-25, 90), "M": (-5, 95), "R": (15, 90), "P": (32, 80)}
ALONG = {"T": (-20, 25), "I": (-3, 25), "M": (0, 28), "R": (3, 25), "P": (8, 20)}


def spot(text: str) -> tuple[float, float, float]:
    """Where "W" (wrist), "C" (middle of the palm) or "I2" lies; "-" is nowhere of ours."""
    if text in "WC-":
        return {"W": (0.0, 0.0, 500.0), "C": (0.0, 50.0, 500.0), "-": (999.0, 999.0, 999.0)}[text]
    (x, y), (dx, dy), step = KNUCKLE[text[0]], ALONG[text[0]], int(text[1])
    return x + step * dx, y + step * dy, 500.0 - step


ROWS = {
    "mediapipe": "W T0 T1 T2 T3 I0 I1 I2 I3 M0 M1 M2 M3 R0 R1 R2 R3 P0 P1 P2 P3",
    "msra": "W I0 I1 I2 I3 M0 M1 M2 M3 R0 R1 R2 R3 P0 P1 P2 P3 T0 T1 T2 T3",
    "icvl": "C - - T3 - - I3 - - M3 - - R3 - - P3",
    "nyu36": "P3 P2 - P1 - P0 R3 R2 - R1 - R0 M3 M2 - M1 - M0 I3 I2 - I1 - I0 T3 T2 - T1 - T0 "
    "- - C - - W",
    "nyu14": "P3 P1 R3 R1 M3 M1 I3 I1 T3 T2 T1 - - C",
    "hands2017": "W T0 I0 M0 R0 P0 T1 T2 T3 I1 I2 I3 M1 M2 M3 R1 R2 R3 P1 P2 P3",
    "rhd": "W T3 T2 T1 T0 I3 I2 I1 I0 M3 M2 M1 M0 R3 R2 R1 R0 P3 P2 P1 P0",
    "stb": "C P0 P1 P2 P3 R0 R1 R2 R3 M0 M1 M2 M3 I0 I1 I2 I3 T0 T1 T2 T3",
    "ho3d": "W I0 I1 I2 M0 M1 M2 P0 P1 P2 R0 R1 R2 T0 T1 T2 T3 I3 M3 R3 P3",
    "interhand": "T3 T2 T1 T0 I3 I2 I1 I0 M3 M2 M1 M0 R3 R2 R1 R0 P3 P2 P1 P0 W",
    "webxr": "W T0 T1 T2 T3 - I0 I1 I2 I3 - M0 M1 M2 M3 - R0 R1 R2 R3 - P0 P1 P2 P3",
}
for same, order in (
    *(("canonical", "mediapipe"), ("freihand", "mediapipe"), ("dexycb", "mediapipe")),
    ("fpha", "hands2017"),
):
    ROWS[same] = ROWS[order]
HAND = np.array([spot(text) for text in ROWS["mediapipe"].split()])


def placed(order: str) -> np.ndarray:
    return np.array([spot(text) for text in ROWS[order].split()])


def test_the_names_are_those_of_answers() -> None:
    assert len(JOINTS) == len(set(JOINTS)) == 21
    assert JOINTS[:5] == ("wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip")
    assert JOINTS[5:9] == tuple(f"index_finger_{at}" for at in ("mcp", "pip", "dip", "tip"))
    assert JOINTS[17:] == ("pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip")
    assert [JOINTS[joints[-1]] for joints in FINGERS.values()] == [
        *("thumb_tip", "index_finger_tip", "middle_finger_tip", "ring_finger_tip", "pinky_tip")
    ]


def test_bones_are_a_tree_of_chains() -> None:
    assert len(BONES) == 20 and {joint for _, joint in BONES} == set(range(1, 21))
    for chain in FINGERS.values():
        assert [PARENTS[joint] for joint in chain] == [0, *chain[:-1]]
    # Of the placed hand: the bones of a finger are short and of one length, those of the palm long.
    length = {joint: np.linalg.norm(HAND[joint] - HAND[parent]) for parent, joint in BONES}
    for chain in FINGERS.values():
        assert np.ptp([length[joint] for joint in chain[1:]]) < 1e-9


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_every_order_tells_the_same_hand(order: str) -> None:
    joints, there = to_canonical(placed(order), order)
    known = [name for name in ROWS["mediapipe"].split() if name in ROWS[order].split()]
    assert there.sum() == len(known)
    assert np.array_equal(joints[there], HAND[there]) and np.isnan(joints[~there]).all()
    assert [
        text for text, yes in zip(ROWS["mediapipe"].split(), there, strict=True) if yes
    ] == known


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_there_and_back_keeps_what_both_have(order: str) -> None:
    back = from_canonical(HAND, order)
    both = ~np.isnan(back[:, 0])
    assert np.array_equal(back[both], placed(order)[both])
    again, there = to_canonical(back, order)
    assert np.array_equal(again[there], HAND[there]) and there.sum() == both.sum()


def test_what_is_masked() -> None:
    """A palm is no wrist, and NYU's evaluated joints have none."""
    missing = {order: sum(~to_canonical(placed(order), order)[1]) for order in ORDERS}
    assert {order for order, count in missing.items() if count} == {"icvl", "nyu14", "stb"}
    assert (missing["stb"], missing["nyu14"], missing["icvl"]) == (1, 10, 16)
    assert not to_canonical(placed("stb"), "stb")[1][0]


def test_nyu14_is_rows_of_nyu36() -> None:
    many = np.random.default_rng(0).normal(size=(5, 36, 3))
    few, there = to_canonical(many[:, list(NYU_EVALUATED)], "nyu14")
    assert np.array_equal(few[there], to_canonical(many, "nyu36")[0][there])


def test_batches_and_missing_joints() -> None:
    joints = np.stack([placed("msra"), placed("msra") + 1])[None].astype(np.float32)
    joints[0, 1, 4, 2] = np.nan  # the tip of the index finger
    result, there = to_canonical(joints, "msra")
    assert result.shape == (1, 2, 21, 3) and there.shape == (1, 2, 21)
    assert np.argwhere(~there).tolist() == [[0, 1, 8]] and np.isnan(result[0, 1, 8]).all()


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"order must be one of canonical, .* got 'kinect'"):
        to_canonical(HAND, "kinect")
    with pytest.raises(ValueError, match=r"joints of icvl must be \(..., 16, 3\), got \(21, 3\)"):
        to_canonical(HAND, "icvl")
    with pytest.raises(ValueError, match=r"must be \(..., 21, 3\), got \(20, 3\)"):
        from_canonical(HAND[:20], "msra")
