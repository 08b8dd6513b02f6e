"""The classification task, from data to pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import nan
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from nvc3d import ops
from nvc3d.checkpoint import load_run
from nvc3d.cli import main
from nvc3d.data.few_labels import choose
from nvc3d.files import write_cloud
from nvc3d.geometry import augment as augmenting
from nvc3d.geometry.augment import augment
from nvc3d.geometry.camera import random_direction
from nvc3d.metrics import average_precision, mean_average_precision
from nvc3d.shapes import CATEGORIES
from nvc3d.tasks import TASKS
from nvc3d.tasks.classification import Classification, ClassificationConfig, ClassificationModel
from nvc3d.tasks.task import Splits
from nvc3d.viz import draw_confusion

TASK = TASKS["classification"]
SMALL = ClassificationConfig(
    shapes=230, points=64, dim=64, latent_dim=16, anchors=6, hidden=32, labelled=0.1
)
OPTIONS = ("--points=32", "--dim=16", "--latent-dim=8", "--anchors=4", "--hidden=8", "--steps=3")
KINDS = ("nebula", "vae", "plain")


@pytest.fixture(scope="module")
def splits() -> Splits:
    return TASK.data(SMALL)


@pytest.fixture
def model(splits: Splits) -> ClassificationModel:
    torch.manual_seed(0)
    return TASK.fresh(SMALL, splits)


def batches(data, count: int = 46) -> Iterator[dict]:
    return iter(DataLoader(torch.utils.data.Subset(data, range(count)), batch_size=count // 2))


def terms_of(model: ClassificationModel, batch: dict) -> dict[str, torch.Tensor]:
    """The losses, with the same noise whenever they are asked for."""
    torch.manual_seed(1)
    with torch.no_grad():
        return TASK.loss(model, batch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clouds of three categories, long, flat and round, eight of each."""
    folder = tmp_path_factory.mktemp("clouds")
    rng = np.random.default_rng(0)
    for name, sides in (("flat", (1, 1, 0.1)), ("long", (0.1, 0.1, 1)), ("round", (1, 1, 1))):
        (folder / name).mkdir()
        for i in range(8):
            points = rng.normal(size=(200, 3)) * sides
            write_cloud(folder / name / f"{i}.ply", points.astype(np.float32))
    return folder


# Data


def test_splits_hold_different_shapes_of_all_categories(splits: Splits) -> None:
    assert splits.vocabulary.groups == CATEGORIES
    label = [int(item["label"]) for item in splits.val]
    assert np.bincount(label).tolist() == [20] * len(CATEGORIES)
    assert all(bool(splits.val[i]["labelled"]) for i in range(46))
    names = [{item["name"] for item in data} for data in (splits.train, splits.val)]
    assert len(names[0]) == 230 and len(names[1]) == 460 and not names[0] & names[1]
    item = splits.val[0]
    assert item["points"].shape == (64, 3) and item["points"].dtype == torch.float32
    assert float(item["points"].norm(dim=1).max()) <= 1 + 1e-5


@pytest.mark.parametrize(("part", "each"), [(0.001, 1), (0.3, 3), (1.0, 10)])
def test_labels_are_chosen_by_category_one_at_least(part: float, each: int) -> None:
    labels = [0, 1, 2, 1, 0] * 5 + [1, 1, 2, 2, 2, 2, 2]  # 10, 12, 10
    chosen = choose(labels, part, seed=0)
    count = np.bincount([labels[i] for i in chosen])
    assert count[0] == count[2] == each and count[1] == max(round(12 * part), 1)
    assert chosen == choose(labels, part, seed=0) == sorted(set(chosen))
    assert set(chosen) <= set(choose(labels, 1.0, seed=0)) == set(range(32))
    assert part == 1 or chosen != choose(labels, part, seed=1)


@pytest.mark.parametrize("part", [0.001, 0.1, 0.5, 1.0])
def test_a_quarter_of_an_epoch_is_labelled_and_every_shape_is_in_it(part: float) -> None:
    data = TASK.data(replace(SMALL, labelled=part)).train
    items = [(item["name"], bool(item["labelled"]), int(item["label"])) for item in data]
    assert len({name for name, _, _ in items}) == 230
    known = {(name, label) for name, labelled, label in items if labelled}
    assert np.bincount([label for _, label in known]).tolist() == [max(round(10 * part), 1)] * 23
    # Always the same ones, and no more often than it takes.
    share = np.mean([labelled for _, labelled, _ in items])
    assert len({name for name, labelled, _ in items if labelled}) == len(known)
    assert share >= 0.25 and (share < 0.32 or len(items) == 230)


def test_items_depend_on_seed_epoch_and_index_alone() -> None:
    config = replace(SMALL, second_view=True)
    one, two = TASK.data(config).train, TASK.data(config).train
    assert len(one) == len(two) > 230
    one.set_epoch(3)
    two.set_epoch(3)
    forwards = [one[i] for i in range(5)]
    for i in (4, 2, 0):
        assert torch.equal(two[i]["points"], forwards[i]["points"])
        assert torch.equal(two[i]["other_view"], forwards[i]["other_view"])
    for item, expected in zip(DataLoader(two, None, num_workers=1), forwards, strict=False):
        assert torch.equal(item["other_view"], expected["other_view"])
        assert not torch.equal(item["other_view"], item["points"])
    two.set_epoch(4)
    assert not torch.equal(two[0]["points"], forwards[0]["points"])
    # The second view is drawn after the first: with or without, that is the same.
    alone = TASK.data(SMALL)
    alone.train.set_epoch(3)
    assert torch.equal(alone.train[0]["points"], forwards[0]["points"])
    fixed = alone.val[0]["points"]
    alone.val.set_epoch(9)
    assert torch.equal(alone.val[0]["points"], fixed)
    assert "other_view" not in alone.val[0] and "other_view" not in alone.train[0]


def test_without_augmentation_points_are_those_of_the_shape() -> None:
    plain = TASK.data(replace(SMALL, augment=False, points=400)).train
    turned = TASK.data(replace(SMALL, points=400)).train
    fixed = [plain[i]["points"] for i in (0, 0)]
    assert torch.equal(*fixed) and float(fixed[0].norm(dim=1).max()) <= 1 + 1e-5
    plain.set_epoch(1)
    turned.set_epoch(1)
    distance = [
        float(ops.chamfer_distance(fixed[0][None], d[0]["points"][None])) for d in (plain, turned)
    ]
    assert distance[0] < 0.02 < distance[1]


# Augmentation


def test_augmented_clouds_are_thinned_turned_about_z_shrunk_and_jittered() -> None:
    rng = np.random.default_rng(0)
    ring = np.stack([random_direction(rng) for _ in range(500)]) * (1, 1, 0)
    ring = ring / np.linalg.norm(ring, axis=1, keepdims=True) * 0.8 + (0, 0, 0.6)  # on the ball
    angles, scales = [], []
    for seed in range(30):
        cloud = augment(ring.astype(np.float32), 100, np.random.default_rng(seed))
        assert cloud.shape == (100, 3) and cloud.dtype == np.float32
        assert np.linalg.norm(cloud, axis=1).max() <= 1 + 3 * 3**0.5 * augmenting.JITTER
        scale = np.median(cloud[:, 2]) / 0.6
        flat = np.linalg.norm(cloud[:, :2], axis=1)
        assert np.abs(cloud[:, 2] - 0.6 * scale).max() < 0.04
        assert np.abs(flat - 0.8 * scale).max() < 0.06
        scales.append(scale)
        again = augment(ring.astype(np.float32), 100, np.random.default_rng(seed))
        assert np.array_equal(cloud, again)
        first = augment(ring[:1].astype(np.float32), 1, np.random.default_rng(seed))[0]
        start, end = ring[0, :2], first[:2]
        turn = start[0] * end[1] - start[1] * end[0], start @ end
        angles.append(np.arctan2(*turn))
    assert 0.78 < min(scales) < 0.85 and 0.95 < max(scales) < 1.02
    assert np.histogram(angles, 4, (-np.pi, np.pi))[0].min() > 0


def test_one_cloud_in_four_loses_points_and_repeats_the_others() -> None:
    points = np.random.default_rng(0).normal(size=(160, 3)).astype(np.float32)
    left = []
    for seed in range(400):
        cloud = augmenting.sparse(points, np.random.default_rng(seed))
        assert cloud.shape == points.shape and cloud.dtype == np.float32
        rows, counts = np.unique(cloud, axis=0, return_counts=True)
        assert np.isin(rows, points).all() and np.ptp(counts) <= 1
        left.append(len(rows))
    assert np.mean([count == 160 for count in left]) == pytest.approx(0.75, abs=0.06)
    assert 20 <= min(left) < 40
    assert all(
        augmenting.sparse(points[:1], np.random.default_rng(seed)).shape == (1, 3)
        for seed in range(9)
    )


def test_few_clouds_of_training_have_outliers() -> None:
    points = np.full((1000, 3), 0.25, dtype=np.float32)
    strewn = []
    for seed in range(400):
        cloud = augmenting.strewn(points, np.random.default_rng(seed))
        assert cloud.shape == points.shape and cloud.dtype == np.float32
        assert np.linalg.norm(cloud, axis=1).max() <= 1 + 1e-6
        strewn.append((cloud != points).any(axis=1).mean())
    assert min(part for part in strewn if part) > 0 and max(strewn) <= augmenting.OUTLIERS
    share = np.mean([part > 0 for part in strewn])
    assert share == pytest.approx(1 / augmenting.STREWN, abs=0.05)
    assert (points == 0.25).all()


def test_a_crop_cuts_off_one_side(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("JITTER", 0), ("SHRINK", 0)):
        monkeypatch.setattr(augmenting, name, value)
    points = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    cloud = augment(points, 200, np.random.default_rng(5), crop=1e9)
    kept = np.isin(points[:, 2], cloud[:, 2])  # a turn about z leaves z alone
    assert kept.sum() == 200
    along = points @ random_direction(np.random.default_rng(5))
    assert along[kept].max() < along[~kept].min()
    with pytest.raises(ValueError, match="cannot thin 300 points to 301"):
        augment(points, 301, np.random.default_rng(5))


def test_only_what_a_crop_leaves_is_seen_where_one_is_asked_for() -> None:
    whole, cropped = (TASK.data(replace(SMALL, crop=crop)).train for crop in (0.0, 0.8))
    size = [
        np.mean([np.ptp(data[i]["points"].numpy(), axis=0).max() for i in range(20)])
        for data in (whole, cropped)
    ]
    assert size[1] < 0.97 * size[0]
    with pytest.raises(ValueError, match="crop must be at least 0 and below 1, got 1"):
        replace(SMALL, crop=1.0)


# Loss and model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("extra", [{}, {"second_view": True, "reconstruct": 0.5}])
def test_hidden_labels_have_no_influence(kind: str, extra: dict) -> None:
    config = replace(SMALL, bottleneck=kind, **extra)
    splits = TASK.data(config)
    model = TASK.fresh(config, splits)
    batch = next(batches(splits.train))
    assert 0 < int(batch["labelled"].sum()) < len(batch["labelled"])
    # So that the two passes begin alike, the state is put back.
    state = {name: value.clone() for name, value in model.state_dict().items()}
    first = terms_of(model, batch)
    model.load_state_dict(state)
    changed = torch.where(batch["labelled"], batch["label"], 10**6)
    second = terms_of(model, batch | {"label": changed})
    assert {k: float(v) for k, v in first.items()} == {k: float(v) for k, v in second.items()}
    model.load_state_dict(state)
    known = torch.where(batch["labelled"], (batch["label"] + 1) % 23, batch["label"])
    assert float(terms_of(model, batch | {"label": known})["total"]) != float(first["total"])
    assert set(first) == {"total", "cross_entropy", "nebula"} | (
        {"reconstruction"} if extra else set()
    )
    parts = sum(float(value) for name, value in first.items() if name != "total")
    assert float(first["total"]) == pytest.approx(parts, rel=1e-5)


def test_a_batch_without_labels_costs_no_cross_entropy(
    model: ClassificationModel, splits: Splits
) -> None:
    batch = next(batches(splits.train))
    batch["labelled"] = torch.zeros_like(batch["labelled"])
    terms = TASK.loss(model, batch)
    assert terms["cross_entropy"].item() == 0
    terms["total"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("labelled", [0.1, 1.0])
def test_both_views_count_and_the_nebula_compares_them_where_labels_are_few(
    labelled: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(SMALL, second_view=True, reconstruct=2.0, labelled=labelled)
    splits = TASK.data(config)
    model = TASK.fresh(config, splits).eval()
    batch = next(batches(splits.train))
    compared = []
    losses = type(model.bottleneck).losses
    monkeypatch.setattr(
        type(model.bottleneck),
        "losses",
        lambda self, code, view=None: compared.append((code, view)) or losses(self, code, view),
    )
    with torch.no_grad():
        terms = TASK.loss(model, batch)
        first, second = model(batch["points"]), model(batch["other_view"])
    ((code, view),) = compared
    if labelled < 1:
        assert torch.equal(code.mean, first.code.mean)
        assert torch.equal(view.mean, second.code.mean)
    else:
        assert torch.equal(code.mean, torch.cat([first.code.mean, second.code.mean]))
        assert view is None
    known = batch["labelled"]
    right = [r.scores.log_softmax(-1)[range(23), batch["label"]] for r in (first, second)]
    expected = -(right[0] + right[1])[known].double().mean() / 2
    assert float(terms["cross_entropy"]) == pytest.approx(float(expected), rel=1e-5)
    distances = [
        ops.chamfer_distance(result.decoded, cloud)
        for result, cloud in ((first, batch["points"]), (second, batch["other_view"]))
    ]
    assert float(terms["reconstruction"]) == pytest.approx(float(sum(distances)), rel=1e-5)
    assert first.decoded.shape == (23, 256, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_few_shapes_are_learned_by_heart(kind: str) -> None:
    torch.manual_seed(0)
    config = replace(SMALL, bottleneck=kind, labelled=1.0, augment=False)
    splits = TASK.data(config)
    model = TASK.fresh(config, splits)
    batch = next(batches(splits.train))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(120):
        TASK.loss(model, batch)["total"].backward()
        optimizer.step()
        optimizer.zero_grad()
    table = TASK.metrics(model, [batch], splits.vocabulary.groups).overall["classification"]
    assert table["accuracy"] == table["mean class accuracy"] >= 0.9


def test_every_weight_gets_a_gradient(splits: Splits) -> None:
    model = TASK.fresh(replace(SMALL, reconstruct=1.0), splits)
    TASK.loss(model, next(batches(splits.train)))["total"].backward()
    for name, parameter in model.named_parameters():
        # Anchors take part later, when the latents are ripe.
        if name != "bottleneck.anchors":
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_dgcnn_and_half_precision(splits: Splits) -> None:
    model = TASK.fresh(replace(SMALL, encoder="dgcnn"), splits)
    with torch.autocast("cpu", torch.bfloat16):
        terms = TASK.loss(model, next(batches(splits.train, 16)))
    terms["total"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_in_evaluation_the_code_is_the_mean(model: ClassificationModel) -> None:
    cloud = torch.randn(3, 64, 3)
    assert not torch.equal(model(cloud).code.z, model(cloud).code.mean)
    one, two = model.eval()(cloud), model(cloud)
    assert torch.equal(one.code.z, one.code.mean) and torch.equal(one.scores, two.scores)
    assert one.scores.shape == (3, 23) and one.decoded is None
    for bad in (cloud[0], cloud[..., :2], torch.full_like(cloud, nan), cloud.long()):
        with pytest.raises(ValueError, match="points must be"):
            model(bad)


# Metrics and pictures


class Told(nn.Module):
    """Takes the first point of a cloud for its scores, and the second for its code."""

    categories = ("ball", "box", "rod")

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.bottleneck = None

    def forward(self, points: torch.Tensor, size: torch.Tensor) -> Classification:
        code = SimpleNamespace(
            mean=points[:, 1], anchor=torch.zeros(len(points), dtype=torch.int64)
        )
        return Classification(points[:, 0], code, None, points)


def told(prediction: list[int], label: list[int], at: list[float]) -> dict:
    scores = nn.functional.one_hot(torch.tensor(prediction), 3).float()
    codes = torch.tensor(at)[:, None] * torch.tensor([1.0, 0, 0])
    points = torch.stack([scores, codes], 1)
    return {"points": points, "size": torch.ones(len(points)), "label": torch.tensor(label)}


def test_metrics_worked_out_by_hand() -> None:
    given = [told([0, 1], [0, 1], [0, 1]), told([1, 1], [0, 1], [2, 10])]
    tables = TASK.metrics(Told(), given, ("ball", "box"))
    # From 0: box, ball, box. From 1: the balls at 0 and 2, box. From 2: box, ball, box. From 10:
    # ball, box, ball.
    whole = tables.overall["classification"]
    assert whole == pytest.approx(
        {
            "accuracy": 3 / 4,
            "mean class accuracy": (1 / 2 + 1) / 2,
            # Of the balls 1 of 2 found, none else taken for one; of the boxes 2 of 2, and a ball.
            "weighted F1": (2 * 2 / 3 + 2 * 4 / 5) / 4,
            "retrieval mAP": (1 / 2 + 1 / 3 + 1 / 2 + 1 / 2) / 4,
        }
    )
    by_category = tables.by["category"]
    assert {name: list(t["classification"].values()) for name, t in by_category.items()} == {
        "ball": pytest.approx([0.5, 0.5, 2 / 3, 0.5]),
        "box": pytest.approx([1, 1, 4 / 5, 5 / 12]),
    }
    # Labels are matched by the names of the categories, not by their numbers.
    moved = [batch | {"label": 1 - batch["label"]} for batch in given]
    assert TASK.metrics(Told(), moved, ("box", "ball")).overall["classification"] == whole
    with pytest.raises(ValueError, match=r"does not know the categories cone; it knows ball"):
        TASK.metrics(Told(), given, ("ball", "cone"))
    with pytest.raises(ValueError, match="the split has no shapes"):
        TASK.metrics(Told(), [], ("ball", "box"))


def test_average_precision_is_that_of_a_plain_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 5, (300, 3), generator=generator).float()  # with many ties
    labels = torch.randint(0, 7, (300,), generator=generator)
    labels[17] = 99
    expected = []
    for i in range(300):
        squared = ((codes - codes[i]) ** 2).sum(1).tolist()
        ranked = sorted((j for j in range(300) if j != i), key=lambda j: (squared[j], j))
        hits, precisions = 0, []
        for rank, j in enumerate(ranked, 1):
            if labels[j] == labels[i]:
                hits += 1
                precisions.append(hits / rank)
        expected.append(sum(precisions) / hits if hits else nan)
    found = average_precision(codes, labels)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isnan(expected[17]) and np.isnan(expected).sum() == 1
    assert mean_average_precision(codes, labels) == pytest.approx(np.nanmean(expected))
    apart = torch.arange(4.0)[:, None] + torch.tensor([0, 0, 9, 9])[:, None]
    assert mean_average_precision(apart, torch.tensor([3, 3, 1, 1])) == 1
    assert np.isnan(mean_average_precision(codes[:2], torch.tensor([0, 1])))


@pytest.mark.parametrize(
    ("codes", "labels", "message"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), r"codes must be \(B, D\)"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), r"got \(3, 2\) and \(2,\)"),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), "at least 1"),
        (torch.zeros(3, 2), torch.zeros(3), "labels integers"),
        (torch.full((3, 2), nan), torch.zeros(3, dtype=torch.int64), "must be finite"),
    ],
)
def test_average_precision_refuses(codes, labels, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        average_precision(codes, labels)


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_written(kind: str, splits: Splits, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    model = TASK.fresh(replace(SMALL, bottleneck=kind), splits)
    measured = TASK.metrics(model, batches(splits.val), splits.vocabulary.groups)
    drawn = TASK.pictures(model, measured.shown, tmp_path)
    assert [picture.path.name for picture in drawn] == ["confusion.png", "latents.png"]
    assert sorted(tmp_path.iterdir()) == [picture.path for picture in drawn]
    assert all(picture.caption.endswith(".") for picture in drawn)


def test_a_confusion_matrix_is_refused_or_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    many = draw_confusion(tmp_path / "many.png", np.eye(40), [str(i) for i in range(40)])
    one = draw_confusion(tmp_path / "one.png", torch.zeros(1, 1), ["empty"])
    assert one.stat().st_size > 0 and many.stat().st_size > 0
    for counts, message in [
        (np.eye(3), r"counts must be \(2, 2\), got \(3, 3\)"),
        ([[1, 2], [-3, 4]], "counts must be at least 0, got -3"),
    ]:
        with pytest.raises(ValueError, match=message):
            draw_confusion(tmp_path / "bad.png", counts, ["a", "b"])


# Users' data, and the command line


def test_a_folder_is_trained_on_saved_and_measured_elsewhere(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    train = ["train", "classification", *OPTIONS, "--batch-size=4"]
    assert main([*train, f"--data={folder}", f"--output={run}", "--holdout=0.25"]) == 0
    assert "classification by category" in capsys.readouterr().out
    assert {"confusion.png", "latents.png", "metrics.json"} <= {f.name for f in run.iterdir()}
    # Without the data, the model knows its categories and answers as before.
    _, model = load_run(run)
    assert model.categories == ("flat", "long", "round") and model.scores.out_features == 3
    assert main(["train", "classification", f"--resume={run}", "--steps=5"]) == 0
    # Another folder has fewer categories; they keep their names.
    (other / "round").mkdir(parents=True)
    (other / "long").mkdir()
    for name in ("round", "long"):
        (other / name / "0.ply").write_bytes((folder / name / "0.ply").read_bytes())
    capsys.readouterr()
    assert main(["eval", f"--checkpoint={run}", f"--data={other}"]) == 0
    table = capsys.readouterr().out
    assert "round" in table and "flat" not in table
    (other / "round").rename(other / "bent")
    assert main(["eval", f"--checkpoint={run}", f"--data={other}"]) == 2
    said = "the model does not know the categories bent; it knows flat, long, round"
    assert said in capsys.readouterr().err


def test_a_checkpoint_gives_the_same_answers(model: ClassificationModel, splits: Splits) -> None:
    fresh = TASK.model(SMALL, splits.vocabulary)
    fresh.load_state_dict(model.state_dict())
    assert fresh.categories == CATEGORIES
    cloud = torch.randn(3, 64, 3)
    assert torch.equal(fresh.eval()(cloud).scores, model.eval()(cloud).scores)
    # What an optimiser holds stays the model's own.
    weight = fresh.scores.weight
    fresh.load_state_dict(model.state_dict())
    assert fresh.scores.weight is weight


def test_a_folder_is_split_and_at_holdout_1_all_measured(folder: Path) -> None:
    config = replace(SMALL, data=str(folder), holdout=0.25, labelled=0.5)
    splits = TASK.data(config)
    assert splits.vocabulary.groups == ("flat", "long", "round")
    assert (len({item["name"] for item in splits.train}), len(splits.val)) == (18, 6)
    whole = TASK.data(replace(config, holdout=1.0))
    assert (len(whole.train), len(whole.val)) == (0, 24)


def test_one_category_is_nothing_to_tell_apart(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "flat").symlink_to(folder / "flat")
    with pytest.raises(ValueError, match=r"two categories at least to train on, .* got only flat"):
        TASK.data(replace(SMALL, data=str(tmp_path / "one"), holdout=0.25))
    with pytest.raises(ValueError, match=r"the built-in shapes: there must be two .* got only bed"):
        TASK.data(replace(SMALL, shapes=1))
    with pytest.raises(ValueError, match="holds no file of a known kind"):
        (tmp_path / "empty").mkdir()
        TASK.data(replace(SMALL, data=str(tmp_path / "empty")))
    with pytest.raises(FileNotFoundError):
        TASK.data(replace(SMALL, data=str(tmp_path / "none")))


def test_what_stands_in_for_a_broken_file_shows_no_hidden_label(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(SMALL, data=str(folder), holdout=0.25, labelled=0.01)
    data = TASK.data(config).train
    # The flat shapes come first, the long ones next: one of those stands in for the last flat one.
    labels = [data.shapes.label(i) for i in range(len(data.shapes))]
    last = labels.index(1) - 1
    data.labelled = frozenset({last})
    assert bool(data[last]["labelled"])
    shape = data.shapes[last + 1]
    monkeypatch.setattr(type(data.shapes), "__getitem__", lambda self, index: shape)
    assert not bool(data[last]["labelled"])


def test_modelnet40_keeps_its_split_and_stands_upright(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "shape_names.txt").write_text("airplane\nbathtub\n")
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 4)):
        (tmp_path / f"{split}_files.txt").write_text(f"data/modelnet40/{split}.h5\n")
        data = rng.normal(size=(count, 100, 3)).astype(np.float32) * (0.1, 1, 0.2)  # tall along y
        with h5py.File(tmp_path / f"{split}.h5", "w") as file:
            file["data"], file["label"] = data, (np.arange(count) % 2)[:, None].astype(np.uint8)
    config = replace(SMALL, data=str(tmp_path), labelled=0.5)
    splits = TASK.data(config)
    assert splits.vocabulary.groups == ("airplane", "bathtub")
    assert (len(splits.train), len(splits.val)) == (6, 4)
    assert sum(bool(item["labelled"]) for item in splits.train) == 4
    points = splits.val[1]["points"]
    assert points.shape == (64, 3) and splits.val[1]["name"] == "test/1"
    assert points.std(0).argmax() == 2 and points.std(0).argmin() == 1
    assert float(points.norm(dim=1).max()) <= 1 + 1e-5
    assert torch.equal(points, TASK.data(config).val[1]["points"])
    assert len(TASK.data(replace(config, holdout=1.0)).train) == 0
    (tmp_path / "test_files.txt").unlink()
    with pytest.raises(FileNotFoundError, match="test_files"):
        TASK.data(config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labelled": -0.1}, "labelled must be at least 0 and at most 1, got -0.1"),
        ({"ask": -1}, "ask must be at least 0"),
        ({"labelled": 1.5}, "labelled"),
        ({"labelled": nan}, "labelled"),
        ({"holdout": 0.0}, "holdout"),
        ({"points": 0}, "points must be at least 1"),
        ({"reconstruct": -1.0}, "reconstruct"),
        ({"nebula_weight": nan}, "nebula_weight"),
        ({"encoder": "resnet"}, "encoder must be one of"),
        ({"bottleneck": "gan"}, "bottleneck must be one of"),
        ({"seed": -1}, "seed"),
    ],
)
def test_configs_that_make_no_sense_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)
