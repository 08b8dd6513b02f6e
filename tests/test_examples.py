"""The examples run as they stand, and the page of examples shows them as they are."""

from __future__ import annotations

import inspect
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import ball, columns, untrained

from nvc3d.cli import COMMANDS
from nvc3d.commands.train import parse
from nvc3d.files import write_cloud
from nvc3d.geometry.mesh import Cloud

ROOT = Path(__file__).parents[1]
INTEROP = runpy.run_path(str(ROOT / "examples" / "interop.py"))
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def run(name: str, folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(ROOT / "examples" / name), *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("autoencoder.py", 75), ("frozen_encoder.py", 70)])
def test_anchors_find_the_digits(tmp_path: Path, name: str, least: float) -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    printed = run(name, tmp_path)
    used, count = re.search(r"anchors used: (\d+) of (\d+)", printed).groups()
    assert int(used) >= 0.9 * int(count)
    assert float(re.search(r"([\d.]+)% right", printed).group(1)) > least


@pytest.mark.slow
def test_clouds_of_other_packages_pass_through(tmp_path: Path) -> None:
    printed = run("pipelines.py", tmp_path)
    for library in ("numpy", "trimesh", "open3d", "pytorch3d"):
        (told,) = re.findall(rf"^{library}: (.*)$", printed, re.MULTILINE)
        if told != "not installed, left out":
            assert float(re.search(r"distance ([\d.]+)", told).group(1)) < 0.005
    assert "numpy: 512 of 4096" in printed


@pytest.mark.parametrize("library", list(INTEROP["EXAMPLES"]))
def test_a_cloud_of_a_library_goes_in_and_comes_back(library: str) -> None:
    """Of at most twenty lines; with its memory shared wherever the page says so."""
    example = INTEROP["EXAMPLES"][library]
    code = inspect.getsource(example)
    assert code.count("\n") <= 20
    try:
        points, own, kept = example()
    except ImportError as error:
        pytest.skip(f"needs {error.name}")
    assert points.shape[-1] == 3 and kept is not None
    assert np.shares_memory(points.numpy(), own) == ("# Copied" not in code)


@pytest.mark.slow
def test_shapes_are_generated_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    printed = run("generation.py", tmp_path, "--epochs", "6")
    assert "drawn around anchor 0: [5, 256, 3]" in printed
    names = {"covariance", "gallery", "latents", "life", "walks"}
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {f"{n}.png" for n in names}


@pytest.mark.slow
def test_a_room_has_its_faces(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    printed = run("floor_plan.py", tmp_path)
    areas = sorted(float(found) for found in re.findall(r"([\d.]+) m²", printed))
    assert areas == pytest.approx([1.12, 3.75, 5, 6.25, 7.5, 8.32, 10.5, 17, 17], rel=0.02)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".ply", ".glb", ".svg", ".png"}


@pytest.mark.slow
@pytest.mark.parametrize("task", ["segmentation", "completion"])
def test_a_folder_is_answered_by_ray(tmp_path: Path, task: str) -> None:
    pytest.importorskip("ray.data", reason="needs ray[data]")
    change = {"attributes": False} if task == "segmentation" else {}
    model = untrained(tmp_path / "run", task, encoder="pointnet", shapes=23, **change)
    (tmp_path / "scans").mkdir()
    for number in range(10):
        write_cloud(tmp_path / "scans" / f"{number}.ply", Cloud(ball(100 + number, number)))
    printed = run("ray_folder.py", tmp_path, str(model), "scans", "--output=answers")
    assert re.search(r"^10 files in .*: [\d.]+ a second, peak \d+ MB$", printed, re.MULTILINE)
    assert len(list((tmp_path / "answers").iterdir())) == 10
    found = columns(tmp_path / "answers" / "3.ply")
    assert len(found["x"]) == 103 if task == "segmentation" else len(found["x"]) > 103


def test_the_page_shows_every_example_as_it_is() -> None:
    page = (ROOT / "docs" / "examples.md").read_text()
    shown = dict(re.findall(r"^## .*?\[examples/(\S+)\].*?```python\n(.*?)```", page, re.S | re.M))
    assert sorted(shown) == EXAMPLES
    for name, code in shown.items():
        assert code == (ROOT / "examples" / name).read_text(), f"{name} differs from the page"


@pytest.mark.parametrize("page", ["training.md", "deploy.md"])
def test_the_commands_of_a_page_are_ones(page: str) -> None:
    """Commands of nvc3d in code that a shell would run: their options are there."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    commands = [line for block in blocks for line in block.splitlines() if "nvc3d " in line]
    given = [re.findall(r"nvc3d (\w+)(.*?)(?:#|$)", line)[-1] for line in commands]
    asked = [(name, rest) for name, rest in given if name in COMMANDS]
    assert asked
    for name, rest in asked:
        if name == "train":
            task, *options = shlex.split(rest)
            parse(task, options)
        else:
            source = (ROOT / "nvc3d" / "commands" / f"{name}.py").read_text()
            for option in re.findall(r"--\w+", rest):
                assert f'"{option}"' in source, (name, option)
