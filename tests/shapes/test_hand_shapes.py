"""Built-in hands: bones as people have them, a closed skin around them, and how both move."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nvc3d.geometry.hand_joints import BONES, FINGERS
from nvc3d.shapes.hands import Pose, joints, make_hand, surface, turns
from nvc3d.shapes.hands.flesh import Flesh
from nvc3d.shapes.hands.people import make_skeleton
from nvc3d.shapes.hands.poses import GESTURES, LIMITS, NAMES, draw_angles
from nvc3d.shapes.hands.skin import bent
from nvc3d.shapes.hands.touch import depth_of_touch

SKELETONS = [make_skeleton(seed) for seed in range(200)]


def test_bones_are_those_of_people() -> None:
    lengths = np.stack([skeleton.lengths.numpy() for skeleton in SKELETONS])
    thumb, index, middle, ring, pinky = np.median(lengths, 0)
    # A rigged hand of another maker, in mm: proximal and middle bones.
    assert index[:2] == pytest.approx([45.3, 24.3], rel=0.08)
    assert middle[:2] == pytest.approx([46.9, 27.5], rel=0.1)
    assert ring[:2] == pytest.approx([42.9, 26.6], rel=0.1)
    assert pinky[:2] == pytest.approx([34.6, 20.3], rel=0.08)
    assert thumb[1] == pytest.approx(33.8, rel=0.05)
    # What ICVL's people have between its outermost joints and the tips, which is as long.
    last = np.array([thumb, index, middle, ring, pinky])[:, 2]
    assert last == pytest.approx([25.4, 18.6, 21.5, 20.7, 18.5], rel=0.1)
    # People differ, and in one hand long bones go together.
    assert (lengths.std(0) / lengths.mean(0) > 0.03).all()
    assert np.corrcoef(lengths[:, 2, 0], lengths[:, 3, 0])[0, 1] > 0.6


def test_hands_are_as_long_and_as_broad_as_those_of_people() -> None:
    length, breadth = [], []
    for seed in range(8):
        hand = make_hand(seed)
        flat, _ = turns(hand.skeleton, torch.zeros(5, 4, dtype=torch.float64))
        vertices, base = hand.vertices.numpy(), hand.skeleton.base.numpy()
        length.append(vertices[:, 1].max())
        assert length[-1] == pytest.approx(float(flat[12, 1]) + 3, abs=0.5)
        across = np.abs(vertices[:, 1] - base[1:, 1].mean() + 8) < 4
        across &= hand.weights[:, 1:4].sum(1).numpy() < 0.2  # the thumb does not count
        breadth.append(np.ptp(vertices[across, 0]))
    assert min(length) >= 160 and max(length) <= 210
    assert min(breadth) >= 70 and max(breadth) <= 100
    assert 78 <= np.median(breadth) <= 90


@pytest.mark.parametrize("seed", range(4))
def test_the_skin_is_closed_and_holds_the_joints(seed: int) -> None:
    hand = make_hand(seed)
    faces, vertices = hand.faces.numpy(), hand.vertices.numpy()
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, met = np.unique(np.sort(edges), axis=0, return_counts=True)
    assert (met == 2).all() and len(np.unique(edges, axis=0)) == len(edges)
    assert len(vertices) - len(met) + len(faces) == 2  # a ball, with no handles
    a, b, c = np.moveaxis(vertices[faces], 1, 0)
    assert 150e3 < (a * np.cross(b, c)).sum() / 6 < 500e3  # mm3, positive: faces look outward
    flesh = Flesh(hand.skeleton)
    assert np.abs(flesh(vertices)).max() < 0.5
    flat, _ = turns(hand.skeleton, torch.zeros(5, 4, dtype=torch.float64))
    assert flesh(flat.numpy()).max() < -2.5
    assert hand.weights.sum(1).numpy() == pytest.approx(1, abs=1e-5)


def test_a_seed_gives_the_same_hand_and_another_seed_another() -> None:
    again = make_hand.__wrapped__(3)
    for name in ("vertices", "faces", "weights"):
        assert torch.equal(getattr(make_hand(3), name), getattr(again, name))
    assert not torch.equal(make_skeleton(3).lengths, make_skeleton(4).lengths)
    with pytest.raises(ValueError, match="seed must be a whole number of 0 or more, got -1"):
        make_hand(-1)


def test_bones_keep_their_lengths_and_skin_its_place_on_them() -> None:
    hand = make_hand(0)
    rng = np.random.default_rng(0)
    angles = torch.from_numpy(draw_angles(hand.skeleton, "random", rng))
    moved, vertices = bent(hand, angles)
    lengths = hand.skeleton.lengths
    for finger, chain in enumerate(FINGERS.values()):
        bones = moved[list(chain[1:])] - moved[list(chain[:-1])]
        assert bones.norm(dim=-1).numpy() == pytest.approx(lengths[finger].numpy())
    # What follows one bone alone keeps its distance from both of its ends.
    flat, _ = turns(hand.skeleton, torch.zeros_like(angles))
    for bone in range(15):
        own = hand.weights[:, 1 + bone] > 0.9999
        parent = list(FINGERS.values())[bone // 3][bone % 3]
        if own.any():
            before = (hand.vertices[own] - flat[parent]).norm(dim=-1)
            after = (vertices[own] - moved[parent]).norm(dim=-1)
            assert after.numpy() == pytest.approx(before.numpy(), abs=0.02)
    assert len(BONES) == 20


def test_fingers_bend_to_the_palm_and_spread_to_the_thumb() -> None:
    skeleton = make_skeleton(0)
    bend, spread = torch.zeros(2, 5, 4, dtype=torch.float64)
    bend[1:, 0], spread[1:, 1] = 1.0, 0.2
    flat = turns(skeleton, torch.zeros(5, 4, dtype=torch.float64))[0]
    tips = [8, 12, 16, 20]
    assert (turns(skeleton, bend)[0][tips, 2] > flat[tips, 2] + 30).all()
    assert (turns(skeleton, spread)[0][tips, 0] > flat[tips, 0] + 5).all()


def test_the_motion_is_one_that_a_fit_can_follow() -> None:
    hand = make_hand(0)
    some = torch.arange(0, len(hand.vertices), 400)
    few = type(hand)(hand.skeleton, hand.vertices[some], hand.faces, hand.weights[some])
    generator = torch.Generator().manual_seed(0)
    values = [
        0.3 * torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((2, 5, 4), (2, 3), (2, 3), (2,))
    ]
    for value in values:
        value.requires_grad_()

    def of(angles: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pose = Pose(angles, *rest)
        return joints(hand.skeleton, pose) / 100, surface(few, pose) / 100

    assert torch.autograd.gradcheck(of, values)
    still = Pose.rest(dtype=torch.float64)
    still.turn.requires_grad_()
    joints(hand.skeleton, still).sum().backward()
    assert torch.isfinite(still.turn.grad).all(), "also where nothing is turned"


def test_a_pose_turns_scales_and_moves_the_whole_hand() -> None:
    hand = make_hand(1)
    pose = Pose.rest(dtype=torch.float64)
    flat = joints(hand.skeleton, pose)
    quarter = torch.tensor([0, 0, np.pi / 2], dtype=torch.float64)
    place, scale = torch.tensor([1.0, 2, 3], dtype=torch.float64), torch.tensor(1.1)
    moved = joints(hand.skeleton, Pose(pose.angles, quarter, place, scale.double()))
    x, y, z = flat.T
    assert torch.allclose(moved, torch.stack([-y, x, z], 1) * scale + place, atol=1e-5)
    single = hand.to(torch.float32)
    assert surface(single, Pose.rest(3)).shape == (3, len(hand.vertices), 3)
    assert torch.allclose(surface(single, Pose.rest(3))[1].double(), hand.vertices, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_poses_keep_within_the_limits_and_out_of_one_another(name: str) -> None:
    rng = np.random.default_rng(0)
    skeleton = make_skeleton(0)
    angles = np.stack([draw_angles(skeleton, name, rng) for _ in range(30)])
    degrees = np.degrees(angles)
    assert (degrees >= LIMITS[..., 0] - 1e-9).all() and (degrees <= LIMITS[..., 1] + 1e-9).all()
    deep = depth_of_touch(skeleton, turns(skeleton, torch.from_numpy(angles))[0].numpy())
    assert (deep <= 3).mean() > 0.9 and deep.max() < 12
    assert not np.array_equal(angles[0], angles[1])
    if name in GESTURES:
        assert np.abs(degrees - GESTURES[name]).mean() < 8


def test_an_unknown_pose_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a pose must be one of open, flat.*got 'wave'"):
        draw_angles(make_skeleton(0), "wave", np.random.default_rng(0))
