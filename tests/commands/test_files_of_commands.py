"""What commands that work on files take for input, keep of it, and call what they write."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny import ball, call, columns, untrained

from nvc3d import extras
from nvc3d.cli import main
from nvc3d.commands import each
from nvc3d.commands.saying import sentence, shown
from nvc3d.data.folder import ShapeFolder
from nvc3d.files import find_shapes, read_shape, write_cloud
from nvc3d.geometry.laid import GREY
from nvc3d.geometry.mesh import Cloud
from nvc3d.tasks import ADAPTED, TASKS
from nvc3d.tasks.vocabulary import Vocabulary

WORDS = Vocabulary(("cup", "lid"), ("rim", "knob"), {"cup": (0,), "lid": (0, 1)})
WORDS_OF = {
    "completion": Vocabulary(("cup", "lid")),
    "voxel_completion": Vocabulary(("cup", "lid")),
    "segmentation": WORDS,
    "classification": Vocabulary(("cup", "lid")),
    "hand_pose": Vocabulary(("open",)),
    "planes": WORDS,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {name: untrained(folder / name, name, words) for name, words in WORDS_OF.items()}


def known(count: int = 300) -> Cloud:
    rng = np.random.default_rng(1)
    return Cloud(
        ball(count),
        {
            "color": rng.integers(0, 256, (count, 3), np.uint8),
            "label": rng.integers(0, 2, count),
            "instance": rng.integers(0, 9, count),
            "intensity": rng.random(count, np.float32),
        },
        ("wood", "steel"),
    )


# Columns


def test_a_completed_scan_keeps_all_that_was_known_and_tells_what_was_laid(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    cloud = known()
    write_cloud(tmp_path / "a.ply", cloud)
    out = tmp_path / "out.ply"
    assert (
        call("complete", tmp_path / "a.ply", "--checkpoint", runs["completion"], "--output", out)
        == 0
    )
    found = columns(out)
    laid = found["completed"] == 1
    assert laid.sum() == 256 - 64 and not laid[:300].any() and laid[300:].all()
    for name in ("label", "instance", "intensity"):
        assert np.array_equal(found[name][:300], cloud.columns[name])
    assert (found["label"][300:] == -1).all() and (found["instance"][300:] == -1).all()
    assert np.isnan(found["intensity"][300:]).all()
    rgb = np.stack([found[c] for c in ("red", "green", "blue")], 1)
    assert np.array_equal(rgb[:300], cloud.colors) and (rgb[300:] == GREY).all()
    assert read_shape(out).label_names == ("wood", "steel")


@pytest.mark.parametrize("suffix", [".pcd", ".npz", ".xyz", ".csv", ".npy", ".glb"])
def test_every_kind_of_file_gets_what_it_has_a_place_for(
    suffix: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from nvc3d.commands.completing import Output
    from nvc3d.commands.completing.points import write
    from nvc3d.tasks.completion.answer import Answers

    laid = np.array([[9.0, 9, 9], [8, 8, 8]])
    answers = Answers(known(), [laid], ball(64), False)
    target = tmp_path / f"out{suffix}"
    said = write(answers, tmp_path / "a.ply", Output([target], tmp_path / "x.png"), False)
    assert len(read_shape(target).points) == 302
    assert (".glb has no place for" in said) == (suffix == ".glb")
    write(answers, tmp_path / "a.ply", Output([target], tmp_path / "x.png"), True)
    np.testing.assert_allclose(read_shape(target).points, laid)


def test_points_of_which_nothing_is_known_get_what_says_so() -> None:
    done = known().columns | {"hits": np.ones(300, np.uint16), "sure": np.ones((300, 2))}
    from nvc3d.geometry.laid import with_laid

    cloud = with_laid(Cloud(ball(), done), np.ones((2, 3)) * 9)
    last = {name: values[-1].tolist() for name, values in cloud.columns.items()}
    assert last.pop("intensity") != last.get("hits") and np.isnan(last.pop("sure")).all()
    assert last == {
        "completed": 1,
        "color": [GREY] * 3,
        "label": -1,
        "instance": -1,
        "hits": 0,
    }
    again = with_laid(cloud, np.ones((1, 3)) * 5)
    assert again.columns["completed"].tolist() == [0] * 300 + [1] * 3


def test_a_segmented_shape_keeps_its_columns_and_names_its_labels(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = known()
    write_cloud(tmp_path / "a.npz", cloud)
    out = tmp_path / "out"
    assert (
        call("segment", tmp_path / "a.npz", "--checkpoint", runs["segmentation"], "--output", out)
        == 0
    )
    assert "its own labels are kept as given_label" in capsys.readouterr().out
    found = columns(out / "a-segmented.ply")
    assert np.array_equal(found["label"], np.load(out / "a-labels.npy"))
    assert np.array_equal(found["given_label"], cloud.labels)
    for name in ("instance", "intensity"):
        assert np.array_equal(found[name], cloud.columns[name])
    rgb = np.stack([found[c] for c in ("red", "green", "blue")], 1)
    assert np.array_equal(rgb, cloud.colors)
    assert read_shape(out / "a-segmented.ply").label_names == ("rim", "knob")


def test_colours_of_a_scene_are_kept_whatever_their_type(tmp_path: Path) -> None:
    from nvc3d.commands.segmenting.write import write_all
    from nvc3d.data.scenes import open_scene

    colours = np.random.default_rng(0).integers(0, 256, (50, 3))
    for divide in (1, 255):
        np.save(tmp_path / "a.npy", np.c_[ball(50), colours / divide, np.arange(50) % 3])
        scene = open_scene(tmp_path / "a.npy")
        write_all(scene, [(np.arange(50), np.zeros(50, np.int64))], ["wall"], tmp_path / "a")
        found = columns(tmp_path / "a-segmented.ply")
        assert np.array_equal(np.stack([found[c] for c in ("red", "green", "blue")], 1), colours)
        assert np.array_equal(found["given_label"], np.arange(50) % 3)


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_a_scan_in_las_is_completed_in_las(
    suffix: str, runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("laspy")
    labels = np.random.default_rng(0).integers(2, 6, 300)
    hits = np.random.default_rng(0).integers(0, 60000, 300).astype(np.uint16)
    place = np.array([5e5, 4e6, 100])
    write_cloud(
        tmp_path / f"a{suffix}", Cloud(ball() + place, {"label": labels, "intensity": hits})
    )
    out = tmp_path / f"out{suffix}"
    words = ("complete", tmp_path / f"a{suffix}", "--checkpoint", runs["completion"], "--output")
    assert call(*words, out) == 0
    found = read_shape(out)
    assert found.columns["completed"].tolist() == [0] * 300 + [1] * 192
    # In LAS class 0, "never classified", is what a point without a label has.
    assert found.labels.tolist() == [*labels.tolist(), *[0] * 192]
    assert np.array_equal(found.columns["intensity"][:300], hits)
    np.testing.assert_allclose(found.points[:300], ball() + place, atol=1e-3)
    # Names that mean something else by 0 have no place beside points without a label.
    write_cloud(tmp_path / "b.ply", Cloud(ball(), {"label": labels - 2}, tuple("abcd")))
    assert call("complete", tmp_path / "b.ply", *words[2:], out) == 0
    assert "has no place for the names of labels" in capsys.readouterr().out
    assert len(read_shape(out).points) == 492


# Voxels, and where they lie


@pytest.mark.parametrize("place", [(0, 0, 0), (5e5, 4e6, 100), (4.5e6, 5.4e6, 300)])
@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".xyz", ".csv", ".npz", ".las"])
def test_completed_voxels_stay_apart_in_map_coordinates(
    place: tuple[float, ...], suffix: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    write_cloud(tmp_path / "a.ply", known().points.astype(np.float64) + place)
    out = tmp_path / f"out{suffix}"
    task = runs["voxel_completion"]
    assert call("complete", tmp_path / "a.ply", "--checkpoint", task, "--output", out) == 0
    if suffix == ".npz":
        with np.load(out) as stored:
            index = np.argwhere(stored["voxels"])
            points = stored["origin"] + (index + 0.5) * stored["side"]
            laid = stored["completed"][tuple(index.T)]
    else:
        points, laid = read_shape(out).points, None
        if suffix == ".ply":
            laid = columns(out)["completed"] == 1
    assert len(np.unique(points, axis=0)) == len(points) > 100
    side = 2 / 16
    steps = (points - points[0]) / side
    assert np.abs(steps - np.rint(steps)).max() < 0.05
    if laid is not None:
        near = np.abs(points[~laid][:, None] - (ball() + place)).max(2).min(1)
        assert near.max() < side and 0 < laid.sum() < len(points)


def test_only_what_is_missing_can_be_written(runs: dict[str, Path], tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.ply", known())
    for task in ("completion", "voxel_completion"):
        whole, part = tmp_path / "whole.ply", tmp_path / "part.ply"
        words = ("complete", tmp_path / "a.ply", "--checkpoint", runs[task], "--output")
        assert call(*words, whole) == 0 and call(*words, part, "--only-missing") == 0
        found = columns(whole)
        laid = np.stack([found[axis] for axis in "xyz"], 1)[found["completed"] == 1]
        np.testing.assert_allclose(read_shape(part).points, laid, atol=1e-6)


# Names


def test_answers_are_not_taken_for_input(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scans"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.ply", "deep/b.xyz"):
        write_cloud(folder / name, ball())
    words = {
        "complete": ("--checkpoint", runs["completion"]),
        "segment": ("--checkpoint", runs["segmentation"]),
    }
    for output in (folder, folder / "out"):
        seen = []
        for _ in range(2):
            for command, more in words.items():
                assert call(command, folder, *more, "--output", output) == 0
            seen.append(sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*")))
        assert seen[0] == seen[1]
    assert "which nvc3d wrote of others there" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="left out"):
        assert len(ShapeFolder(folder)) == 2
    # Where only answers are, they are what is meant.
    shutil.copy(folder / "a-completed.ply", tmp_path / "runs-completed.ply")
    (tmp_path / "answers").mkdir()
    shutil.copy(folder / "a-completed.ply", tmp_path / "answers")
    assert [path.name for path in find_shapes(tmp_path / "answers")] == ["a-completed.ply"]


def test_files_of_one_stem_do_not_replace_one_another(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "new" / "out"
    folder.mkdir()
    for name in ("a.ply", "a.xyz", "b.ply"):
        write_cloud(folder / name, ball())
    assert call("complete", folder, "--checkpoint", runs["completion"], "--output", out) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == ["a.ply-completed.ply", "a.xyz-completed.ply", "b-completed.ply"]
    assert "3 files completed" in capsys.readouterr().out
    classify = ("classify", folder, "--checkpoint", runs["classification"], "--output", out)
    assert call(*classify) == 0 and (out / "a.ply-class.json").exists()
    (tmp_path / "other").mkdir()
    shutil.copy(folder / "b.ply", tmp_path / "other")
    both = ("complete", folder, tmp_path / "other", "--checkpoint", runs["completion"])
    assert call(*both, "--output", out) == 2
    assert "would both be written to" in capsys.readouterr().err


def test_a_scan_is_never_replaced(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cloud(tmp_path / "a.ply", ball())
    before = (tmp_path / "a.ply").read_bytes()
    words = ("complete", tmp_path / "a.ply", "--checkpoint", runs["completion"], "--output")
    assert call(*words, tmp_path / "a.ply") == 2
    assert "would be replaced" in capsys.readouterr().err
    assert (tmp_path / "a.ply").read_bytes() == before


# What goes wrong


def test_whatever_one_file_does_the_others_go_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(file: Path, target: Path) -> str:
        if file.name == "bug":
            raise AssertionError("never")
        if file.name == "long":
            raise OSError(36, "File name too long", str(file))
        return f"{file} done"

    files = {Path(name): Path(name) for name in ("a", "bug", "b", "long", "c")}
    with pytest.raises(ValueError, match="2 of 5 files could not be done: bug, long"):
        each.each_file(files, work, "done")
    said = capsys.readouterr()
    assert said.out.split("\n")[:3] == ["a done", "b done", "c done"]
    assert "bug: AssertionError: never" in said.err and "Errno" not in said.err

    def stopped(file: Path, target: Path) -> str:
        if file.name == "b":
            raise KeyboardInterrupt
        return "fine"

    with pytest.raises(KeyboardInterrupt, match="after 2 of 5 files were done"):
        each.each_file(files, stopped, "done")


def test_names_are_shown_on_one_line() -> None:
    assert shown(Path("a b\nc.ply")) == "a b\\nc.ply" and shown(Path("ä½.ply")) == "ä½.ply"
    assert shown(b"a\xff.ply") == "a\\udcff.ply"
    assert sentence(OSError(13, "Permission denied", "x\n.ply")) == "x\\n.ply: Permission denied"


@pytest.mark.parametrize("name", [name for name in TASKS if name not in ADAPTED])
@pytest.mark.parametrize("option", ["emd", "difficulty", "whole"])
def test_options_of_another_task_are_refused_by_name(
    name: str, option: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    fits = {"emd": "completion", "difficulty": "completion", "whole": "segmentation"}[option]
    value = ["hard"] if option == "difficulty" else []
    if name == fits:
        return
    assert call("eval", "--checkpoint", runs[name], f"--{option}", *value) == 2
    assert f"--{option} is for runs of {fits}" in capsys.readouterr().err


def test_a_difficulty_is_refused_where_there_is_none(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("eval", "--checkpoint", runs["completion"], "--difficulty", "hard") == 2
    assert "ShapeNet-55's shapes; the built-in shapes know none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("complete a.ply --outptu b", "unrecognized arguments: --outptu; did you mean --output?"),
        ("complete -a.ply", "unrecognized arguments: -a.ply; a file of that name is given as ./"),
        ("segment a.ply --checkpoint x --output y --seed -1", "--seed must be at least 0, got -1"),
        ("complete a.ply --checkpoint x --output b.ply --samples -1", "--samples must be at least"),
        ("complete a.ply b.ply --checkpoint x --output y.ply", "--output must be a folder"),
        ("classify -- -a.ply", "required: --checkpoint"),
    ],
)
def test_wrong_words_are_named(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert said in capsys.readouterr().err


def test_sizes_that_fit_are_told() -> None:
    config = TASKS["completion"].config
    with pytest.raises(ValueError, match="--points 1024 would fit"):
        config(points=1000)
    with pytest.raises(ValueError, match="--points 768 and --points 1024 would fit"):
        config(points=1000, decoder="pcn")
    with pytest.raises(ValueError, match="a side of 16 voxels or more"):
        TASKS["voxel_completion"].config(size=(8, 8, 8))


def test_extras_are_those_of_the_package() -> None:
    tomllib = pytest.importorskip("tomllib")
    project = Path(__file__).parents[2] / "pyproject.toml"
    given = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert list(extras.EXTRAS) == list(given)
    for extra, lines in given.items():
        names = {line.split(">")[0].split("[")[0].replace("-", "_") for line in lines}
        called = {"PyYAML": "yaml", "Pillow": "PIL", "scikit_learn": "sklearn"}
        called["protobuf"] = "google.protobuf"
        modules = {called.get(name, name) for name in names}
        assert modules <= set(extras.EXTRAS[extra]), extra


def test_doctor_names_every_kind_of_file(capsys: pytest.CaptureFixture[str]) -> None:
    from nvc3d.files.registry import by_suffix

    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["files"]
    assert " ".join(found).split() == list(by_suffix())
