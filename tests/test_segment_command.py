"""`nvc3d segment`: files of shapes and of scenes, labelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nvc3d.cli import main
from nvc3d.data.files import read_shape, write_cloud
from nvc3d.data.formats.ply_elements import read_elements
from nvc3d.data.shapes import make_shape
from nvc3d.data.shapes.rooms import make_room
from nvc3d.viz.palette import label_colours

SMALL = "--steps 1 --batch-size 4 --points 128 --dim 16 --latent-dim 4 --anchors 3 --hidden 16"


def call(command: str, *more: str | Path) -> int:
    return main([*command.split(), *map(str, more)])


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("parts") / "run"
    assert call(f"train segmentation {SMALL} --shapes 23 --output", run) == 0
    return run


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("things") / "run"
    assert call(f"train segmentation {SMALL} --scenes --shapes 1 --output", run) == 0
    return run


def columns(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        return read_elements(file)["vertex"]


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


def test_a_scene_is_read_and_written_in_stretches(
    things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, _ = make_room(1).sample(200_000, np.random.default_rng(0))
    np.save(tmp_path / "room.npy", points)
    longest = 0
    load = np.load

    class Watched:
        def __init__(self, array: np.ndarray) -> None:
            self.array = array

        def __getattr__(self, name: str):
            return getattr(self.array, name)

        def __getitem__(self, rows):
            nonlocal longest
            part = self.array[rows]
            longest = max(longest, len(part))
            return part

    def watched(*arguments, **options):
        array = load(*arguments, **options)
        return Watched(array) if isinstance(array, np.memmap) else array

    monkeypatch.setattr(np, "load", watched)
    assert call("segment --checkpoint", things, "--output", tmp_path, tmp_path / "room.npy") == 0
    monkeypatch.undo()
    assert longest <= 2**16
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
        ((parts, tmp_path / "none.ply"), "none.ply"),
    ]:
        assert call("segment --output", tmp_path, "--checkpoint", *arguments) == 2
        assert why in capsys.readouterr().err
