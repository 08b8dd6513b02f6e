"""The segmentation task, from labelled points to tables and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from nvc3d.checkpoint import Run, load_run, save_config, save_weights
from nvc3d.config import TrainConfig
from nvc3d.data.scenes.rooms import BLOCKS
from nvc3d.files import write_cloud
from nvc3d.nebula import Code
from nvc3d.shapes import CATEGORIES, make_shape
from nvc3d.tasks import TASKS
from nvc3d.tasks.segmentation import SegmentationConfig
from nvc3d.tasks.segmentation.data import NONE
from nvc3d.tasks.segmentation.metrics import CONFINED, FREE
from nvc3d.tasks.segmentation.model import Segmentation

TASK = TASKS["segmentation"]
SMALL = SegmentationConfig(
    shapes=46, points=64, dim=32, latent_dim=8, anchors=4, hidden=16, augment=False
)
KINDS = ["nebula", "vae", "plain"]


def first_batch(splits, size: int = 8):
    return next(iter(DataLoader(splits.train, size)))


def made(config: SegmentationConfig):
    torch.manual_seed(0)
    splits = TASK.data(config)
    return splits, TASK.fresh(config, splits)


# --- labels ---------------------------------------------------------------------------------------


def test_every_part_of_every_category_has_a_label_of_its_own() -> None:
    splits, model = made(SMALL)
    vocabulary = model.vocabulary
    assert splits.vocabulary.groups == model.categories == CATEGORIES
    assert sorted(i for own in vocabulary.of_group.values() for i in own) == list(
        range(len(vocabulary.labels))
    )
    for category in ("chair", "mug"):
        own = [vocabulary.labels[i] for i in vocabulary.of_group[category]]
        assert own == [f"{category} {name}" for name in make_shape(category, 1).label_names]
    for index in range(46):
        item = splits.train[index]
        own = vocabulary.of_group[CATEGORIES[int(item["label"])]]
        assert set(item["point_labels"].tolist()) <= set(own)


def test_few_labels_hide_all_others_and_those_change_nothing() -> None:
    config = replace(SMALL, labelled=0.01)
    splits = TASK.data(config)
    known = [i for i in range(46) if bool((splits.train[i]["point_labels"] != NONE).all())]
    assert len(known) == 23
    assert {int(splits.train[i]["label"]) for i in known} == set(range(23))
    assert all(
        bool((splits.train[i]["point_labels"] == NONE).all()) for i in range(46) if i not in known
    )
    source = splits.train.source
    plain = source[next(i for i in range(46) if i not in known)]
    assert bool((plain["point_labels"] >= 0).all())


def test_few_labels_of_scenes_stay_those_of_the_same_scenes() -> None:
    splits = TASK.data(replace(SMALL, scenes=True, shapes=4 * BLOCKS, labelled=0.25))
    named = set()
    for epoch in range(3):
        splits.train.set_epoch(epoch)
        items = [splits.train[i] for i in range(len(splits.train))]
        named |= {item["name"] for item in items if bool((item["point_labels"] != NONE).any())}
        assert len({item["name"] for item in items}) == 4
    assert len(named) == 1


def test_points_without_a_label_do_not_count() -> None:
    splits, model = made(replace(SMALL, bottleneck="plain"))
    model.eval()
    batch = first_batch(splits)
    batch["point_labels"][:, 32:] = NONE
    scores = model(batch["points"], None, batch["label"]).scores
    likely = scores.log_softmax(-1).gather(-1, batch["point_labels"].clamp_min(0)[..., None])[
        ..., 0
    ]
    expected = -likely[:, :32].mean()
    assert TASK.loss(model, batch)["cross_entropy"].item() == pytest.approx(expected.item())
    batch["point_labels"][:] = NONE
    terms = TASK.loss(model, batch)
    assert terms["cross_entropy"].item() == 0 and bool(torch.isfinite(terms["total"]))


# --- model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point_codes", [False, True])
@pytest.mark.parametrize("encoder", ["pointnet", "dgcnn"])
def test_gradients_reach_every_weight(kind: str, point_codes: bool, encoder: str) -> None:
    splits, model = made(replace(SMALL, bottleneck=kind, point_codes=point_codes, encoder=encoder))
    batch = first_batch(splits)
    for _ in range(2):  # before its second step a nebula does not know how strong it is
        TASK.loss(model, batch)["total"].backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle <= {"bottleneck.anchors"}
    result = model(batch["points"], None, batch["label"])
    assert result.scores.shape == (8, 64, len(model.vocabulary.labels))
    assert result.code.mean.shape == ((8, 64, 8) if point_codes else (8, 8))


@pytest.mark.parametrize("point_codes", [False, True])
def test_the_constraint_is_scaled_to_the_task(point_codes: bool) -> None:
    splits, model = made(replace(SMALL, point_codes=point_codes))
    for _ in range(3):
        TASK.loss(model, first_batch(splits))["total"].backward()
    assert 0 < float(model.bottleneck.scale) < 0.1  # 1 where it was not measured


def test_two_views_show_the_same_points_and_must_choose_the_same_anchors() -> None:
    config = replace(SMALL, second_view=True, augment=True, point_codes=True)
    splits, model = made(config)
    alone = TASK.data(replace(config, second_view=False))
    one, two = alone.train[3], splits.train[3]
    assert "other_view" not in one and "other_view" not in splits.val[0]
    assert torch.equal(one["points"], two["points"])
    assert not torch.equal(two["points"], two["other_view"])
    # Turned about z and shrunk: heights keep their order, but for the jitter.
    height = torch.stack([two["points"][:, 2], two["other_view"][:, 2]])
    assert torch.corrcoef(height)[0, 1] > 0.98

    batch = first_batch(splits)
    model.bottleneck.awake.fill_(1.0)
    same = TASK.loss(model.eval(), batch | {"other_view": batch["points"]})
    other = TASK.loss(model, batch)
    assert other["nebula"] > same["nebula"]
    assert other["cross_entropy"] != same["cross_entropy"]


@pytest.mark.parametrize("point_codes", [False, True])
def test_the_order_of_the_points_does_not_matter(point_codes: bool) -> None:
    splits, model = made(replace(SMALL, point_codes=point_codes))
    model.eval()
    batch = first_batch(splits)
    order = torch.randperm(64)
    with torch.no_grad():
        scores = model(batch["points"], None, batch["label"]).scores
        turned = model(batch["points"][:, order], None, batch["label"]).scores
    assert torch.allclose(scores[:, order], turned, atol=1e-5)


def test_place_and_size_of_a_shape_do_not_matter_but_those_of_a_block_do() -> None:
    for config, alike in ((SMALL, True), (replace(SMALL, scenes=True, shapes=2), False)):
        splits, model = made(config)
        model.eval()
        batch = next(iter(DataLoader(splits.val, 4)))
        more = batch.get("features"), batch["label"] if model.categories else None
        scores = model(batch["points"], *more).scores
        moved = model(batch["points"] * 4 + 8, *more).scores
        assert torch.allclose(scores, moved, atol=1e-3) == alike


def test_the_category_is_told_and_has_an_effect() -> None:
    splits, model = made(SMALL)
    model.eval()
    batch = first_batch(splits)
    one = model(batch["points"], None, batch["label"]).scores
    other = model(batch["points"], None, (batch["label"] + 1) % 23).scores
    assert not torch.allclose(one, other)
    for wrong, why in [
        (None, r"category must be \(8,\), got none"),
        (batch["label"][:3], r"category must be \(8,\), got \(3,\)"),
        (batch["label"] + 100, "category must be from 0 to 22"),
    ]:
        with pytest.raises(ValueError, match=why):
            model(batch["points"], None, wrong)
    with pytest.raises(ValueError, match=r"features must be \(B, N, 0\), got \(8, 64, 3\)"):
        model(batch["points"], batch["points"], batch["label"])


@pytest.mark.slow
def test_it_learns_a_few_shapes_by_heart() -> None:
    config = replace(SMALL, bottleneck="plain", dim=64, hidden=64)
    splits, model = made(config)
    items = DataLoader(Subset(splits.train, range(4)), 4)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    batch = next(iter(items))
    for _ in range(150):
        optimiser.zero_grad()
        TASK.loss(model, batch)["total"].backward()
        optimiser.step()
    assert (
        TASK.metrics(model, [batch], splits.vocabulary.groups).overall[CONFINED]["accuracy"] > 0.95
    )


def test_a_saved_model_knows_its_labels(tmp_path: Path) -> None:
    for config in (SMALL, replace(SMALL, scenes=True, shapes=2)):
        splits, model = made(config)
        save_weights(model, tmp_path / "model.safetensors")
        run = Run(TASK, config, TrainConfig(), splits.vocabulary)
        save_config(tmp_path, run)
        again = load_run(tmp_path)[1]
        assert again.vocabulary == splits.vocabulary and again.channels == model.channels
        batch = next(iter(DataLoader(splits.val, 2)))
        inputs = batch["points"], batch.get("features"), batch["label"]
        with torch.no_grad():
            assert torch.equal(again.eval()(*inputs).scores, model.eval()(*inputs).scores)


# --- metrics --------------------------------------------------------------------------------------


class Answering(torch.nn.Module):
    """Gives the scores that it is told to, as a model would."""

    def __init__(self, model, answer) -> None:
        super().__init__()
        self.vocabulary, self.categories, self.answer = model.vocabulary, model.categories, answer
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, points, features, category):
        scores = self.answer(points, category)
        nothing = torch.zeros(len(points), 0)
        code = Code(nothing, nothing, nothing, torch.zeros(len(points)), nothing, nothing, nothing)
        return Segmentation(scores, code)


def test_a_perfect_answer_is_perfect_and_a_constant_one_what_it_is_by_hand() -> None:
    splits, model = made(SMALL)
    batch = next(iter(DataLoader(splits.val, 23)))
    count = len(model.vocabulary.labels)
    truth = torch.nn.functional.one_hot(batch["point_labels"], count).float()
    tables = TASK.metrics(Answering(model, lambda p, c: truth), [batch], splits.vocabulary.groups)
    assert set(tables.by["category"]) == set(CATEGORIES)
    assert all(value == 1 for row in tables.overall.values() for value in row.values())

    first = torch.tensor([model.vocabulary.of_group[name][0] for name in CATEGORIES])
    chosen = first[batch["label"]][:, None].expand(-1, 64)
    constant = torch.nn.functional.one_hot(chosen, count).float()
    tables = TASK.metrics(
        Answering(model, lambda p, c: constant), [batch], splits.vocabulary.groups
    )
    expected = []
    for parts, label in zip(batch["point_labels"], batch["label"].tolist(), strict=True):
        own = model.vocabulary.of_group[CATEGORIES[label]]
        share = float((parts == own[0]).double().mean())
        absent = [i for i in own[1:] if not bool((parts == i).any())]
        expected.append((share + len(absent)) / len(own))
    assert tables.overall[CONFINED]["instance mIoU"] == pytest.approx(np.mean(expected))


def test_the_two_conventions_differ_where_they_must() -> None:
    splits, model = made(SMALL)
    batch = next(iter(DataLoader(splits.val, 23)))
    count = len(model.vocabulary.labels)
    truth = torch.nn.functional.one_hot(batch["point_labels"], count).float()
    other = torch.nn.functional.one_hot((batch["point_labels"] + 30) % count, count).float()
    # Another category's part is best, the true one second.
    scores = truth + 2 * other
    tables = TASK.metrics(Answering(model, lambda p, c: scores), [batch], splits.vocabulary.groups)
    assert tables.overall[CONFINED]["accuracy"] == 1
    assert tables.overall[FREE]["accuracy"] == 0


def test_blocks_of_scenes_are_summed_over_the_split() -> None:
    splits, model = made(replace(SMALL, scenes=True, shapes=2))
    batch = next(iter(DataLoader(splits.val, 16)))
    batch["point_labels"][:, :4] = NONE
    model.eval()
    tables = TASK.metrics(model, [batch], splits.vocabulary.groups)
    with torch.no_grad():
        found = model(batch["points"], batch["features"]).scores.argmax(-1)
    known = batch["point_labels"] != NONE
    ious = []
    for label in range(len(model.vocabulary.labels)):
        mine, true = (found == label) & known, batch["point_labels"] == label
        if bool((mine | true).any()):
            ious.append(float((mine & true).sum()) / float((mine | true).sum()))
    assert tables.overall["blocks"]["mIoU"] == pytest.approx(np.mean(ious))
    assert tables.by["area"] == {"room": tables.overall}


@pytest.mark.parametrize("changes", [{}, {"point_codes": True}, {"scenes": True, "shapes": 2}])
def test_pictures_are_drawn(changes: dict, tmp_path: Path) -> None:
    splits, model = made(replace(SMALL, **changes))
    batches = DataLoader(Subset(splits.val, range(12)), 6)
    measured = TASK.metrics(model, batches, splits.vocabulary.groups)
    for picture in TASK.pictures(model, measured.shown, tmp_path):
        assert picture.path.stat().st_size > 5000


# --- folders --------------------------------------------------------------------------------------


def test_shapenetpart_is_recognised(shapenetpart: Path) -> None:
    splits, model = made(replace(SMALL, data=str(shapenetpart), augment=True))
    assert splits.vocabulary.groups == ("Bag", "Mug")
    assert model.channels == 3 and len(model.vocabulary.labels) == 50
    assert splits.train[0]["features"].shape == (64, 3)
    length = torch.linalg.vector_norm
    stored = splits.train.source[0]["normals"]
    assert torch.allclose(length(splits.train[0]["features"], dim=1), length(stored, dim=1))
    TASK.loss(model, first_batch(splits, 2))["total"].backward()

    # It is aligned, and so not turned: shrunk and jittered only.
    before, after = splits.train.source[0]["points"], splits.train[0]["points"]
    share = float((before * after).sum() / before.square().sum())
    assert 0.75 < share < 1.05 and torch.allclose(after, share * before, atol=0.04)
    bare, model = made(replace(SMALL, data=str(shapenetpart), attributes=False))
    assert model.channels == 0 and "features" not in bare.train[0] | bare.val[0]


def test_labelled_clouds_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, top in (("cup", 2), ("lid", 4)):
        (tmp_path / kind).mkdir()
        for i in range(4):
            labels = np.r_[range(top), rng.integers(0, top, 50 - top)]
            write_cloud(tmp_path / kind / f"{i}.ply", rng.random((50, 3)), labels=labels)
    splits, model = made(replace(SMALL, data=str(tmp_path), holdout=0.25))
    assert model.vocabulary.of_group == {"cup": (0, 1), "lid": (2, 3, 4, 5)}
    assert model.vocabulary.labels[2] == "lid 0"
    assert len(splits.train) == 6 and len(splits.val) == 2


def test_shapes_whose_labels_are_no_parts_are_left_out_with_a_word(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bare = tmp_path / "lid" / "bare.ply"
    for kind in ("cup", "lid"):
        (tmp_path / kind).mkdir()
    for i in range(4):
        write_cloud(tmp_path / "cup" / f"{i}.ply", rng.random((50, 3)), labels=np.arange(50) % 2)
    write_cloud(bare, rng.random((50, 3)))
    # -1 in the 32 bits of whoever knows no numbers below 0
    labels = np.full(50, 2**32 - 1, np.uint32)
    np.savez(tmp_path / "cup" / "bomb.npz", points=rng.random((50, 3)), labels=labels)
    said = r"left out 2 of 6 shapes: cup/bomb.npz \(.* got 4294967295\), lid/bare.ply \(.*no labels"
    with pytest.warns(UserWarning, match=said):
        splits = TASK.data(replace(SMALL, data=str(tmp_path), holdout=0.25))
    assert splits.vocabulary.of_group == {"cup": (0, 1)} and splits.vocabulary.groups == ("cup",)
    assert len(splits.train) == 3 and len(splits.val) == 1
    alone = tmp_path / "alone"
    alone.mkdir()
    bare.rename(alone / "bare.ply")
    with pytest.raises(ValueError, match=r"left out 1 of 1 shapes: bare.ply \(.*no labels"):
        TASK.data(replace(SMALL, data=str(alone)))


def test_labels_that_never_occur_are_no_parts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, first in (("cup", 0), ("lid", 2)):  # numbered over all categories
        (tmp_path / kind).mkdir()
        for i in range(2):
            labels = np.r_[first, rng.integers(first, first + 2, 48), first + 1]
            write_cloud(tmp_path / kind / f"{i}.ply", rng.random((50, 3)), labels=labels)
    splits, model = made(replace(SMALL, data=str(tmp_path), holdout=1.0))
    assert model.vocabulary.of_group == {"cup": (0, 1), "lid": (4, 5)}
    assert model.vocabulary.labels[4:] == ("lid 2", "lid 3")
    batch = next(iter(DataLoader(splits.val, 4)))
    assert set(batch["point_labels"][batch["label"] == 1].flatten().tolist()) == {4, 5}
    wrong = torch.nn.functional.one_hot(
        batch["point_labels"] ^ 1, 6
    ).float()  # the category's other part
    tables = TASK.metrics(Answering(model, lambda p, c: wrong), [batch], splits.vocabulary.groups)
    assert tables.by["category"]["lid"][CONFINED]["instance mIoU"] == 0


def test_labelled_scenes_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(3):
        write_cloud(tmp_path / f"{i}.ply", 4 * rng.random((500, 3)), labels=rng.integers(0, 3, 500))
    splits, model = made(replace(SMALL, data=str(tmp_path), scenes=True, holdout=0.34))
    assert model.vocabulary.labels == ("label 0", "label 1", "label 2") and model.channels == 3
    TASK.loss(model, first_batch(splits, 4))["total"].backward()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"encoder": "mlp"}, "encoder must be one of"),
        ({"bottleneck": "none"}, "bottleneck must be one of"),
        ({"points": 0}, "points must be at least 1, got 0"),
        ({"labelled": 0.0}, "labelled must be above 0"),
        ({"block": 0.0}, "block must be above 0"),
        ({"nebula_weight": -1.0}, "nebula_weight must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_configs_that_cannot_be_are_refused(wrong: dict, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(SMALL, **wrong)
