"""Planes by a network: what it says of points, how that becomes planes, and what it is worth."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import call, config, untrained
from torch import Tensor

import nvc3d
from nvc3d.geometry.mesh import Cloud
from nvc3d.geometry.plane_regions import Fit
from nvc3d.geometry.upright import UP
from nvc3d.nebula import Nebula
from nvc3d.shapes.interiors import TYPES
from nvc3d.tasks.planes import TASK
from nvc3d.tasks.planes.answer import answer, turn
from nvc3d.tasks.planes.both import cut
from nvc3d.tasks.planes.data import PlanePoints, augmented
from nvc3d.tasks.planes.instances import Instances, instances
from nvc3d.tasks.planes.loss import APART, WITHIN, loss, told_apart
from nvc3d.tasks.planes.metrics import flush, judge
from nvc3d.tasks.planes.model import PlanesModel
from nvc3d.tasks.planes.pictures import coloured_alike
from nvc3d.tasks.task import Splits


def made(**change: object) -> tuple[PlanesModel, Splits]:
    own = config("planes", **change)
    splits = TASK.data(own)
    torch.manual_seed(0)
    return TASK.fresh(own, splits), splits


def batch_of(splits: Splits, count: int = 2) -> dict[str, Tensor]:
    items = [splits.val[i] for i in range(count)]
    return {
        name: torch.stack([item[name] for item in items]) for name in items[0] if name != "name"
    }


def room() -> dict[str, Tensor]:
    """A wall with a door in it, and a floor: 20 x 20 points each."""
    u, v = torch.meshgrid(torch.linspace(-1, 1, 20), torch.linspace(0, 2, 20), indexing="ij")
    wall = torch.stack([u, torch.full_like(u, 2.0), v], -1).view(-1, 3)
    floor = torch.stack([u, v, torch.zeros_like(u)], -1).view(-1, 3) - torch.tensor([0, 0.1, 0])
    points = torch.cat([wall, floor])
    door = (points[:, 1] == 2) & (points[:, 0].abs() < 0.4) & (points[:, 2] < 1.5)
    instance = torch.where(door, 1, torch.where(points[:, 1] == 2, 0, 2))
    normal = torch.tensor([[0.0, 1, 0], [0, 1, 0], [0, 0, -1]])[instance]
    types = torch.tensor([TYPES.index(name) for name in ("wall", "door", "floor")])[instance]
    offset = torch.tensor([2.0, 2.0, 0.0])[instance]
    return {
        "points": points,
        "instance": instance,
        "normal": normal,
        "offset": offset,
        "point_types": types,
    }


def test_items_have_planes_on_which_their_points_lie() -> None:
    _, splits = made(noise=False, points=512)
    assert splits.vocabulary.labels == TYPES and splits.vocabulary.channels == 3
    assert splits.vocabulary.groups == ("camera", "scanner")
    for split in (splits.train, splits.val):
        item = split[1]
        on = item["instance"] >= 0
        off = (item["points"] * item["normal"]).sum(-1) - item["offset"]
        assert float(off[on].abs().max()) < 1e-5
        assert torch.equal(on, item["point_types"] >= 0)
        assert float(item["features"].min()) >= 0 and float(item["features"].max()) <= 1
        assert int(torch.bincount(item["instance"][on]).min()) == 0 or len(item["points"]) == 512
    assert torch.equal(splits.val[0]["points"], splits.val[0]["points"])
    first = splits.train[0]["points"]
    assert isinstance(splits.train, PlanePoints)
    splits.train.set_epoch(1)
    assert not torch.equal(first, splits.train[0]["points"])


def test_what_is_augmented_lies_on_its_planes() -> None:
    item = room()
    for seed in range(5):
        changed = augmented(item, np.random.default_rng(seed))
        off = (changed["points"] * changed["normal"]).sum(-1) - changed["offset"]
        assert float(off.abs().max()) < 1e-5


@pytest.mark.parametrize("encoder", ["pointnet", "pointnet2", "dgcnn"])
def test_a_cloud_that_is_moved_and_turned_has_its_planes_moved_and_turned(encoder: str) -> None:
    model, splits = made(encoder=encoder)
    model.eval()
    batch = batch_of(splits)
    points, features = batch["points"].double(), batch["features"].double()
    model.double()
    there = model(points, features)
    shift, angle = torch.tensor([3.0, -2.0, 1.0]).double(), 0.02
    c, s = np.cos(angle), np.sin(angle)
    turned = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, 1]]).double()
    moved = model(points @ turned.mT + shift, features)
    assert torch.allclose(moved.embedding, there.embedding, atol=1e-4)
    normal = there.normal.double() @ turned.mT
    assert torch.allclose(moved.normal.double(), normal, atol=1e-4)
    offset = there.offset + (normal * shift).sum(-1)
    assert torch.allclose(moved.offset.double(), offset.double(), atol=1e-4)
    assert torch.allclose(there.normal.norm(dim=-1), torch.ones(2, 64).to(there.normal), atol=1e-5)


def test_embeddings_of_a_plane_are_drawn_together_and_those_of_others_apart() -> None:
    embedding = torch.tensor([[[0.0], [2.0], [3.0], [9.0]], [[0.0], [0.0], [0.0], [0.0]]])
    instance = torch.tensor([[0, 0, 1, -1], [0, 0, 0, 0]])
    pull, push = told_apart(embedding, instance)
    # Means 1 and 3 of the first cloud: each point of its first plane is 1 away from its mean.
    assert float(pull) == pytest.approx((1 - WITHIN) ** 2 / 3, abs=1e-3)
    assert float(push) == pytest.approx((APART - 2) ** 2, abs=1e-3)
    nothing = told_apart(embedding, torch.full_like(instance, -1))
    assert float(nothing[0]) == float(nothing[1]) == 0


@pytest.mark.parametrize("code", ["plain", "vae", "nebula"])
def test_every_code_learns(code: str) -> None:
    model, splits = made(bottleneck=code)
    batch = batch_of(splits, 3)
    terms = loss(model, batch)
    terms["total"].backward()
    assert torch.isfinite(terms["total"])
    assert ("exemplars" in terms) == (code == "nebula")
    learned = [p for n, p in model.named_parameters() if "anchors" not in n]
    assert all(p.grad is not None for p in learned)
    nobody = batch | {"instance": torch.full_like(batch["instance"], -1)}
    assert torch.isfinite(loss(model, nobody)["total"])


def test_an_exemplar_is_the_mean_of_the_anchors_planes_by_the_assignment() -> None:
    model, splits = made()
    assert model.exemplars is not None
    model.eval()
    batch = batch_of(splits)
    result = model(batch["points"], batch["features"])
    assert isinstance(model.bottleneck, Nebula)
    mean = result.code.assignment @ model.exemplars(model.bottleneck.anchors)
    assert torch.allclose(result.exemplar, mean, atol=1e-5)
    assert made(nebula_form="bottleneck")[0].exemplars is None


def test_a_door_that_is_flush_is_told_from_its_wall_by_embeddings_alone() -> None:
    item = room()
    rng = torch.Generator().manual_seed(0)
    embedding = 4 * torch.eye(3)[item["instance"]] + 0.2 * torch.randn(800, 3, generator=rng)
    scores = torch.full((800, len(TYPES) + 1), -5.0)
    scores[torch.arange(800), item["point_types"]] = 5.0
    scores[::40] = 0.0
    scores[::40, -1] = 1.0  # these are in no plane
    points = item["points"] + 0.003 * torch.randn(800, 3, generator=rng)
    own = instances(points, embedding, scores, item["normal"], item["offset"])
    assert torch.equal(own.instance < 0, torch.arange(800) % 40 == 0)
    on = own.instance >= 0
    plane = own.fit.normal, (own.fit.normal * own.fit.centre).sum(1)
    judged = judge(own.instance, plane[0].float(), plane[1].float(), item, len(TYPES))
    assert float(judged.recall.plane_recall) == 1 and judged.flush < 0.5
    truth = item["point_types"][on]
    assert float((own.types[own.instance[on]] == truth).double().mean()) > 0.99
    nothing = torch.zeros_like(scores)
    nothing[:, -1] = 1
    none = instances(points, embedding, nothing, item["normal"], item["offset"])
    assert bool((none.instance == -1).all()) and len(none.types) == 0


def test_what_geometry_cannot_know_is_where_planes_share_a_plane() -> None:
    item = room()
    assert torch.equal(flush(item), item["instance"] < 2)
    # A wall and its door as one: half of what geometry would say.
    one = torch.where(item["instance"] == 1, 0, item["instance"])
    normal, offset = torch.tensor([[0.0, 1, 0]] * 2 + [[0, 0, -1]]), torch.tensor([2.0, 2.0, 0.0])
    together = judge(one, normal, offset, item, len(TYPES))
    exact = judge(item["instance"], normal, offset, item, len(TYPES))
    assert exact.flush == 0 and together.flush > 0.4
    assert float(exact.recall.plane_recall) == 1
    assert float(together.recall.plane_recall) == pytest.approx(2 / 3)
    assert float(together.of_types[TYPES.index("door")].plane_recall) == 0
    far = judge(item["instance"], normal, offset + 0.2, item, len(TYPES))
    assert float(far.recall.plane_recall) == 0


def test_metrics_are_of_the_network_and_of_geometry(tmp_path: Path) -> None:
    model, splits = made(points=256)
    measured = TASK.metrics(model, [batch_of(splits, 4)], splits.vocabulary.groups)
    rows = measured.overall
    assert list(rows) == ["planes", "network alone", "geometry alone"]
    assert rows["geometry alone"]["pixel recall"] > 0.3 > rows["network alone"]["pixel recall"]
    assert set(rows["planes"]) == {measure.name for measure in TASK.measures}
    assert set(measured.by) == {"group", "type"} and "wall" in measured.by["type"]
    drawn = TASK.pictures(model, measured.shown, tmp_path)
    assert [picture.path.name for picture in drawn] == ["planes.png", "latents.png"]
    with pytest.raises(ValueError, match="nothing to measure"):
        TASK.metrics(model, [], ())


def test_what_lies_flush_is_cut_out_of_the_planes_that_geometry_finds() -> None:
    item = room()
    truth = item["instance"]
    types = torch.tensor([TYPES.index(name) for name in ("wall", "door", "floor")])
    fit = Fit.of(item["points"].double(), truth, 3)
    region = torch.where(truth == 2, 1, 0)
    found = cut(item["points"], region, Instances(truth, types, fit))
    assert len(found.types) == 3
    assert torch.equal(types[truth], found.types[found.instance])
    # Parts of a wall are no planes of their own, nor is what strays from the floor onto it.
    strays = truth.clone()
    strays[truth == 1] = 3
    strays[(truth == 0) & (item["points"][:, 2] < 0.3)] = 2
    halves = Instances(strays, torch.tensor([*types, types[0]]), fit)
    assert cut(item["points"], region, halves).instance.max() == 1
    # What geometry missed is a plane, but for points that stray from one that it found.
    missed = torch.where(truth == 2, -1, 0)
    missed[:5] = -1
    found = cut(item["points"], missed, Instances(truth, types, fit))
    assert len(found.types) == 3 and bool((found.instance[:5] == -1).all())
    alike = Instances(truth, torch.zeros(3, dtype=torch.int64), fit)
    assert cut(item["points"], region, alike).instance.max() == 1
    found = cut(item["points"], region, alike, typed=False)
    assert found.instance.max() == 2 and found.types.tolist() == [0, 0, 0]
    nothing = Instances(
        torch.full_like(truth, -1), types[:0], Fit.of(item["points"], torch.full_like(truth, -1), 0)
    )
    assert torch.equal(cut(item["points"], region, nothing).instance, region)


def test_true_planes_have_the_colours_of_those_found() -> None:
    found = torch.tensor([2, 2, 0, 0, 0, -1, 1])
    truth = torch.tensor([0, 0, 1, 1, 1, 1, 2])
    assert coloured_alike(truth, found).tolist() == [2, 2, 0, 0, 0, 0, 1]


def test_a_saved_model_answers_as_before_in_the_units_and_axes_of_the_cloud(tmp_path: Path) -> None:
    model = nvc3d.load(untrained(tmp_path / "run", "planes"))
    item = room()
    points = item["points"].numpy().astype(np.float64)
    color = np.full((len(points), 3), 128, np.uint8)
    with torch.no_grad():  # so that all is on some plane, and all on the same
        model.network.head[-1].bias[-5] = -100.0
        model.network.head[-1].weight.zero_()
    found = model(Cloud(points, {"color": color}))
    again = model(Cloud(points, {"color": color}))
    assert np.array_equal(found.instance, again.instance) and found.instance.max() == 1
    assert np.allclose(np.linalg.norm(found.normal, axis=1), 1)
    assert found.names == TYPES and found.types.shape == found.offset.shape == (2,)
    milli = model(Cloud(1000 * points, {"color": color}, unit=0.001))
    assert np.allclose(np.sort(milli.offset), 1000 * np.sort(found.offset), atol=1e-2)
    seen = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)  # y down, z forward
    camera = model(Cloud(seen, {"color": color}), up="camera")
    assert np.allclose(np.sort(camera.offset), np.sort(found.offset), atol=1e-5)
    assert {path.suffix for path in found.write(tmp_path / "room")} > {".json", ".ply"}
    with pytest.raises(ValueError, match="trained with colours"):
        model(points)
    with pytest.raises(ValueError, match="up must be one of"):
        model(Cloud(points, {"color": color}), up="w")


def test_every_axis_can_be_up() -> None:
    for name, axis in UP.items():
        own = turn(name)
        assert np.array_equal(own @ axis.direction, [0, 0, 1]) and np.linalg.det(own) == 1
    assert turn("camera").tolist() == [[1, 0, 0], [0, 0, 1], [0, -1, 0]]


def test_points_alone_are_enough_for_a_model_without_attributes() -> None:
    own = config("planes", attributes=False)
    splits = TASK.data(own)
    assert splits.vocabulary.channels == 0 and "features" not in splits.val[0]
    model = TASK.fresh(own, splits)
    found = answer(model, replace(own, points=300), Cloud(room()["points"].numpy()))
    assert found.instance.shape == (800,)
    with pytest.raises(ValueError, match="features must be"):
        model(room()["points"][None], torch.zeros(1, 800, 3))


def test_half_precision_keeps_places() -> None:
    model, splits = made()
    batch = batch_of(splits)
    wide = model(batch["points"], batch["features"])
    with torch.autocast("cpu", torch.bfloat16):
        narrow = model(batch["points"], batch["features"])
        own = narrow.frame.planes(batch["normal"], batch["offset"])
    assert torch.equal(wide.frame.axes, narrow.frame.axes)
    assert torch.equal(own[1], wide.frame.planes(batch["normal"], batch["offset"])[1])
    assert own[0].dtype == narrow.normal.dtype == torch.float32


@pytest.mark.slow
def test_a_run_is_trained_measured_and_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(import_module("nvc3d.tasks.planes.data"), "TEST_FRAMES", 4)
    sizes = "--points 64 --frames 8 --hidden 16 --steps 2 --batch-size 4 --save-every 2"
    assert call(f"train planes {sizes} --output", tmp_path / "run") == 0
    assert {"planes.png", "latents.png", "metrics.json"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    capsys.readouterr()
    assert call("eval --checkpoint", tmp_path / "run") == 0
    assert "planes by type" in capsys.readouterr().out
    item = room()
    color = np.full((800, 3), 99, np.uint8)
    found = nvc3d.load(tmp_path / "run")(Cloud(item["points"].numpy(), {"color": color}))
    assert found.instance.shape == (800,)
