"""What a run on a GPU leaves, and the pages that are written from it. No GPU is needed here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gpu_parts
import gpu_report

ROOT = Path(__file__).parents[2]
PASSED = {"passed": 9, "failed": 0, "skipped": 1, "seconds": 3.0, "code": 0, "output": ""}
REPORT: dict[str, Any] = {
    "machine": "Example GPU (sm_90), CUDA 13.0, torch 2.13.0",
    "gpu": "Example GPU",
    "nvc3d": "1.0",
    "tests": [{"name": "operators on the GPU", **PASSED}],
    "sanitizers": [
        {"name": "compute-sanitizer memcheck", **PASSED},
        {"name": "compute-sanitizer racecheck", "missing": "not on the PATH"},
    ],
    "rows": [
        {
            "operator": "nearest",
            "name": "cube 8×2048",
            "device": 0.02,
            "unchecked": 0.03,
            "called": 0.04,
            "least": 0.01,
            "error": 1e-7,
            "peers": {"torch.cdist": 2.0, "torch-cluster": 0.5},
            "peer_errors": {"torch.cdist": 1e-7, "torch-cluster": 0.5},
        },
        {
            "operator": "farthest_point_sampling",
            "name": "cube 8×16384→2048",
            "device": 2000.0,
            "unchecked": 2000.0,
            "called": 2000.0,
            "least": float("nan"),
            "error": 0.0,
            "peers": {},
            "peer_errors": {},
        },
    ],
    "rows_left_out": 4,
}


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A copy of the pages that a report is written into."""
    for name in ("README.md", "docs/speed.md", "nvc3d/ops/hardware.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_pages_are_written_from_a_report(pages: Path) -> None:
    report = json.loads(json.dumps(REPORT))
    gpu_report.write_pages(report, pages)
    speed = (pages / "docs" / "speed.md").read_text()
    assert "| cube 8×2048 | 0.02 | 0.03 | 0.04 | 2 | 0.5 (wrong) | 0.50 | 1e-07 |" in speed
    assert "| cube 8×16384→2048 | 2,000 | 2,000 | 2,000 | – | 0e+00 |" in speed
    assert "| compute-sanitizer racecheck | not run: not on the PATH | | | |" in speed
    assert "| operators on the GPU | 9 | 0 | 1 | 3 |" in speed
    assert "4 rows were left out" in speed and "not yet run on hardware" not in speed
    readme = (pages / "README.md").read_text()
    # The fastest peer whose answer is right.
    assert "| nearest | cube 8×2048 | 0.02 | 0.04 | 2 (torch.cdist) |" in readme
    assert "not yet run on hardware" not in readme
    values: dict[str, str] = {}
    exec((pages / "nvc3d" / "ops" / "hardware.py").read_text(), values)
    assert values["RUN_ON"] == "Example GPU"
    gpu_report.write_pages(report, pages)  # and again
    assert (pages / "README.md").read_text() == readme


def test_no_page_comes_from_half_a_report_or_a_failure(pages: Path) -> None:
    before = (pages / "README.md").read_text()
    half = {key: value for key, value in REPORT.items() if key != "sanitizers"}
    with pytest.raises(ValueError, match="the report lacks sanitizers"):
        gpu_report.write_pages(half, pages)
    failed = {"name": "operators on the GPU", **PASSED, "failed": 1, "code": 1}
    with pytest.raises(ValueError, match="on the GPU these failed: operators on the GPU"):
        gpu_report.write_pages(REPORT | {"tests": [failed]}, pages)
    assert (pages / "README.md").read_text() == before
    assert "The part `sanitizers` was not run." in gpu_report.markdown(half)


def test_pages_say_that_hardware_is_still_to_come_until_there_is_a_report() -> None:
    from nvc3d.ops.hardware import RUN_ON

    for page in ("README.md", "docs/speed.md"):
        assert ("not yet run on hardware" in (ROOT / page).read_text()) == (not RUN_ON)


def test_rows_of_the_readme_are_rows_of_the_benchmark() -> None:
    from rows import rows

    assert set(gpu_report.IN_README) <= {(row.operator, row.name) for row in rows()}


def test_says_so_without_a_gpu(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    command = [sys.executable, "benchmarks/gpu_parts.py", "tests", "--report", tmp_path / "r.json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "needs an NVIDIA GPU" in run.stderr and not (tmp_path / "r.json").exists()


def test_library_takes_the_packages_place_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_parts, "PACKAGED", tmp_path / "_C.abi3.so")
    monkeypatch.setattr(gpu_parts, "FOLDER", tmp_path / "gpu")
    (tmp_path / "_C.abi3.so").write_text("own")
    with pytest.raises(SystemExit, match="is missing: run"), gpu_parts.packaged("full"):
        pass
    built = tmp_path / "gpu" / "full" / "nvc3d" / "_C.abi3.so"
    built.parent.mkdir(parents=True)
    built.write_text("with CUDA")
    with gpu_parts.packaged("full"):
        assert (tmp_path / "_C.abi3.so").read_text() == "with CUDA"
    assert (tmp_path / "_C.abi3.so").read_text() == "own"


def test_a_run_of_tests_is_counted(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import os, pytest\n"
        "def test_one(): assert os.environ['GIVEN'] == '1'\n"
        "def test_two(): assert False\n"
        "def test_three(): pytest.skip('why not')\n"
    )
    run = gpu_parts.run_tests(60, "some", str(tmp_path), GIVEN="1")
    assert (run["passed"], run["failed"], run["skipped"], run["code"]) == (1, 1, 1, 1)
    assert "test_two" in run["output"]


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text("import time\ndef test_it(): time.sleep(100)\n")
    run = gpu_parts.run_tests(0.5, "slow", str(tmp_path))
    assert run["code"] == -1 and "stopped after" in run["output"] and run["passed"] == 0
