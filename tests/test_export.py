"""Trained models as programs: the same answers, for batches and clouds of any size."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import ball, call, untrained

import nvc3d
from nvc3d.export import ABOUT, export
from nvc3d.ops import library
from nvc3d.tasks import TASKS

ROOT = Path(__file__).parents[1]
TORCH = Path(torch.__file__).parent


minutes = pytest.mark.skipif(
    not os.environ.get("NVC3D_EXPORTS"), reason="torch takes minutes: `make exports` runs it"
)


def exported(folder: Path, task: str, **change: object) -> None:
    """Export a small model, and compare it on another batch and other counts of points."""
    model = nvc3d.load(untrained(folder, task, **change))
    program = model.task.program(model.network, model.config)
    given = []
    for name, value in program.inputs.items():
        one = value[:1].repeat(3, *[1] * (value.dim() - 1))
        given.append(torch.cat([one, 0.9 * one], 1) if name in program.free else one)
    with torch.no_grad():
        expected = program.module(*given)
        found = export(model).module()(*given)
    assert len(found) == len(expected) == len(program.outputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("task", ["voxel_completion", "segmentation"])
def test_a_program_answers_as_its_model(tmp_path: Path, task: str) -> None:
    exported(tmp_path, task, **({"encoder": "pointnet"} if task == "segmentation" else {}))


@minutes
@pytest.mark.parametrize("task", ["completion", "hand_pose", "planes", "segmentation"])
def test_so_does_that_of_every_task(tmp_path: Path, task: str) -> None:
    exported(tmp_path, task)


def test_every_task_of_points_is_exported() -> None:
    assert {
        name for name in TASKS if TASKS[name].of_shapes and TASKS[name].program is None
    } == set()


def test_the_command_writes_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    untrained(tmp_path / "run", "classification", shapes=23, encoder="pointnet")
    capsys.readouterr()
    assert call(f"export {tmp_path / 'run'} --output", tmp_path / "kinds.pt2") == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["points: float32 (batch, points, 3)", "gives probabilities, anchor"]
    held = {ABOUT: ""}
    program = torch.export.load(str(tmp_path / "kinds.pt2"), extra_files=held)
    about = json.loads(held[ABOUT])
    model = nvc3d.load(tmp_path / "run")
    assert about["task"] == "classification"
    assert tuple(about["vocabulary"]["groups"]) == model.vocabulary.groups
    cloud = 40 * torch.from_numpy(ball(64)).float()[None] + 7
    found = program.module()(cloud)[0]
    expected = model.network((cloud - 7) / 40).scores.softmax(-1)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert call(f"export {tmp_path / 'run'} --output", tmp_path / "kinds.pt") == 2
    assert "must end in .pt2 or .onnx" in capsys.readouterr().err


@minutes
def test_a_program_of_cpp_gives_the_same(tmp_path: Path) -> None:
    """examples/cpp/answer.cpp, built as docs/deploy.md says; no Python where it runs."""
    if shutil.which("g++") is None or library.describe()["path"] is None:
        pytest.skip("needs g++ and the compiled operators")
    run = untrained(tmp_path / "run", "classification", shapes=23)
    assert call(f"export {run} --compiled --output", tmp_path / "kinds.pt2") == 0
    page = (ROOT / "docs" / "deploy.md").read_text()
    (command,) = (line for line in page.splitlines() if line.startswith("g++ "))
    words = command.replace("$TORCH", str(TORCH)).replace("examples/", f"{ROOT}/examples/").split()
    subprocess.run(words, cwd=tmp_path, check=True)
    model = nvc3d.load(run)
    module = model.task.program(model.network, model.config).module.eval()
    for count in (64, 100):
        cloud = torch.from_numpy(ball(count)).float()
        text = "\n".join(" ".join(map(repr, row)) for row in cloud.tolist())
        out = subprocess.run(
            [str(tmp_path / "answer"), "kinds.pt2", library.describe()["path"]],
            cwd=tmp_path,
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "/nowhere"},
        )
        with torch.no_grad():
            expected = module(cloud[None])[0][0]
        found = torch.tensor([float(word) for word in out.stdout.split()])
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys\nfrom nvc3d.commands import export\ntry: export.main(['--help'])\n"
    code += "except SystemExit: pass\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
