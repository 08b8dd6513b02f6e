"""The task of hand pose: what is learned from, what it gives, and what it never makes up."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from hand_frames import HAND, write_msra
from numpy.typing import NDArray

import nvc3d
from nvc3d.cli import main
from nvc3d.data.hands import HandFrame, Hands
from nvc3d.data.registry import DataSet
from nvc3d.geometry.hand_joints import BONES, FINGERS, JOINTS
from nvc3d.geometry.intrinsics import CAMERAS
from nvc3d.geometry.mesh import Cloud
from nvc3d.metrics import mean_error_mm, pa_mm, root_relative_mm
from nvc3d.tasks import TASKS, Splits
from nvc3d.tasks.hand_pose.answer import HandPoseAnswer, write_hands
from nvc3d.tasks.hand_pose.data import HandClouds
from nvc3d.tasks.hand_pose.kinematics import bones, rebuilt
from nvc3d.tasks.hand_pose.model import UNIT, HandPoseModel, to_frame
from nvc3d.tasks.vocabulary import Vocabulary

TASK = TASKS["hand_pose"]


class Sticks(Hands):
    """Hands of points along their bones, each turned and bent in a way of its own."""

    categories = ("a", "b")

    def __init__(self, count: int = 8, lacking: tuple[int, ...] = (), points: int = 96) -> None:
        super().__init__(points, 0, training=False)
        self.count, self.lacking = count, lacking

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"hand {index}"

    def label(self, index: int) -> int:
        return index % 2

    def read(self, index: int) -> HandFrame:
        rng = np.random.default_rng(index)
        joints = HAND.copy()
        for chain in FINGERS.values():  # bent towards the camera
            joints[list(chain), 2] -= rng.uniform(0, 25) * np.arange(1, 5)
        joints = (joints - HAND[0]) @ turn(rng.uniform(-0.5, 0.5)).T + HAND[0]
        joints[list(self.lacking)] = np.nan
        return HandFrame(
            joints, "canonical", CAMERAS["msra"], None, "left" if index % 2 else "right"
        )

    def load(self, index: int, rng: np.random.Generator) -> Any:
        frame = self.read(index)
        whole = Sticks.read(Sticks(), index).annotated
        parent, joint = np.array(BONES).T
        share = np.linspace(0, 1, 12)[:, None, None]
        along = (1 - share) * whole[parent] + share * whole[joint]
        return frame, along.reshape(-1, 3).astype(np.float32)


def turn(angle: float) -> NDArray[np.float64]:
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])


def config(**change: Any) -> Any:
    return tiny.config("hand_pose", **{"bottleneck": "plain", **change})


def splits(hands: Hands | None = None, **change: Any) -> Splits:
    clouds = HandClouds(hands or Sticks(), config(**change), training=False)
    return Splits(clouds, clouds, Vocabulary(("a", "b")))


def fresh(own: Splits | None = None, **change: Any) -> HandPoseModel:
    torch.manual_seed(0)
    return TASK.fresh(config(**change), own or splits(**change))


def batch_of(own: Splits, count: int = 4) -> dict[str, Any]:
    return torch.utils.data.default_collate([own.train[i] for i in range(count)])


def learned(own: Splits) -> HandPoseModel:
    """A model that knows where palms are: of joints that say nothing no frame can be told."""
    model = fresh(own)
    learn(model, batch_of(own, 8), 40)
    return model


def learn(model: HandPoseModel, batch: dict[str, Any], steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        TASK.loss(model, batch)["total"].backward()
        optimizer.step()
    model.eval()


@pytest.mark.parametrize("votes", [True, False])
@pytest.mark.parametrize(
    "code",
    [
        {"bottleneck": "plain"},
        {"bottleneck": "vae"},
        {"bottleneck": "nebula"},
        {"bottleneck": "nebula", "nebula_form": "side"},
        {"bottleneck": "nebula", "nebula_form": "exemplars"},
    ],
)
def test_every_code_learns_a_few_hands(code: dict[str, Any], votes: bool) -> None:
    own = splits()
    model = fresh(own, votes=votes, encoder="pointnet", nebula_weight=0.001, **code)
    batch = batch_of(own)
    model.train()
    terms = TASK.loss(model, batch)
    assert terms["total"].item() == pytest.approx(
        sum(value.item() for name, value in terms.items() if name != "total"), rel=1e-5
    )
    before = mean_error_mm(model(batch["points"], batch["left"]).joints, batch["joints"])
    learn(model, batch, 60)
    after = mean_error_mm(model(batch["points"], batch["left"]).joints, batch["joints"])
    assert after < before / 2
    assert all(p.grad is not None for p in model.parameters()), "no part is idle"


def test_half_precision_finds_the_same_joints_but_for_a_millimetre() -> None:
    own = splits()
    model, batch = fresh(own).eval(), batch_of(own)
    here = model(batch["points"], batch["left"]).joints
    with torch.autocast("cpu", torch.bfloat16):
        half = model(batch["points"], batch["left"])
        assert TASK.loss(model, batch)["total"].isfinite()
    assert half.joints.dtype == torch.float32
    torch.testing.assert_close(half.joints, here, atol=2.0, rtol=0)


def test_forms_are_of_a_nebula() -> None:
    with pytest.raises(ValueError, match="nebula_form side needs bottleneck nebula, got vae"):
        config(bottleneck="vae", nebula_form="side")


def test_joints_that_are_not_known_count_nowhere() -> None:
    known, lacking = splits(), splits(Sticks(lacking=(4, 7)))
    batch, other = batch_of(known), batch_of(lacking)
    assert not other["joint_mask"][:, [4, 7]].any()
    model = fresh(lacking).eval()
    changed = other["joints"].clone()
    changed[:, [4, 7]] = 1e4
    losses = [
        TASK.loss(model, {**batch, "joints": joints, "joint_mask": other["joint_mask"]})["total"]
        for joints in (other["joints"], changed)
    ]
    assert losses[0] == losses[1]
    assert losses[0] != TASK.loss(model, batch)["total"]
    assert (~model.learned).nonzero().flatten().tolist() == [4, 7]


def test_joints_that_training_lacks_are_neither_measured_nor_told(tmp_path: Path) -> None:
    own = splits(Sticks(lacking=(4, 7)))
    model = fresh(own)
    known = splits()
    measured = TASK.metrics(model, [batch_of(known)], ("a", "b"))
    whole = TASK.metrics(fresh(known), [batch_of(known)], ("a", "b"))
    thumb = measured.by["finger"]["thumb"]["mean hand"]["mean_error_mm"]
    assert thumb != whole.by["finger"]["thumb"]["mean hand"]["mean_error_mm"]
    found = TASK.answer(model, config(), Cloud(known.val[0]["points"].numpy()), side="right")
    assert np.isnan(found.joints).any(1).nonzero()[0].tolist() == [4, 7]
    assert np.isnan(found.confidence[[4, 7]]).all()
    hand = found.to_dict()
    assert set(JOINTS) - set(hand["joints"]) == {JOINTS[4], JOINTS[7]}
    assert list(hand["joints"]) == list(hand["confidence"])
    assert len(found.write(tmp_path / "a.json")) == 3


def test_a_hand_moved_or_turned_about_the_camera_moves_and_turns_its_joints() -> None:
    own = splits()
    model, batch = learned(own), batch_of(own)
    # Points evenly along their bones are as near as others: who is nearest would hang on rounding.
    batch["points"] += torch.randn(
        batch["points"].shape, generator=torch.Generator().manual_seed(0)
    )
    away = torch.tensor([30.0, -20.0, 100.0])
    here = model(batch["points"], batch["left"]).joints
    there = model(batch["points"] + away, batch["left"]).joints
    torch.testing.assert_close(there, here + away, atol=0.01, rtol=0)
    for angle in (0.7, 2.5, -1.6):
        turned = torch.from_numpy(turn(angle)).float()
        found = model(batch["points"] @ turned.T, batch["left"]).joints
        torch.testing.assert_close(found, here @ turned.T, atol=0.02, rtol=0)


def test_a_left_hand_is_a_right_one_mirrored() -> None:
    own = splits()
    model, batch = learned(own), batch_of(own)
    mirror = torch.tensor([-1.0, 1, 1])
    right = torch.zeros(4, dtype=torch.bool)
    here = model(batch["points"], right)
    there = model(batch["points"] * mirror, ~right)
    torch.testing.assert_close(there.joints, here.joints * mirror, atol=0.01, rtol=0)
    torch.testing.assert_close(there.log_scale, here.log_scale, atol=1e-3, rtol=0)


def test_the_mean_hand_is_of_right_hands_in_the_frames_of_their_points() -> None:
    own = splits()
    model = fresh(own)
    batch = batch_of(own, 8)
    clouds, centre, frame = to_frame(batch["points"], batch["left"])
    around = (batch["joints"] - centre[:, None]) @ frame
    torch.testing.assert_close(model.mean_pose, around.mean(0), atol=1e-3, rtol=0)
    # Axes at right angles; every other hand is a left one.
    torch.testing.assert_close(frame.mT @ frame, torch.eye(3).expand(8, 3, 3), atol=1e-5, rtol=0)
    assert torch.linalg.det(frame).round().tolist() == [1, -1] * 4
    x, y, z = clouds.var(1).T
    assert (y >= x).all() and (x >= z).all() and (frame[:, 2, 2] <= 0).all()
    placed = UNIT * clouds @ frame.mT + centre[:, None]
    torch.testing.assert_close(placed, batch["points"], atol=1e-2, rtol=0)
    lengths = torch.linalg.vector_norm(bones(around), dim=-1).mean(0)
    torch.testing.assert_close(model.mean_bones, lengths, atol=1e-3, rtol=0)


def test_rebuilt_joints_have_the_given_bones_in_their_own_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    joints = torch.from_numpy(HAND) + 5 * torch.randn(3, 21, 3, generator=generator)
    lengths = 20 + 30 * torch.rand(20, generator=generator).double()
    found = rebuilt(joints, lengths)
    ratio = torch.linalg.vector_norm(bones(found), dim=-1) / lengths
    torch.testing.assert_close(ratio, ratio[:, :1].expand(-1, 20))
    turned = torch.cosine_similarity(bones(found), bones(joints), dim=-1)
    torch.testing.assert_close(turned, torch.ones_like(turned))
    torch.testing.assert_close(found.mean(1), joints.mean(1))
    own = torch.linalg.vector_norm(bones(joints[0]), dim=-1)
    torch.testing.assert_close(rebuilt(joints[:1], own), joints[:1])


def test_a_kinematic_model_keeps_the_proportions_of_bones() -> None:
    own = splits()
    model, batch = fresh(own, kinematic=True).eval(), batch_of(own)
    found = model(batch["points"], batch["left"]).joints
    ratio = torch.linalg.vector_norm(bones(found), dim=-1) / model.mean_bones
    torch.testing.assert_close(ratio, ratio[:, :1].expand(-1, 20), atol=1e-3, rtol=0)
    with pytest.raises(ValueError, match="--kinematic needs the length of every bone"):
        fresh(splits(Sticks(lacking=(4,))), kinematic=True)


def test_measures_are_those_of_the_field() -> None:
    own = splits()
    model = fresh(own)
    batches = [batch_of(own, 8)]
    measured = TASK.metrics(model, batches, ("a", "b"))
    assert set(measured.overall["mean hand"]) <= {measure.name for measure in TASK.measures}
    with torch.no_grad():
        result = model.eval()(batches[0]["points"], batches[0]["left"])
    truth = batches[0]["joints"]
    row = measured.overall["hand pose"]
    assert row["mean_error_mm"] == pytest.approx(mean_error_mm(result.joints, truth))
    assert row["root_relative_mm"] == pytest.approx(root_relative_mm(result.joints, truth, root=0))
    assert row["pa_mm"] == pytest.approx(pa_mm(result.joints, truth))
    assert row["expected_mm"] == pytest.approx(3 * float(result.log_scale.exp().mean()), rel=1e-5)
    fingers = [t["hand pose"]["mean_error_mm"] for t in measured.by["finger"].values()]
    mean = (fingers[0] + 4 * sum(fingers[1:])) / 21
    assert mean == pytest.approx(row["mean_error_mm"])
    groups = [table["hand pose"]["mean_error_mm"] for table in measured.by["group"].values()]
    assert sum(groups) / 2 == pytest.approx(row["mean_error_mm"])
    with pytest.raises(ValueError, match="no hands"):
        TASK.metrics(model, [], ("a",))


def test_several_answers_are_of_codes_that_have_them() -> None:
    own = splits()
    batch = batch_of(own)
    model = fresh(own, bottleneck="vae")
    row = TASK.metrics(model, [batch], ("a", "b")).overall["hand pose"]
    assert row["best_of_8_mm"] <= row["mean_error_mm"] and row["spread_mm"] > 0
    answers = model.alternatives(batch["points"], batch["left"], 3)
    torch.testing.assert_close(
        answers[0].joints, model.eval()(batch["points"], batch["left"]).joints
    )
    cloud = Cloud(batch["points"][0].numpy())
    found = TASK.answer(model, config(), cloud, samples=3)
    assert found.samples.shape == (3, 21, 3) and np.array_equal(found.samples[0], found.joints)
    for change in ({"bottleneck": "plain"}, {"bottleneck": "nebula", "nebula_form": "side"}):
        with pytest.raises(ValueError, match="this model gives one answer"):
            TASK.answer(fresh(own, **change), config(), cloud, samples=3)


def test_an_answer_knows_units_the_crop_and_the_side(tmp_path: Path) -> None:
    own = splits()
    model = fresh(own)
    learn(model, batch_of(own, 8), 60)
    points = own.val[0]["points"].numpy().astype(np.float64)
    here = TASK.answer(model, config(), Cloud(points), side="right")
    metres = TASK.answer(model, config(), Cloud(points / 1000, unit=1.0), side="right")
    assert metres.joints == pytest.approx(here.joints, abs=0.05)
    wall = np.concatenate([points, points + np.array([0, 0, 600])])
    cut = TASK.answer(model, config(), Cloud(wall), centre=points.mean(0), side="right")
    assert np.array_equal(cut.points, points)
    left = TASK.answer(model, config(), Cloud(points * [-1, 1, 1]), side="left")
    assert left.joints == pytest.approx(here.joints * [-1, 1, 1], abs=0.05)
    sure = TASK.answer(model, config(), Cloud(points))
    both = {s: TASK.answer(model, config(), Cloud(points), side=s) for s in ("right", "left")}
    assert sure.expected_error.mean() == min(a.expected_error.mean() for a in both.values())
    assert both[sure.side].joints == pytest.approx(sure.joints)
    assert ((here.confidence > 0) & (here.confidence < 1)).all()
    order = here.expected_error.argsort()
    assert (np.diff(here.confidence[order]) <= 0).all(), "the less it errs, the surer"


def test_refined_answers_are_asked_for() -> None:
    own = splits()
    model, batch = fresh(own, bottleneck="vae"), batch_of(own)
    cloud = Cloud(batch["points"][0].numpy())
    plain = TASK.answer(model, config(), cloud, samples=2, side="left")
    fine = TASK.answer(model, config(), cloud, samples=2, side="left", refine=True)
    assert fine.samples.shape == (2, 21, 3) and not np.allclose(fine.joints, plain.joints)
    assert np.array_equal(fine.expected_error, plain.expected_error)
    rows = [TASK.metrics(model, [batch], ("a", "b"), refine=r).overall for r in (False, True)]
    assert rows[0]["hand pose"] != rows[1]["hand pose"]
    assert rows[0]["mean hand"]["pa_mm"] == rows[1]["mean hand"]["pa_mm"]
    with pytest.raises(ValueError, match="only a model that tells all 21 joints can be refined"):
        TASK.answer(fresh(splits(Sticks(lacking=(4,)))), config(), cloud, refine=True)


def test_confidence_is_the_share_of_errors_within_20_mm() -> None:
    # Errors whose density in space falls as exp(-r / 5) are 15 mm on average.
    radius = np.random.default_rng(0).gamma(3, 5, 100_000)
    error = np.full(21, radius.mean())
    joints = np.zeros((21, 3))
    found = HandPoseAnswer(joints, error, "right", joints[None], joints).confidence
    assert found == pytest.approx((radius <= 20).mean(), abs=0.01)


@pytest.mark.parametrize(
    ("points", "options", "said"),
    [
        (HAND / 1000, {}, r"20 to 500 mm across, got 0.1.* in metres needs its unit"),
        (np.concatenate([HAND, HAND + 900]), {}, "one with more than a hand the centre"),
        (HAND, {"centre": (0, 0, 2000)}, "none of 21 points lies within 125 mm of the centre"),
        (HAND, {"centre": (0, 0)}, "centre must be .3,. and finite"),
        (HAND, {"side": "both"}, "side must be right, left or None, got 'both'"),
    ],
)
def test_nothing_is_guessed(points: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TASK.answer(fresh(), config(), Cloud(points), **options)


def test_hands_are_written(tmp_path: Path) -> None:
    error = np.full(21, 6.0)
    hand = HandPoseAnswer(HAND, error, "left", HAND[None], HAND)
    written = write_hands(tmp_path / "a-pose.json", [hand, hand])
    assert [path.name for path in written] == ["a-pose.json", "a-pose.npy", "a-pose.png"]
    values = json.loads(written[0].read_text())
    assert values["unit"] == "mm" and [own["side"] for own in values["hands"]] == ["left", "left"]
    assert values["hands"][0]["joints"]["wrist"] == pytest.approx(HAND[0], abs=1e-3)
    assert np.array_equal(np.load(written[1]), np.stack([HAND, HAND]))
    none = write_hands(tmp_path / "b-pose.json", [])
    assert json.loads(none[0].read_text())["hands"] == [] and len(none) == 2
    assert np.load(none[1]).shape == (0, 21, 3)
    several = replace(hand, samples=np.stack([HAND, HAND + 1]))
    assert [p.name for p in several.write(tmp_path / "c.json")][::3] == ["c-1.json", "c-2.json"]


def test_pictures_are_drawn(tmp_path: Path) -> None:
    own = splits(Sticks(lacking=(4,)))
    model = fresh(own, bottleneck="nebula")
    shown = TASK.metrics(model, [batch_of(own, 8)], ("a", "b")).shown
    hands = shown.chosen()
    worst = float(hands[-1].title.rpartition(": ")[2].split()[0])
    assert all(float(hand.title.rpartition(": ")[2].split()[0]) <= worst for hand in hands)
    names = [picture.path.name for picture in TASK.pictures(model, shown, tmp_path)]
    assert names == ["poses.png", "latents.png"]
    assert all((tmp_path / name).stat().st_size > 5000 for name in names)


def test_augmented_hands_stay_hands() -> None:
    hands = Sticks(points=200)
    own = HandClouds(hands, config(points=64), training=True)
    plain = HandClouds(hands, config(points=64, augment=False), training=True)
    ratios = []
    for i in range(8):
        item, same = own[i], plain[i]
        assert item["points"].shape == (64, 3)
        size = torch.linalg.vector_norm(bones(item["joints"]), dim=-1) / torch.linalg.vector_norm(
            bones(same["joints"]), dim=-1
        )
        torch.testing.assert_close(size, size[:1].expand(20), atol=1e-3, rtol=1e-3)
        ratios.append(float(size[0]))
        # Points still lie on the bones.
        parent, joint = np.array(BONES).T
        share = torch.linspace(0, 1, 12)[:, None, None]
        along = (1 - share) * item["joints"][parent] + share * item["joints"][joint]
        apart = torch.cdist(item["points"].double(), along.flatten(0, 1).double())
        assert float(apart.amin(1).max()) < 1e-2
    assert min(ratios) < 0.98 and max(ratios) > 1.02
    assert torch.equal(own[3]["points"], own[3]["points"])
    own.set_epoch(1)
    assert not torch.equal(own[3]["joints"], HandClouds(hands, config(), True)[3]["joints"])


def test_a_folder_of_hands_is_learned_from(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_msra(tmp_path, 4)
    small = "--points 64 --dim 16 --latent-dim 4 --anchors 3 --hidden 16 --steps 2 --batch-size 2"
    run = tmp_path / "run"
    assert (
        main(["train", "hand_pose", "--data", str(tmp_path), "--output", str(run), *small.split()])
        == 0
    )
    assert "mean_error_mm" in capsys.readouterr().out
    assert {"poses.png", "latents.png", "metrics.json"} <= {path.name for path in run.iterdir()}
    assert main(["eval", "--checkpoint", str(run), "--json"]) == 0
    overall = json.loads(capsys.readouterr().out)["overall"]
    assert overall == json.loads((run / "metrics.json").read_text())["overall"]
    answer = nvc3d.load(run)(Cloud(np.repeat(HAND, 4, 0)))
    assert answer.joints.shape == (21, 3) and answer.names == JOINTS


def test_a_folder_without_hands_or_without_depth_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="holds no data set of hands that is known"):
        TASK.data(config(data=str(tmp_path)))
    colours = DataSet("Colours", "hands", "", lambda path: True, lambda *given: Sticks(), "")
    monkeypatch.setattr(import_module("nvc3d.data.registry"), "data_sets", lambda: (colours,))
    with pytest.raises(ValueError, match="holds Colours, which has no depth images"):
        TASK.data(config(data=str(tmp_path)))


def test_built_in_hands_are_of_both_sides_and_others_are_measured_on() -> None:
    own = TASK.data(config(frames=24))
    assert len(own.train) == 24 and len(own.val) == 1000
    items = [own.train[i] for i in range(12)]
    assert {bool(item["left"]) for item in items} == {True, False}
    assert all(item["points"].shape == (64, 3) and item["joint_mask"].all() for item in items)
    name = own.val[0]["name"]
    assert own.vocabulary.groups[int(own.val[0]["label"])] in name and "val" in name
    near = torch.stack([item["joints"] - item["points"].mean(0) for item in items])
    assert near.abs().max() < 250, "joints are where the points are"
