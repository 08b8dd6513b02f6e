"""Trainings that are killed go on as if they had not been: killed.py, at a few moments.

NVC3D_KILLS kills each task so many times; NVC3D_KILLED_SEED says at which moments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = os.environ.get("NVC3D_KILLS")
SEED = os.environ.get("NVC3D_KILLED_SEED", "0")


@pytest.mark.slow
def test_killed_runs_have_the_same_bits() -> None:
    for module in ("accelerate", "sentencepiece", "sklearn", "tyro"):
        pytest.importorskip(module)
    tests = Path(__file__).parent
    tasks = [] if KILLS else ["segmentation", "translation"]
    result = subprocess.run(
        [sys.executable, tests / "killed.py", "--kills", KILLS or "3", "--seed", SEED, *tasks],
        env=os.environ | {"PYTHONPATH": str(tests.parent), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    print(result.stdout)
