"""The completion task, from data to pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from nvc3d import ops
from nvc3d.files import write_cloud
from nvc3d.metrics import best_of, compare, emd, total_mutual_difference
from nvc3d.shapes import CATEGORIES
from nvc3d.tasks import TASKS
from nvc3d.tasks.completion import CompletionConfig, CompletionModel
from nvc3d.tasks.completion.decoders.parts import NEIGHBOURS, surroundings
from nvc3d.tasks.completion.loss import plain_chamfer
from nvc3d.tasks.completion.metrics import metrics
from nvc3d.tasks.completion.model import to_unit_ball
from nvc3d.tasks.task import Splits
from nvc3d.tasks.vocabulary import Vocabulary

TASK = TASKS["completion"]
SMALL = CompletionConfig(
    shapes=46,
    views=1,
    input_points=64,
    points=256,
    coarse=32,
    seeds=48,
    dim=64,
    latent_dim=16,
    anchors=4,
    hidden=32,
)


@pytest.fixture(scope="module")
def splits() -> Splits:
    return TASK.data(SMALL)


@pytest.fixture
def model(splits: Splits) -> CompletionModel:
    torch.manual_seed(0)
    return TASK.fresh(SMALL, splits)


def batches(data, count: int = 46) -> Iterator[dict]:
    return iter(DataLoader(torch.utils.data.Subset(data, range(count)), batch_size=23))


def scan(batch: int = 2, count: int = 64) -> torch.Tensor:
    return torch.randn(batch, count, 3, generator=torch.Generator().manual_seed(0))


def test_splits_hold_different_shapes_of_all_categories(splits: Splits) -> None:
    assert splits.vocabulary.groups == CATEGORIES
    assert len(splits.train) == 46
    label = [int(splits.val[i]["label"]) for i in range(len(splits.val))]
    assert set(label) == set(range(len(CATEGORIES)))
    assert not {splits.train[0]["name"]} & {splits.val[i]["name"] for i in range(23)}
    item = splits.train[0]
    assert item["partial"].shape == (64, 3) and item["complete"].shape == (256, 3)


def test_noise_moves_what_is_seen_and_not_what_is_true() -> None:
    clean, noisy = TASK.data(SMALL).val[0], TASK.data(replace(SMALL, noise=0.05)).val[0]
    exact = ops.nearest(clean["partial"][None], clean["complete"][None])[0].sqrt().mean()
    rough = ops.nearest(noisy["partial"][None], noisy["complete"][None])[0].sqrt().mean()
    assert rough > exact + 0.01
    assert float(noisy["complete"].norm(dim=1).max()) <= 1 + 1e-5


@pytest.mark.slow
def test_the_model_learns(model: CompletionModel, splits: Splits) -> None:
    batch = next(batches(splits.train))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = None
    for _ in range(40):
        terms = TASK.loss(model, batch)
        assert set(terms) == {"total", "fine", "coarse", "nebula"}
        assert all(value.dim() == 0 and value.isfinite() for value in terms.values())
        terms["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
        reached = {name: float(value.detach()) for name, value in terms.items()}
        first = first or reached
    assert reached["fine"] < 0.75 * first["fine"]
    assert terms["coarse"] < 0.5 * first["coarse"]


def test_every_weight_gets_a_finite_gradient(model: CompletionModel, splits: Splits) -> None:
    TASK.loss(model, next(batches(splits.train)))["total"].backward()
    for name, parameter in model.named_parameters():
        # Anchors take part later, when the latents are ripe.
        if not name.startswith("bottleneck."):
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_the_seen_points_are_kept(model: CompletionModel) -> None:
    partial = scan()
    result = model.eval()(partial)
    assert result.points.shape == (2, 256, 3) and [c.shape for c in result.coarse] == [(2, 32, 3)]
    assert result.code.mean.shape == (2, 16)
    torch.testing.assert_close(result.points[:, :64], partial)


def test_a_scan_moved_and_scaled_is_completed_alike(model: CompletionModel) -> None:
    model = model.eval().double()
    partial = scan().double()
    scale = torch.tensor([0.01, 300.0]).double()[:, None, None]
    shift = torch.tensor([[5.0, -7, 100], [-1e4, 0, 3]]).double()[:, None]
    moved = model(partial * scale + shift)
    still = model(partial)
    torch.testing.assert_close((moved.points - shift) / scale, still.points)
    torch.testing.assert_close((moved.coarse[0] - shift) / scale, still.coarse[0])


def test_the_order_of_the_seen_points_does_not_matter_but_for_the_first(
    model: CompletionModel,
) -> None:
    model, partial = model.eval().double(), scan().double()
    order = torch.cat([torch.zeros(1, dtype=torch.int64), torch.randperm(63) + 1])
    with torch.no_grad():
        there, back = (model(points).points for points in (partial, partial[:, order]))
    assert float(ops.chamfer_distance(there, back)) < 1e-20


def test_unit_ball_holds_each_cloud_and_touches_it() -> None:
    points, centre, scale = to_unit_ball(scan() * 40 + 9)
    torch.testing.assert_close(points * scale + centre, scan() * 40 + 9)
    torch.testing.assert_close(points.norm(dim=2).amax(1), torch.ones(2))


def test_surroundings_are_features_and_places_of_the_nearest_points() -> None:
    points = scan(count=30).double()
    features = torch.randn(2, 30, 5, dtype=torch.float64)
    at_points = surroundings(points, points, features)
    torch.testing.assert_close(at_points[..., :5], features, atol=1e-5, rtol=0)
    away = surroundings(points + 5, points, features)
    assert (away[..., :5] <= features.amax(1, keepdim=True)).all()
    between = points[:, None] - (points + 5)[:, :, None]  # (B, S, N, 3)
    order = between.square().sum(-1).argsort(-1)[..., :NEIGHBOURS]
    expected = between.gather(2, order[..., None].expand(-1, -1, -1, 3))
    torch.testing.assert_close(away[..., 5:] / 10, expected.flatten(2))
    # Fewer points than neighbours: the farthest of them again.
    few = surroundings(points, points[:, :3], features[:, :3])[..., 5:].unflatten(-1, (-1, 3))
    torch.testing.assert_close(few[:, :, 3:], few[:, :, 2:3].expand(-1, -1, NEIGHBOURS - 3, -1))


def test_loss_of_the_fine_cloud_is_the_plain_distance_with_a_gradient_where_points_meet() -> None:
    x, y = scan(2, 30), scan(2, 50) * 2
    distance = torch.cdist(x.double(), y.double())
    expected = distance.amin(1).mean() + distance.amin(2).mean()
    assert float(plain_chamfer(x, y)) == pytest.approx(float(expected), rel=1e-4)
    x.requires_grad_()
    plain_chamfer(x, torch.cat([x.detach(), y], dim=1)).backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    "partial",
    [
        torch.zeros(2, 64, 3),
        torch.full((1, 64, 3), torch.nan),
        torch.full((1, 64, 3), torch.inf),
        torch.cat([scan(1), torch.full((1, 64, 3), 7.0)]),
        scan()[0],
        scan()[..., :2],
        torch.zeros(1, 0, 3),
        torch.zeros(1, 64, 3, dtype=torch.int64),
    ],
)
def test_what_cannot_be_completed_is_refused(model: CompletionModel, partial) -> None:
    with pytest.raises(ValueError, match="partial must be"):
        model(partial)


def test_dgcnn_and_half_precision(splits: Splits) -> None:
    model = TASK.model(replace(SMALL, encoder="dgcnn"), Vocabulary())
    with torch.autocast("cpu", torch.bfloat16):
        terms = TASK.loss(model, next(batches(splits.train)))
    terms["total"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_mean_shape_is_drawn_from_training_shapes_and_saved(
    model: CompletionModel, splits: Splits
) -> None:
    training = torch.cat([splits.train[i]["complete"] for i in range(46)])
    assert float(ops.nearest(model.mean_shape[None], training[None])[0].max()) == 0
    fresh = TASK.model(SMALL, Vocabulary())
    assert not fresh.mean_shape.any()
    fresh.load_state_dict(model.state_dict())
    torch.testing.assert_close(fresh.mean_shape, model.mean_shape)
    torch.testing.assert_close(TASK.fresh(SMALL, splits).mean_shape, model.mean_shape)


def test_metrics_are_means_beside_the_trivial_answers(
    model: CompletionModel, splits: Splits
) -> None:
    model.train()
    tables = TASK.metrics(model, batches(splits.val), splits.vocabulary.groups)
    assert model.training
    assert set(tables.by["category"]) == set(CATEGORIES)
    rows = tables.overall
    mean = "completion, mean of categories"
    assert list(rows) == ["completion", "partial input", "mean training shape", mean]
    items = [splits.val[i] for i in range(46)]
    partial = torch.stack([item["partial"] for item in items])
    complete = torch.stack([item["complete"] for item in items])
    answers = [partial, model.mean_shape.expand(46, -1, -1)]
    for row, answer in zip(list(rows)[1:3], answers, strict=True):
        expected = [float(value.double().mean()) for value in compare(answer, complete)]
        # There is one answer: it is the best, and differs from no other.
        expected += [expected[1], 0]
        assert list(rows[row].values()) == pytest.approx(expected, rel=1e-5)
    # Two of each category: their means' mean is that of all.
    assert rows[mean] == pytest.approx(rows["completion"])
    again = TASK.metrics(model, batches(splits.val), splits.vocabulary.groups)
    assert again.to_dict() == tables.to_dict()
    with pytest.raises(ValueError, match="nothing to measure"):
        TASK.metrics(model, [], splits.vocabulary.groups)


def test_metrics_of_several_answers(model: CompletionModel, splits: Splits) -> None:
    batch = next(batches(splits.val))
    row = TASK.metrics(model, [batch], splits.vocabulary.groups).overall["completion"]
    answers = model.alternatives(batch["partial"], 8, torch.Generator().manual_seed(0))
    best = best_of(answers, batch["complete"]).mean()
    assert row["CD-L2, best of 8"] == pytest.approx(float(best))
    assert row["CD-L2, best of 8"] < row["CD-L2"]
    assert row["TMD"] == pytest.approx(float(total_mutual_difference(answers).mean()))
    plain = TASK.fresh(replace(SMALL, bottleneck="plain"), splits)
    tables = TASK.metrics(plain, [batch], splits.vocabulary.groups)
    assert list(tables.overall["completion"]) == ["CD-L1", "CD-L2", "F-score@1%"]


def test_mean_of_categories_counts_each_category_once(
    model: CompletionModel, splits: Splits
) -> None:
    batch = next(batches(splits.val))
    chosen = [0, 0, 0, 1]
    batch = {name: batch[name][chosen] for name in ("partial", "complete", "label")}
    rows = TASK.metrics(model, [batch], splits.vocabulary.groups).overall
    first, second = (
        TASK.metrics(
            model, [{n: v[[i]] for n, v in batch.items()}], splits.vocabulary.groups
        ).overall
        for i in (0, 3)
    )
    assert "completion, mean of categories" not in first
    for column in ("CD-L1", "CD-L2", "F-score@1%"):
        one, other = first["completion"][column], second["completion"][column]
        mean = rows["completion, mean of categories"][column]
        assert mean == pytest.approx((one + other) / 2, rel=1e-5)
        assert rows["completion"][column] == pytest.approx((3 * one + other) / 4, rel=1e-5)


def test_emd_where_it_is_asked_for(model: CompletionModel, splits: Splits) -> None:
    batch = next(batches(splits.val))
    batch = {name: batch[name][:2] for name in ("partial", "complete", "label")}
    rows = metrics(model, [batch], splits.vocabulary.groups, emd=True).overall
    # The 64 seen points count four times each beside the 256 of the truth.
    fourfold = batch["partial"].repeat_interleave(4, dim=1)
    expected = float(emd(fourfold, batch["complete"]).mean())
    assert rows["partial input"]["EMD"] == pytest.approx(expected)
    completed = model.eval()(batch["partial"]).points
    expected = float(emd(completed, batch["complete"]).mean())
    assert rows["completion"]["EMD"] == pytest.approx(expected, rel=1e-5)


def test_pictures_are_written(model: CompletionModel, splits: Splits, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for shown in (batches(splits.val), [next(batches(splits.val, 1))]):
        measured = TASK.metrics(model, shown, splits.vocabulary.groups)
        files = [picture.path for picture in TASK.pictures(model, measured.shown, tmp_path)]
        assert sorted(tmp_path.iterdir()) == sorted(files)
        assert [f.name for f in files] == ["completions.png", "latents.png"]


def test_a_folder_is_split_and_at_holdout_1_all_measured(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("ball", "box"):
        (tmp_path / kind).mkdir()
        for i in range(6):
            write_cloud(tmp_path / kind / f"{i}.ply", rng.normal(size=(500, 3)).astype("f4"))
    config = replace(SMALL, data=str(tmp_path), holdout=0.25)
    splits = TASK.data(config)
    assert (len(splits.train), len(splits.val)) == (9, 3)
    assert splits.vocabulary.groups == ("ball", "box")
    whole = TASK.data(replace(config, holdout=1.0))
    assert (len(whole.train), len(whole.val)) == (0, 12)
    with pytest.raises(FileNotFoundError):
        TASK.data(replace(config, data=str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 50}, "seeds must divide"),
        ({"seeds": 192}, "seeds must be at most"),
        ({"points": 64}, "points must be more than input_points"),
        ({"coarse": 0}, "coarse must be at least 1"),
        ({"noise": -0.1}, "noise"),
        ({"nebula_weight": float("nan")}, "nebula_weight"),
        ({"holdout": 0.0}, "holdout"),
        ({"holdout": 1.5}, "holdout"),
        ({"seed": -1}, "seed"),
        ({"encoder": "resnet"}, "encoder"),
    ],
)
def test_configs_that_make_no_sense_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
