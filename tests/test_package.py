"""The package as it is installed and imported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import nvc3d
from nvc3d.extras import EXTRAS, MissingExtra, require

SOURCE = Path(nvc3d.__file__).parent


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_import_needs_only_torch_and_numpy(tmp_path: Path) -> None:
    optional = sorted({module for modules in EXTRAS.values() for module in modules})
    code = f"""
import sys
import torch
before = set(sys.modules)
import nvc3d
from nvc3d import encoders, metrics, nebula, ops
nvc3d.Nebula(dim=8, num_anchors=3)
new = set(sys.modules) - before
print(sorted(new & set({optional!r})))
"""
    result = python(code, tmp_path, PYTHONPATH=str(SOURCE.parent))
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


@pytest.mark.slow
def test_works_without_the_compiled_library(tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "nvc3d", ignore=shutil.ignore_patterns("*.so"))
    code = """
import torch
from nvc3d import ops
x = torch.randn(2, 30, 3, requires_grad=True)
ops.chamfer_distance(x, torch.randn(2, 20, 3)).backward()
assert x.grad.any()
assert ops.farthest_point_sampling(x, 4).shape == (2, 4)
try:
    ops.nearest(x * float("nan"), x)
except ValueError as error:
    assert "x must be finite, got 180" in str(error)
torch.compile(lambda x: ops.knn(x, x, 3)[0].sum(), fullgraph=True, backend="aot_eager")(x)
print(ops.library.describe()["compiled"])
"""
    result = python(code, tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "False"
    assert result.stderr.count("slow PyTorch code") == 1


@pytest.mark.parametrize("isa", ["portable", "sse9"])
def test_instruction_set_is_chosen_by_a_variable(tmp_path: Path, isa: str) -> None:
    code = """
import torch
from nvc3d import ops
ops.nearest(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3))
print(ops.library.describe()["isa"])
"""
    result = python(code, tmp_path, PYTHONPATH=str(SOURCE.parent), NVC3D_ISA=isa)
    if isa == "portable":
        assert result.stdout.strip() == "portable", result.stderr
    else:
        assert "ValueError: NVC3D_ISA must be one of" in result.stderr


def test_a_missing_extra_is_named_with_the_command_that_adds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nvc3d.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"trimesh is needed to read meshes.*nvc3d\[tasks\]"):
        require("trimesh", "to read meshes")


def test_import_leaves_the_compiler_of_torch_alone(tmp_path: Path) -> None:
    # It takes longer to import than torch itself.
    code = """
import sys
from nvc3d import Nebula, compat, encoders, metrics, ops
print("torch._dynamo" in sys.modules)
"""
    result = python(code, tmp_path, PYTHONPATH=str(SOURCE.parent))
    assert result.stdout.strip() == "False", result.stderr


class Nearest(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.nvc3d.nearest(x, x, None, None, 2, True)[0]


@pytest.mark.parametrize("imports", ["import nvc3d, torch", "import torch, nvc3d"])
def test_saved_programs_load_whichever_is_imported_first(tmp_path: Path, imports: str) -> None:
    x = torch.rand(2, 9, 3)
    torch.export.save(torch.export.export(Nearest(), (x,)), tmp_path / "nearest.pt2")
    code = f"""
import importlib.util
importlib.util.find_spec("torch")  # a look that imports nothing
{imports}
print(torch.export.load("nearest.pt2").module()(torch.rand(2, 9, 3)).sum().item())
"""
    result = python(code, tmp_path, PYTHONPATH=str(SOURCE.parent))
    assert result.stdout.strip() == "0.0", result.stderr


def test_import_does_not_wait_for_torch(tmp_path: Path) -> None:
    code = "import nvc3d, sys; print('torch' in sys.modules)"
    result = python(code, tmp_path, PYTHONPATH=str(SOURCE.parent))
    assert result.stdout.strip() == "False", result.stderr


def test_the_citation_is_of_this_version() -> None:
    citation = (SOURCE.parent / "CITATION.cff").read_text()
    assert f"\nversion: {nvc3d.__version__}\n" in citation


def test_every_dependency_has_its_licence_told() -> None:
    """THIRD_PARTY.md has a row for each package of pyproject.toml, and none that is gone."""
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    root = SOURCE.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=! ;]", text)[0] for text in requirements}

    run = project["project"]
    groups = project["dependency-groups"].values()
    extras = run["optional-dependencies"]
    wanted = {(extra, name) for extra, texts in extras.items() for name in names(texts)}
    brought = {name for _, name in wanted}
    build = names(sum(groups, project["build-system"]["requires"])) - brought
    page = (root / "THIRD_PARTY.md").read_text()
    parts = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.S | re.M))
    rows = {
        title: [line.strip("| ").split(" | ") for line in text.splitlines() if line[:2] == "| "][1:]
        for title, text in parts.items()
    }
    assert {name for name, _ in rows["Needed to run"]} == names(run["dependencies"])
    assert {(extra, name) for extra, name, _ in rows["Needed by extras"]} == wanted
    assert {name for name, _ in rows["Needed to build, to test and to release"]} == build
    assert "THIRD_PARTY.md" in run["license-files"]
