"""`nvc3d segment`: files of shapes and of scenes, labelled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import call, columns, untrained

from nvc3d import ops
from nvc3d.checkpoint import load_run
from nvc3d.data import scenes
from nvc3d.data.scenes import Scene, open_scene, vote
from nvc3d.files import read_shape, write_cloud
from nvc3d.shapes import make_shape
from nvc3d.shapes.rooms import make_room
from nvc3d.tasks.segmentation import whole
from nvc3d.tasks.segmentation.answer import likeliest
from nvc3d.tasks.vocabulary import Vocabulary
from nvc3d.viz.palette import label_colours

SMALL = "--steps 1 --batch-size 4 --points 128 --dim 16 --latent-dim 4 --anchors 3 --hidden 16"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("parts"), "segmentation", shapes=23)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("things"), "segmentation", scenes=True, shapes=1)


def test_all_points_of_a_shape_are_labelled_where_they_are(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    points, _ = make_shape("chair", 7).sample(700, np.random.default_rng(0))
    moved = 3 * points.astype(np.float64) + [1e6, 0, 5]
    write_cloud(tmp_path / "seat.ply", moved)
    out = tmp_path / "out"
    segment = ("segment --checkpoint", parts, "--output", out, tmp_path / "seat.ply")
    assert call(*segment, "--category", "chair") == 0
    found = columns(out / "seat-segmented.ply")
    assert np.array_equal(np.stack([found[axis] for axis in "xyz"], 1), moved)
    labels = np.load(out / "seat-labels.npy")
    assert np.array_equal(labels, found["label"]) and labels.dtype == np.int32
    assert np.array_equal(read_shape(out / "seat-segmented.ply").labels, labels)
    colours = label_colours(200)[labels]
    assert np.array_equal(np.stack([found[c] for c in ("red", "green", "blue")], 1), colours)
    assert (out / "seat-segmented.png").stat().st_size > 5000
    said = capsys.readouterr().out
    assert "700 points as a chair" in said and "which fits best" not in said
    rows = [line.split() for line in said.splitlines() if line.endswith("%")]
    assert all(row[0] == "chair" for row in rows)
    assert sum(int(row[-3]) for row in rows) == 700

    assert call(*segment) == 0
    assert ", which fits best" in capsys.readouterr().out


def test_a_broken_file_does_not_stop_the_others(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    write_cloud(tmp_path / "in" / "deep" / "good.ply", np.random.default_rng(0).random((50, 3)))
    (tmp_path / "in" / "bad.ply").write_text("ply\n")
    assert call("segment --checkpoint", parts, "--output", tmp_path / "out", tmp_path / "in") == 2
    assert (tmp_path / "out" / "deep" / "good-labels.npy").exists()
    error = capsys.readouterr().err
    assert "bad.ply" in error and "1 of 2 files could not be segmented" in error


def test_what_was_written_is_no_input_of_the_next_run(
    things: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    scan = tmp_path / "in" / "scan.2024"  # a folder's name keeps its dots
    scan.mkdir(parents=True)
    np.save(scan / "coord.npy", np.random.default_rng(0).random((50, 3)))
    segment = ("segment --checkpoint", things, "--output", tmp_path / "in", tmp_path / "in")
    for _ in range(2):
        assert call(*segment) == 0
        assert capsys.readouterr().out.count("written to") == 1
    wanted = [f"scan.2024{end}" for end in ("", "-labels.npy", "-segmented.ply", "-segmented.png")]
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == wanted


def test_coordinates_keep_their_digits(
    things: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nvc3d.data.scenes.files.DRAWN", 30_000)
    whole_numbers = np.random.default_rng(0).integers(2**25, 2**25 + 5000, (60, 3), np.int32)
    np.save(tmp_path / "scan.npy", whole_numbers)
    chair = make_shape("chair", 1)
    corners = "".join("v {:.4f} {:.4f} {:.4f}\n".format(*row) for row in chair.vertices + 5e6)
    faces = "".join("f {} {} {}\n".format(*row) for row in chair.faces + 1)
    (tmp_path / "seat.obj").write_text(corners + faces)
    out = tmp_path / "out"
    files = (tmp_path / "scan.npy", tmp_path / "seat.obj")
    assert call("segment --checkpoint", things, *files, "--output", out) == 0

    def written(name: str) -> np.ndarray:
        found = columns(out / f"{name}-segmented.ply")
        return np.stack([found[axis] for axis in "xyz"], 1)

    def off_the_seat(points: np.ndarray) -> float:
        near, _ = chair.sample(20000, np.random.default_rng(0))
        some = torch.from_numpy(points[:500] - 5e6)[None]
        return float(ops.nearest(some, torch.from_numpy(near.astype(float))[None])[0].max()) ** 0.5

    assert np.array_equal(written("scan"), whole_numbers)
    assert written("seat").shape == (30_000, 3) and off_the_seat(written("seat")) < 0.1
    assert call("segment --checkpoint", parts, files[1], "--output", out) == 0
    assert written("seat").shape == (20_000, 3) and off_the_seat(written("seat")) < 0.1


def test_a_scene_is_read_and_written_in_stretches(
    things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, _ = make_room(1).sample(70_000, np.random.default_rng(0))
    np.save(tmp_path / "room.npy", points)
    stretches, voted = [], []

    def watched(path: Path) -> Scene:
        scene = open_scene(path)

        def read(start: int, stop: int):
            stretches.append(stop - start)
            return scene.read(start, stop)

        return replace(scene, read=read)

    def counted(*arguments, **options):
        for which, scores in vote(*arguments, **options):
            voted.append(len(which))
            yield which, scores

    monkeypatch.setattr(scenes, "open_scene", watched)
    monkeypatch.setattr(whole, "vote", counted)
    assert call("segment --checkpoint", things, "--output", tmp_path, tmp_path / "room.npy") == 0
    assert max(stretches) == 2**16 and sum(stretches) > 70_000
    assert sum(voted) == 70_000 and max(voted) <= 2**16
    found = columns(tmp_path / "room-segmented.ply")
    assert np.array_equal(np.stack([found[axis] for axis in "xyz"], 1), points)
    assert np.array_equal(found["label"], np.load(tmp_path / "room-labels.npy"))


def test_what_cannot_be_is_said_in_a_sentence(
    parts: Path, things: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_cloud(tmp_path / "a.ply", np.random.default_rng(0).random((50, 3)))
    (tmp_path / "empty").mkdir()
    for arguments, why in [
        ((parts, tmp_path / "a.ply", "--category", "spoon"), "knows no category 'spoon'"),
        ((things, tmp_path / "a.ply", "--category", "chair"), "the model is one of scenes"),
        ((parts, tmp_path / "empty"), "holds no file of a known kind of cloud"),
        ((parts, tmp_path / "none.ply"), "none.ply: there is no such file"),
        ((parts, tmp_path / "a.ply", "--output", tmp_path / "a.ply"), "must be a folder, got the"),
    ]:
        assert call("segment --output", tmp_path, "--checkpoint", *arguments) == 2
        assert why in capsys.readouterr().err


def test_colours_that_the_model_was_trained_with_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        rows = np.c_[2 * rng.random((400, 3)), rng.integers(0, 256, (400, 3)), np.arange(400) % 2]
        np.save(tmp_path / f"{name}.npy", rows)
    train = f"train segmentation {SMALL} --scenes --holdout 0.5 --data {tmp_path} --output"
    assert call(train, tmp_path / "with") == 0
    assert call(train, tmp_path / "without", "--no-attributes") == 0
    bare = tmp_path / "bare.ply"
    write_cloud(bare, rng.random((50, 3)))
    segment = ("segment --output", tmp_path / "out", "--checkpoint")
    assert call(*segment, tmp_path / "with", tmp_path / "one.npy") == 0
    assert call(*segment, tmp_path / "without", bare, tmp_path / "one.npy") == 0
    capsys.readouterr()
    assert call(*segment, tmp_path / "with", bare) == 2
    assert "bare.ply: it has no colours, and the model was trained" in capsys.readouterr().err


def test_normals_that_the_model_was_trained_with_are_read_or_asked_for(
    shapenetpart: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    train = f"train segmentation {SMALL} --batch-size 2 --data"
    assert call(train, shapenetpart, "--output", run) == 0
    own = shapenetpart / "03797390" / "test.txt"
    rows = np.loadtxt(own)
    header = "x y z nx ny nz"
    np.savetxt(tmp_path / "named.csv", rows[:, :6], "%.6f", ",", header=header.replace(" ", ","))
    rng = np.random.default_rng(0)
    mesh = tmp_path / "mesh.off"
    mesh.write_text("OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\n1 1 1\n3 0 1 2\n3 1 3 2\n")
    segment = ("segment --category Mug --output", out, "--checkpoint", run)
    assert call(*segment, own, tmp_path / "named.csv", mesh) == 0
    found = np.load(out / "test-labels.npy")
    assert np.array_equal(found, np.load(out / "named-labels.npy"))
    # They are looked at: other normals, other answers somewhere.
    turned = np.c_[rows[:, :3], -rows[:, 3:6], rows[:, 6]]
    np.savetxt(tmp_path / "turned.txt", turned, "%.6f")
    model = load_run(run)[1]
    scores = []
    for cloud in (read_shape(path) for path in (own, tmp_path / "turned.txt")):
        given = (torch.from_numpy(values)[None] for values in (cloud.points, cloud.normals))
        scores.append(model(*given, torch.tensor([1])).scores)
    assert not torch.allclose(*scores)
    capsys.readouterr()
    write_cloud(tmp_path / "bare.ply", rng.random((50, 3)))
    assert call(*segment, tmp_path / "bare.ply") == 2
    assert "bare.ply: it has no normals, and the model was trained" in capsys.readouterr().err


def test_whole_scenes_are_measured_point_by_point(
    things: Path, parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    points, labels = make_room(3).sample(3000, np.random.default_rng(0))
    rows = np.c_[points, np.zeros((3000, 3)), np.where(np.arange(3000) % 5, labels, -1)]
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "room.npy", rows)
    evaluate = ("eval --whole --json --checkpoint", things)
    # Fewer classes are met in this one room than the model knows; their numbers are the same.
    run, model = load_run(things)
    scene = open_scene(tmp_path / "data" / "room.npy")
    table = whole.measure_scenes(model, run.config, [scene, scene])["whole scenes"]
    assert call("segment --output", tmp_path, scene.path, "--checkpoint", things) == 0
    found = np.load(tmp_path / "room-labels.npy")
    known = rows[:, 6] >= 0
    right = found[known] == rows[known, 6]
    assert table["accuracy"] == pytest.approx(right.mean())
    ious = [
        (right & (found[known] == c)).sum() / ((found[known] == c) | (rows[known, 6] == c)).sum()
        for c in set(found[known]) | set(rows[known, 6].astype(int))
    ]
    assert table["mIoU"] == pytest.approx(np.mean(ious))
    capsys.readouterr()
    assert call(*evaluate, "--data", tmp_path / "data") == 0
    assert json.loads(capsys.readouterr().out)["overall"]["whole scenes"] == pytest.approx(table)
    assert call("eval --whole --checkpoint", parts) == 2
    assert "only of a model of scenes" in capsys.readouterr().err


def test_the_category_that_fits_is_the_one_whose_parts_are_meant() -> None:
    class Answering(torch.nn.Linear):
        vocabulary = Vocabulary(
            ("cup", "lid"), ("cup 0", "cup 1", "lid 0"), {"cup": (0, 1), "lid": (2,)}
        )
        categories = ("cup", "lid")

        def forward(self, points, features, category):
            # Told cup: one of its two parts, undecided which. Told lid: that, but not for sure.
            shares = {0: [0.49, 0.49, 0.02], 1: [0.15, 0.15, 0.7]}[int(category)]
            return SimpleNamespace(scores=torch.tensor(shares).log().expand(1, len(points[0]), 3))

    assert likeliest(Answering(1, 1), torch.rand(5, 3), torch.rand(5, 0)) == "cup"
