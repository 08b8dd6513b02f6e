"""Voxel completion, from grids in files to completed grids in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from packing import check_packed
from torch.utils.data import DataLoader

from nvc3d.cli import main
from nvc3d.data.grids import UNKNOWN, GridFolder, PartialGrids, SemanticKitti, look, voxelise
from nvc3d.data.grids.semantic_kitti import SIZE
from nvc3d.data.registry import Wanted
from nvc3d.encoders import VoxelEncoder
from nvc3d.encoders.voxels import from_channels, to_channels
from nvc3d.files import read_shape, write_cloud
from nvc3d.geometry.mesh import Cloud, Mesh
from nvc3d.geometry.voxelise import place as place_of
from nvc3d.tasks import TASKS
from nvc3d.tasks.voxel_completion import VoxelCompletionConfig
from nvc3d.tasks.voxel_completion.loss import entropy, soft_iou
from nvc3d.tasks.voxel_completion.metrics import difference
from nvc3d.tasks.voxel_completion.model import filled

TASK = TASKS["voxel_completion"]
SMALL = VoxelCompletionConfig(size=(16, 16, 16), width=4, dim=16, latent_dim=4, anchors=3)


def shell(size: int = 16, seed: int = 0) -> np.ndarray:
    """The surface of a box with a hole."""
    rng = np.random.default_rng(seed)
    low, high = rng.integers(1, 4, 3), size - rng.integers(1, 4, 3)
    grid = np.zeros((size,) * 3, np.uint8)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    inner = tuple(slice(a + 1, b - 1) for a, b in zip(low, high, strict=True))
    grid[box] = 1
    grid[inner] = 0
    grid[low[0], 6:9, 6:9] = 0
    return grid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve grids in two categories, an empty one among them."""
    (tmp_path / "grids").mkdir()
    stack = np.stack([shell(seed=i) for i in range(6)]).astype(bool)
    empty = np.zeros_like(stack[:1])
    np.savez(tmp_path / "grids" / "crate.npz", voxels=np.concatenate([empty, stack]))
    np.savez(tmp_path / "grids" / "slab.npz", voxels=stack.transpose(0, 2, 1, 3))
    return tmp_path / "grids"


def splits(folder: Path, **changes):
    with pytest.warns(UserWarning, match=r"left out 1 of \d+ grids: crate.npz\[0\] \(no voxel"):
        return TASK.data(replace(SMALL, data=str(folder), **changes))


# --- what one look shows --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_look_sees_the_first_of_each_pixel_and_knows_what_lies_before_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = (rng.random((6, 7, 8)) < 0.15).astype(np.uint8)
    towards = rng.normal(size=3)
    seen, free = look(grid, towards)
    away = towards / np.linalg.norm(towards)
    right = np.cross(away, np.eye(3)[np.abs(away).argmin()])
    right /= np.linalg.norm(right)
    up = np.cross(away, right)
    places = np.argwhere(np.ones_like(grid)).astype(float)
    column, row = places @ right, places @ up
    pixel = np.stack([np.floor(column - column.min()), np.floor(row - row.min())], 1)
    for place, own in zip(places, pixel, strict=True):
        at = tuple(place.astype(int))
        same = (pixel == own).all(1)
        depths = [p @ away for p in places[same] if grid[tuple(p.astype(int))]]
        nearest = max(depths, default=-np.inf)
        assert seen[at] == (grid[at] > 0 and place @ away >= nearest - 1)
        assert free[at] == (place @ away > nearest)


def test_along_an_axis_a_look_sees_what_light_would() -> None:
    grid = np.zeros((4, 4, 4), np.uint8)
    grid[1, 1, 0] = grid[1, 1, 3] = grid[2, 2, 2] = 1
    seen, free = look(grid, (0, 0, 1))
    assert np.argwhere(seen).tolist() == [[1, 1, 3], [2, 2, 2]]
    assert free[2, 2].tolist() == [False, False, False, True]
    assert free[0, 0].all() and not free[1, 1].any()
    with pytest.raises(ValueError, match="towards must be a finite direction"):
        look(grid, (0, 0, 0))


def test_unknown_voxels_hide_and_are_neither_seen_nor_free() -> None:
    grid = np.zeros((4, 4, 4), np.uint8)
    grid[1, 1, 0], grid[1, 1, 3] = 1, UNKNOWN
    seen, free = look(grid, (0, 0, 1))
    assert not seen.any() and not free[1, 1].any()


# --- grids of a folder ----------------------------------------------------------------------------


def test_grids_are_given_as_they_are_stored(folder: Path) -> None:
    with pytest.warns(UserWarning, match="left out 1 of 13"):
        grids = GridFolder(folder, (16, 16, 16))
    assert len(grids) == 12 and grids.categories == ("crate", "slab") and grids.classes == ()
    grid, label, name = grids[0]
    assert name == "crate.npz[1]" and label == 0
    assert np.array_equal(grid, shell(seed=0))


def test_the_last_ones_are_measured_on_and_the_first_ones_learned(folder: Path) -> None:
    found = splits(folder, test_last=4, train_first=5)
    names = [[item["name"] for item in part] for part in (found.train, found.val)]
    assert names[0] == [f"crate.npz[{i}]" for i in range(1, 6)]
    assert names[1] == [f"slab.npz[{i}]" for i in range(2, 6)]
    with pytest.raises(ValueError, match=r"train_first must be at most the number .* 8, got 9"):
        splits(folder, test_last=4, train_first=9)


def test_a_category_is_chosen_by_name(folder: Path) -> None:
    found = TASK.data(replace(SMALL, data=str(folder), category="slab"))
    assert found.vocabulary.groups == ("slab",)
    with pytest.raises(ValueError, match="has no category 'sofa'; it has"):
        TASK.data(replace(SMALL, data=str(folder), category="sofa"))


def test_grids_that_cannot_be_used_are_left_out_and_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", voxels=shell())
    np.savez(tmp_path / "small.npz", voxels=shell(8))
    (tmp_path / "cut.npz").write_bytes(b"PK")
    np.save(tmp_path / "far.npy", 300 * shell().astype(np.int64))
    with pytest.warns(UserWarning, match="left out 3 of 4") as caught:
        grids = GridFolder(tmp_path, (16, 16, 16))
    said = str(caught[0].message)
    assert len(grids) == 1
    assert "small.npz (a grid must be 16 x 16 x 16, got 8 x 8 x 8)" in said
    assert "far.npy (classes must be whole numbers from 0 to 255, got 0 to 300)" in said
    assert "cut.npz" in said


def test_meshes_and_clouds_fill_the_grid(tmp_path: Path) -> None:
    corners = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [2, 2, 0.0]])
    square = Mesh(corners, np.array([[0, 1, 2], [1, 3, 2]]))
    grid = voxelise(square, (16, 16, 16), np.random.default_rng(0))
    assert grid.sum() > 250 and len(np.unique(np.argwhere(grid)[:, 2])) == 1
    cloud = Cloud(
        np.array([[0, 0, 0], [0, 0, 0.1], [0.1, 0, 0], [4, 4, 4]]),
        {"label": np.array([1, 2, 2, 0])},
    )
    labelled = voxelise(cloud, (8, 8, 8), np.random.default_rng(0), classes=True)
    assert labelled[0, 0, 0] == 3 and labelled[7, 7, 7] == 1 and (labelled > 0).sum() == 2


def test_hardly_a_voxel_of_a_mesh_is_missed_however_much_surface_it_has() -> None:
    """Eleven leaves, each of which fills a layer: a number of points for one would leave holes."""
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    leaves = np.concatenate([np.add(square, (0, 0, z)) for z in np.linspace(0, 1, 11)])
    faces = np.concatenate([4 * i + np.array([[0, 1, 2], [0, 2, 3]]) for i in range(11)])
    grid = voxelise(Mesh(leaves, faces), (16, 16, 16), np.random.default_rng(0))
    assert grid.any((0, 1)).sum() == 11
    assert grid[:, :, grid.any((0, 1))].mean() > 0.999


def test_a_mesh_lies_in_its_grid_by_its_vertices_wherever_it_is() -> None:
    tetrahedron = np.array([[0, 0, 0], [4, 0, 0], [0, 4, 0], [0, 0, 2.0]])
    faces = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
    unused = np.array([[1e3, 0, 0]])
    mesh = Mesh(np.concatenate([tetrahedron + 1e6, unused]), faces)
    corner, side = place_of(mesh, (8, 8, 8))
    assert side == 0.5 and (corner - 1e6).tolist() == [0, 0, -1]
    there, here = (
        voxelise(m, (8, 8, 8), np.random.default_rng(0)) for m in (mesh, Mesh(tetrahedron, faces))
    )
    assert np.array_equal(there, here) and there[:, :, 2:6].sum() == there.sum() > 0


def test_grids_called_labels_are_read_and_labels_of_points_are_none(tmp_path: Path) -> None:
    grids = np.stack([shell(seed=i) * 3 for i in range(2)])
    np.savez(tmp_path / "rooms.npz", labels=grids)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "scan.npz", points=rng.random((50, 3)), labels=np.zeros(50, int))
    found = GridFolder(tmp_path, (16, 16, 16))
    assert [found[i][2] for i in range(3)] == ["rooms.npz[0]", "rooms.npz[1]", "scan.npz"]
    assert found.classes == ("class 1", "class 2", "class 3")
    assert np.array_equal(found[1][0], grids[1]) and found[2][0].max() == 1
    np.savez(tmp_path / "rooms.npz", labels=255 * (grids > 0))
    with pytest.warns(UserWarning, match="no voxel is occupied: it holds 0 and 255, which stands"):
        GridFolder(tmp_path, (16, 16, 16))


def test_second_looks_are_other_ones_and_blind_ones_know_nothing_free(folder: Path) -> None:
    with pytest.warns(UserWarning):
        grids = GridFolder(folder, (16, 16, 16))
    items = PartialGrids(grids, views=4, second=True)
    blind = 0
    for i in range(len(items)):
        item = items[i]
        for view in (item["view"], item["other_view"]):
            assert bool((view[0] <= item["grid"]).all())
            assert not bool((view[1] * item["grid"]).any())
            blind += not bool(view[1].any())
    assert not torch.equal(items[0]["view"], items[0]["other_view"])
    assert 0 < blind < len(items)
    fixed = PartialGrids(grids, training=False, second=True)
    assert "other_view" not in fixed[0] and bool(fixed[0]["view"][1].any())


# --- SemanticKITTI --------------------------------------------------------------------------------


def street(folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    labels = np.zeros(SIZE, np.uint16)
    labels[10, 20, 3], labels[11, 20, 3], labels[12, 20, 3] = 10, 252, 99
    labels[100:120, 100:120, 0] = 40
    seen, invalid = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    seen[10, 20, 3] = True
    invalid[119, 119, 0] = True
    labels.tofile(folder / f"{name}.label")
    np.packbits(seen).tofile(folder / f"{name}.bin")
    np.packbits(invalid).tofile(folder / f"{name}.invalid")


def test_semantic_kitti_is_read_in_its_own_layout(tmp_path: Path) -> None:
    street(tmp_path / "sequences" / "00" / "voxels", "000000")
    street(tmp_path / "sequences" / "08" / "voxels", "000005")
    (tmp_path / "sequences" / "08" / "voxels" / "000000.label").write_bytes(b"1234")
    found = TASK.data(VoxelCompletionConfig(data=str(tmp_path), size=SIZE))
    item = found.train[0]
    assert item["name"] == "00/000000"
    grid = item["grid"]
    assert [int(grid[x, 20, 3]) for x in (10, 11, 12)] == [1, 1, UNKNOWN]
    assert int(grid[100, 100, 0]) == 9 and int(grid[119, 119, 0]) == UNKNOWN
    assert np.argwhere(item["view"].numpy()).tolist() == [[0, 10, 20, 3]]
    with pytest.warns(UserWarning, match=r"000000\.(bin|invalid|label).*08/000005 stands in"):
        assert found.val[0]["name"] == "08/000005"
    check_packed("grids", tmp_path, tmp_path / "shards", Wanted(size=SIZE))
    with pytest.raises(ValueError, match=r"these shards are of size \(256, 256, 32\), got"):
        TASK.data(VoxelCompletionConfig(data=str(tmp_path / "shards")))
    with pytest.raises(ValueError, match="grids of SemanticKITTI are of size"):
        TASK.data(VoxelCompletionConfig(data=str(tmp_path)))
    with pytest.raises(ValueError, match="split must be one of train, val"):
        SemanticKitti(tmp_path, "test")


# --- the network ----------------------------------------------------------------------------------


def test_blocks_become_channels_and_voxels_again() -> None:
    grids = torch.rand(2, 3, 4, 6, 8)
    channels = to_channels(grids)
    assert channels.shape == (2, 24, 2, 3, 4)
    assert torch.equal(from_channels(channels), grids)
    assert torch.equal(channels[1, 8:16, 1, 2, 3], grids[1, 1, 2:4, 4:6, 6:8].flatten())


def test_the_encoder_refuses_what_it_cannot_take() -> None:
    encoder = VoxelEncoder(2, 16, 4)
    feature, maps = encoder(torch.rand(2, 2, 16, 32, 8))
    assert feature.shape == (2, 16)
    assert [tuple(m.shape[1:]) for m in maps] == [(4, 8, 16, 4), (8, 4, 8, 2), (16, 2, 4, 1)]
    for bad, why in [
        (torch.rand(2, 3, 16, 16, 16), r"must be \(B, 2, X, Y, Z\), got \(2, 3"),
        (torch.rand(2, 2, 16, 16, 12), "multiples of 8, got"),
        (torch.rand(2, 2, 16, 16, 16) / 0, "finite"),
        (torch.ones(2, 2, 16, 16, 16, dtype=torch.int64), "float dtype"),
    ]:
        with pytest.raises(ValueError, match=why):
            encoder(bad)


@pytest.mark.parametrize("kind", ["nebula", "vae", "plain"])
@pytest.mark.parametrize("skips", [True, False])
def test_gradients_reach_every_weight(kind: str, skips: bool, folder: Path) -> None:
    torch.manual_seed(0)
    found = splits(folder, bottleneck=kind, skips=skips, second_view=True)
    model = TASK.fresh(replace(SMALL, bottleneck=kind, skips=skips), found)
    batch = next(iter(DataLoader(found.train, 8)))
    terms = TASK.loss(model, batch)
    parts = sum(value.item() for name, value in terms.items() if name != "total")
    assert terms["total"].item() == pytest.approx(parts)
    terms["total"].backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle <= {"bottleneck.anchors", "bottleneck.posterior.weight"}


def test_the_loss_of_two_views_is_the_mean_of_theirs(folder: Path) -> None:
    torch.manual_seed(0)
    found = splits(folder, second_view=True)
    model = TASK.fresh(SMALL, found).eval()
    batch = next(iter(DataLoader(found.train, 8)))
    both = TASK.loss(model, batch)
    views = [batch.pop("view"), batch.pop("other_view")]
    each = [TASK.loss(model, batch | {"view": view}) for view in views]
    for name in ("cross_entropy", "overlap"):
        assert each[0][name] != each[1][name]
        assert both[name].item() == pytest.approx((each[0][name] + each[1][name]).item() / 2)
    constraint = [terms["nebula"].item() for terms in each]
    assert constraint[0] != constraint[1]
    assert both["nebula"].item() == pytest.approx(sum(constraint) / 2, rel=1e-5)


@pytest.mark.slow
def test_it_learns_a_grid_by_heart(folder: Path) -> None:
    torch.manual_seed(0)
    found = splits(folder, category="crate", bottleneck="plain", skips=False, test_last=5)
    model = TASK.fresh(replace(SMALL, bottleneck="plain", skips=False, width=8), found)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    batch = next(iter(DataLoader(torch.utils.data.ConcatDataset([found.train] * 8), 8)))
    for _ in range(60):
        optimiser.zero_grad()
        TASK.loss(model, batch)["total"].backward()
        optimiser.step()
    tables = TASK.metrics(model, [batch], found.vocabulary.groups)
    assert tables.overall["completion"]["IoU"] > 0.95
    assert tables.overall["partial input"]["IoU"] < 0.8


def test_loss_terms_equal_their_definitions() -> None:
    torch.manual_seed(0)
    grid = torch.randint(0, 2, (2, 8, 8, 8), dtype=torch.uint8)
    grid[0, 0] = UNKNOWN
    scores = torch.randn(2, 1, 8, 8, 8, dtype=torch.float64)
    known = grid != UNKNOWN
    chance = scores[:, 0].sigmoid()
    likely = torch.where(grid == 1, chance, 1 - chance)[known]
    assert float(entropy(scores, grid)) == pytest.approx(float(-likely.log().mean()))
    ious = []
    for c, g, k in zip(chance, grid, known, strict=True):
        t = (g == 1).double()[k]
        ious.append(float((c[k] * t).sum() / (c[k] + t - c[k] * t).sum()))
    assert float(soft_iou(scores, grid)) == pytest.approx(np.mean(ious))
    changed = scores.clone()
    changed[0, :, 0] += 5
    assert float(entropy(changed, grid)) == float(entropy(scores, grid))
    assert float(soft_iou(changed, grid)) == float(soft_iou(scores, grid))
    three = torch.randn(2, 3, 8, 8, 8, dtype=torch.float64)
    probability = three.softmax(1).gather(1, grid.long().clamp_max(2)[:, None])[:, 0]
    assert float(entropy(three, grid)) == pytest.approx(float(-probability[known].log().mean()))


def test_what_is_seen_and_free_stands_in_the_answer() -> None:
    scores = torch.tensor([-1.0, -1.0, 1.0, 1.0]).view(1, 1, 1, 1, 4)
    view = torch.zeros(1, 2, 1, 1, 4)
    view[0, 0, 0, 0, 0] = 1
    view[0, 1, 0, 0, 2] = 1
    assert filled(scores, view).flatten().tolist() == [1, 0, 0, 1]
    classes = torch.stack([torch.zeros(4), torch.tensor([-2.0, -2, 1, -1]), torch.full((4,), -1.0)])
    assert filled(classes.view(1, 3, 1, 1, 4), view).flatten().tolist() == [2, 0, 0, 0]


def test_difference_is_one_less_the_iou_of_pairs() -> None:
    a, b, c = (torch.tensor([rows]).bool() for rows in ([1, 1, 0], [1, 0, 0], [1, 0, 0]))
    assert float(difference([a, b, c])) == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_classes_are_counted_over_all_grids_and_unknown_voxels_not_at_all(tmp_path: Path) -> None:
    grids = np.stack([shell(seed=i) for i in range(4)])
    grids[:, 8:] *= 2
    grids[0, :2] = UNKNOWN
    np.savez(tmp_path / "rooms.npz", voxels=grids)
    found = TASK.data(replace(SMALL, data=str(tmp_path), holdout=1.0))
    assert found.val.classes == ("class 1", "class 2")
    model = TASK.fresh(SMALL, found)
    batch = next(iter(DataLoader(found.val, 4)))
    truth = batch["grid"].long()
    perfect = torch.nn.functional.one_hot(truth.clamp_max(2), 3).movedim(-1, 1).float()
    perfect[:, :, :2] = 0
    code = model(batch["view"]).code

    def repeated(scores: torch.Tensor, count: int) -> torch.Tensor:
        return scores.expand(count, -1, -1, -1, -1, -1)

    model.answers = lambda view, count, generator=None: (repeated(perfect, count), code)
    tables = TASK.metrics(model, [batch], found.vocabulary.groups)
    assert tables.overall["completion"]["IoU"] == 1
    assert tables.overall["mean of classes"]["IoU"] == 1
    wrong = perfect.roll(1, 1)[:, [1, 0, 2]]  # class 1 becomes class 2 everywhere it can
    model.answers = lambda view, count, generator=None: (repeated(wrong, count), code)
    tables = TASK.metrics(model, [batch], found.vocabulary.groups)
    assert tables.overall["mean of classes"]["IoU"] < 0.5
    assert set(tables.by["class"]) == {"class 1", "class 2"}


# --- commands -------------------------------------------------------------------------------------


def call(command: str, *more: str | Path) -> int:
    return main([*command.split(), *map(str, more)])


def test_train_eval_and_complete_by_commands(tmp_path: Path, folder: Path, capsys) -> None:
    run = tmp_path / "run"
    options = "--steps 2 --batch-size 4 --size 16 16 16 --width 4 --dim 16 --latent-dim 4 "
    options += "--anchors 3 --holdout 0.4"
    train = f"train voxel_completion {options} --output"
    assert call(train, run, "--data", folder) == 0
    assert (run / "completions.png").stat().st_size > 1000
    assert (run / "latents.png").exists()
    assert call("eval --checkpoint", run) == 0
    assert "best of 8 answers" in capsys.readouterr().out

    grid = tmp_path / "part.npz"
    given = shell() * (np.arange(16) < 6).astype(np.uint8)
    np.savez(grid, voxels=given)
    complete = ("complete --checkpoint", run, "--output")
    assert call(*complete, tmp_path / "out.npz", "--samples", "3", grid) == 0
    for i in (1, 2, 3):
        with np.load(tmp_path / f"out-{i}.npz") as stored:
            assert bool((stored["voxels"] >= given.astype(bool)).all())
    assert (tmp_path / "part-samples.png").exists()

    scan = tmp_path / "scan.ply"
    points = 100 + 5 * np.random.default_rng(0).random((500, 3))
    write_cloud(scan, points)
    assert call(*complete, tmp_path / "scan.pcd", scan) == 0
    completed = read_shape(tmp_path / "scan.pcd").points
    assert completed.min() > 99.5 and completed.max() < 105.5
    gap = np.linalg.norm(points[:, None] - completed[None], axis=2).min(1).max()
    assert gap <= 5.01 / 16 * np.sqrt(3) / 2
    truth, known = shell(seed=1), np.arange(16) < 9
    np.savez(grid, voxels=np.where(known, truth, UNKNOWN), origin=[5, 6, 7], side=0.5)
    assert call(*complete, tmp_path / "known.npz", grid) == 0
    with np.load(tmp_path / "known.npz") as stored:
        assert np.array_equal(stored["voxels"][..., known], truth[..., known].astype(bool))
        assert stored["origin"].tolist() == [5, 6, 7] and stored["side"] == 0.5
    np.savez(grid, voxels=truth, side=-1.0)
    assert call(*complete, tmp_path / "x.npz", grid) == 2
    assert "side must be positive, got -1.0" in capsys.readouterr().err
    assert call(*complete, tmp_path / "x.npz", folder / "slab.npz") == 2
    assert "it holds 6 voxel grids, not one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"size": (16, 16, 20)}, "size must be multiples of 8"),
        ({"bottleneck": "none"}, "bottleneck must be one of"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"test_last": -1}, "test_last must be at least 0"),
        ({"scenes": True, "data": "here"}, "scenes are built in"),
        ({"holdout": 0.0}, "holdout must be above 0"),
    ],
)
def test_configs_that_cannot_be_are_refused(wrong: dict, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(SMALL, **wrong)


def test_real_chairs_are_dealt_as_they_lie(data_dir: Path) -> None:
    config = VoxelCompletionConfig(
        data=str(data_dir / "modelnet10_voxels"), category="chair", test_last=100
    )
    with pytest.warns(UserWarning, match=r"left out 1 of 700 grids: chair.npz\[0\]"):
        found = TASK.data(config)
    assert (len(found.train), len(found.val)) == (599, 100)
    assert found.val[0]["name"] == "chair.npz[600]"
