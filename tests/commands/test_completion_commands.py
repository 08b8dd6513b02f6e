"""What is done with a trained completion model: scans completed, KITTI's cars measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import ball, config, untrained

from nvc3d.checkpoint import Run, load_run, save_config
from nvc3d.cli import main
from nvc3d.config import TrainConfig
from nvc3d.data.pairs import KittiCars, holds_cars
from nvc3d.data.pairs.views import resample
from nvc3d.files import read_shape, write_cloud
from nvc3d.geometry.mesh import Cloud, Mesh
from nvc3d.metrics import consistency, fidelity, minimal_matching_distance
from nvc3d.tasks import TASKS
from nvc3d.tasks.completion import Completion
from nvc3d.tasks.completion.answer import complete, inliers
from nvc3d.tasks.completion.cars import known_cars, measure_cars
from nvc3d.tasks.vocabulary import Vocabulary

TASK = TASKS["completion"]
SMALL = config("completion", shapes=46)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained(tmp_path_factory.mktemp("run"), "completion", Vocabulary(), shapes=46)


def half_ball(count: int = 300, seed: int = 0) -> np.ndarray:
    points = ball(count, seed)
    points[:, 2] = np.abs(points[:, 2])
    return points.astype(np.float32)


@pytest.fixture
def kitti(tmp_path: Path) -> Path:
    """Two frames of one car, one of another, and a car whose box is broken."""
    corners = np.array([(x, y, z) for z in (0, 1.5) for y in (-1, 1) for x in (-2, 2)], float)
    corners = corners[[0, 2, 3, 1, 4, 6, 7, 5]]
    for folder in ("cars", "bboxes", "tracklets"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate(("a0", "a1", "b0", "c0")):
        place = [10.0 * number, 3, 0.2]
        inside = np.random.default_rng(number).uniform([-2, -1, 0], [2, 1, 1.5], (90, 3))
        write_cloud(tmp_path / f"cars/{name}.pcd", (inside + place).astype(np.float32))
        np.savetxt(tmp_path / f"bboxes/{name}.txt", corners * (name != "c0") + place)
    (tmp_path / "tracklets/0.txt").write_text("a0 a1\n")
    (tmp_path / "tracklets/1.txt").write_text("b0\n")
    return tmp_path


def answers(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir())


def test_several_answers_are_written_and_shown(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    scan = half_ball()
    write_cloud(tmp_path / "scan.pcd", scan)
    out = tmp_path / "out"
    out.mkdir()
    call = ["complete", str(tmp_path / "scan.pcd"), "--checkpoint", str(run), "--output"]
    assert main([*call, str(out / "it.ply"), "--samples=3"]) == 0
    assert answers(out) == ["it-1.ply", "it-2.ply", "it-3.ply", "scan-samples.png"]
    assert "3 answers of 492 points" in capsys.readouterr().out
    clouds = [read_shape(out / f"it-{i}.ply").points for i in (1, 2, 3)]
    assert all(np.array_equal(cloud[:300], scan) for cloud in clouds)
    assert len(np.unique([cloud[300:] for cloud in clouds], axis=0)) == 3
    # The first is what is written where one is asked for.
    assert main([*call, str(out / "one.ply")]) == 0
    np.testing.assert_allclose(read_shape(out / "one.ply").points, clouds[0], atol=1e-6)
    assert answers(out)[-2:] == ["one.ply", "scan-samples.png"]


def test_several_answers_of_a_folder(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    write_cloud(tmp_path / "in/deep/a.npy", half_ball())
    (tmp_path / "in/b.obj").write_text("f 1 2 3")
    call = ["complete", str(tmp_path / "in"), f"--checkpoint={run}", "--samples=2"]
    assert main([*call, f"--output={tmp_path / 'out'}"]) == 2
    expected = ["a-completed-1.ply", "a-completed-2.ply", "a-samples.png"]
    assert answers(tmp_path / "out/deep") == expected


@pytest.mark.parametrize("kind", ["vae", "plain"])
def test_a_vae_has_several_answers_and_a_plain_code_one(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    run = untrained(tmp_path / "run", "completion", Vocabulary(), bottleneck=kind)
    write_cloud(tmp_path / "scan.ply", half_ball())
    call = ["complete", str(tmp_path / "scan.ply"), f"--checkpoint={run}"]
    code = main([*call, f"--output={tmp_path / 'it.ply'}", "--samples=2"])
    if kind == "vae":
        assert code == 0 and (tmp_path / "it-2.ply").exists()
    else:
        assert code == 2 and "a plain code gives one answer" in capsys.readouterr().err
        assert not list(tmp_path.glob("it*"))


def test_no_answers_and_other_tasks_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["complete", "scan.ply", "--output=it.ply"]
    assert main([*call, f"--checkpoint={run}", "--samples=0"]) == 2
    assert "--samples must be at least 1, got 0" in capsys.readouterr().err
    task = TASKS["classification"]
    save_config(tmp_path, Run(task, task.config(), TrainConfig()))
    assert main([*call, f"--checkpoint={tmp_path}"]) == 2
    message = "holds a model of task classification, not of completion or voxel_completion"
    assert message in capsys.readouterr().err


def test_outliers_do_not_set_the_scale(run: Path) -> None:
    scan = half_ball(2000)
    around = np.random.default_rng(1).uniform((-9, -9, 3), (9, 9, 21), (20, 3))
    stray = np.concatenate([scan, around]).astype(np.float32)
    assert not inliers(stray)[2000:].any() and inliers(stray)[:2000].mean() > 0.99
    _, model = load_run(run)
    result = complete(model, Cloud(stray), 64, seed=0)
    # They are kept, though: what is given is.
    assert np.array_equal(result.completed().points[:2020], stray)
    assert np.linalg.norm(result.seen, axis=1).max() < 1.01
    clean = complete(model, Cloud(scan), 64, seed=0)
    assert np.abs(result.laid[0]).max() < 1.5 * np.abs(clean.laid[0]).max()


def test_scans_in_map_coordinates_are_completed_to_the_digit(run: Path, tmp_path: Path) -> None:
    _, model = load_run(run)
    place = np.array([4.5e5, 5.2e6, 120])
    near = half_ball(400).astype(np.float64)
    write_cloud(tmp_path / "far.ply", near + place)
    scan = read_shape(tmp_path / "far.ply")
    result = complete(model, scan, 64, seed=0).completed().points
    np.testing.assert_array_equal(result[:400], near + place)
    expected = complete(model, Cloud(near), 64, seed=0).completed().points
    np.testing.assert_allclose(result - place, expected, atol=1e-5)
    mesh = Mesh(near[:30] + place, np.arange(30).reshape(10, 3))
    there = complete(model, mesh, 64, seed=0)
    here = complete(model, Mesh(near[:30], mesh.faces), 64, seed=0)
    np.testing.assert_allclose(there.completed().points - place, here.completed().points, atol=1e-5)
    np.testing.assert_allclose(there.seen - place, here.seen, atol=1e-6)


class KnowsPoles(torch.nn.Module):
    """Completes whatever it sees by a pole along z."""

    def alternatives(self, partial, count, generator):
        pole = torch.linspace(-1, 1, 50)[:, None] * torch.tensor([0.0, 0, 1])
        answer = torch.cat([partial[0], pole])[None]
        return answer.expand(count, 1, -1, -1)

    def forward(self, partial):
        pole = self.alternatives(partial[:1], 1, None)[0, :, partial.shape[1] :]
        return Completion(partial, (pole.expand(len(partial), -1, -1),), None)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_scan_on_its_side_is_completed_there(axis: int) -> None:
    rng = np.random.default_rng(0)
    scan = rng.uniform(-0.1, 0.1, (200, 3)).astype(np.float32)
    scan[:, axis] *= 30
    result = complete(KnowsPoles(), Cloud(scan * 5 + 7), 64, seed=0)
    assert result.turned == (axis != 2)
    # The pole lies along the scan, as long as that, and thin.
    extent = np.ptp(result.laid[0], axis=0) / 5
    assert extent[axis] == pytest.approx(6, abs=0.2) and np.delete(extent, axis).max() < 1e-5
    np.testing.assert_array_equal(result.completed().points[:200], scan * 5 + 7)


def test_scans_of_uneven_density_have_no_outliers() -> None:
    rng = np.random.default_rng(0)
    # Seen from one end of a long floor, points thin out with the square of their distance.
    depth = 1 / rng.uniform(0.25, 1, 4000)
    floor = np.stack([depth, rng.uniform(-1, 1, 4000) * depth, 0 * depth], axis=1)
    assert inliers(floor).mean() > 0.995
    assert inliers(np.repeat(half_ball(20), 30, axis=0)).all()
    assert inliers(half_ball(3)).all()


def test_kitti_cars_are_measured_by_the_definitions(kitti: Path, run: Path) -> None:
    assert holds_cars(kitti) and not holds_cars(kitti / "cars")
    _, model = load_run(run)
    cars = KittiCars(kitti)
    known = torch.rand(3, 256, 3, generator=torch.Generator().manual_seed(0))
    with pytest.warns(UserWarning, match=r"1 of 4 cars cannot be read: c0 .*no length"):
        table = measure_cars(model, cars, known, 64)
    kept, laid = table["completion"], table["points laid by the model"]
    # 64 of the 90 points seen are given to the model, and kept.
    assert 0 < kept["fidelity"] < laid["fidelity"]
    with pytest.warns(UserWarning):
        # Where there is room for all of them, all are kept.
        model_of_all = TASK.model(replace(SMALL, input_points=90, points=282), Vocabulary()).eval()
        table = measure_cars(model_of_all, cars, known, 90)
    assert table["completion"]["fidelity"] == 0
    seen = [torch.from_numpy(cars[i].points)[None] for i in range(3)]
    with torch.no_grad():
        # The same points in the order in which they are drawn, as the first one matters a little.
        drawn = [
            resample(cars[i].points, 90, np.random.default_rng([0, i]))[None] for i in range(3)
        ]
        done = [model_of_all(torch.from_numpy(cloud)).points for cloud in drawn]
    rows = {"completion": done, "points laid by the model": [cloud[:, 90:] for cloud in done]}
    for name, clouds in rows.items():
        faithful = [float(fidelity(a, b)) for a, b in zip(seen, clouds, strict=True)]
        nearest = [float(minimal_matching_distance(cloud, known)) for cloud in clouds]
        assert table[name]["fidelity"] == pytest.approx(np.mean(faithful), rel=1e-4)
        assert table[name]["MMD"] == pytest.approx(np.mean(nearest), rel=1e-4)
        # The only tracklet with two frames.
        steady = float(consistency(torch.cat(clouds[:2])))
        assert table[name]["consistency"] == pytest.approx(steady, rel=1e-4)


def test_known_cars_are_cars_where_there_are_any() -> None:
    splits = TASK.data(SMALL)
    known, kind = known_cars(splits)
    assert known.shape == (2, 256, 3) and kind == "2 training cars"
    car = splits.vocabulary.groups.index("car")
    cars = [item["complete"] for item in splits.train if int(item["label"]) == car]
    assert all(any(torch.equal(cloud, other) for other in cars) for cloud in known)
    known, kind = known_cars(replace(splits, vocabulary=Vocabulary(tuple("abc"))))
    assert len(known) == 46 and kind == "46 training shapes of all categories"
    with pytest.raises(ValueError, match="there are none"):
        known_cars(replace(splits, train=torch.utils.data.Subset(splits.train, [])))


def test_eval_knows_the_folder_of_kitti(
    kitti: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (kitti / "bboxes/c0.txt").unlink()  # named in a warning, as a broken one is
    call = ["eval", f"--checkpoint={run}", f"--data={kitti}"]
    assert main(call) == 0
    out = capsys.readouterr().out
    assert "fidelity" in out and "3 cars of KITTI; MMD is to 2 training cars." in out
    assert main([*call, "--json"]) == 0
    table = json.loads(capsys.readouterr().out)["overall"]["completion"]
    assert list(table) == ["fidelity", "consistency", "MMD"]
    with pytest.raises(ValueError, match="KITTI's cars, whose complete clouds nobody knows"):
        TASK.data(replace(SMALL, data=str(kitti)))


def test_eval_measures_emd_where_it_is_asked_for(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cloud(tmp_path / "a.ply", half_ball(600))
    call = ["eval", f"--checkpoint={run}", f"--data={tmp_path}", "--json"]
    tables = []
    for more in ([], ["--emd"]):
        assert main([*call, *more]) == 0
        tables.append(json.loads(capsys.readouterr().out)["overall"]["completion"])
    assert set(tables[1]) - set(tables[0]) == {"EMD"}
    assert {name: tables[1][name] for name in tables[0]} == tables[0]
    assert 0 < tables[1]["CD-L1"] < tables[1]["EMD"]


def test_eval_cuts_away_of_shapenet55_what_is_asked_for(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("shapenet_pc", "ShapeNet-55"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "shapenet_pc/02691156-a.npy", half_ball(500))
    for split in ("train", "test"):
        (tmp_path / f"ShapeNet-55/{split}.txt").write_text("02691156-a.npy\n")
    seen = {}
    for difficulty in ("simple", "moderate", "hard", None):
        call = ["eval", f"--checkpoint={run}", f"--data={tmp_path}", "--json"]
        assert main(call + (["--difficulty", difficulty] if difficulty else [])) == 0
        tables = json.loads(capsys.readouterr().out)
        seen[difficulty] = tables["overall"]["partial input"]["CD-L2"]
    assert seen["simple"] < 0.7 * seen["moderate"] < 0.5 * seen["hard"]
    assert seen[None] == seen["moderate"]
