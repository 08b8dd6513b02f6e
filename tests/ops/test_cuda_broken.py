"""The emulation finds what is wrong with a kernel: kernels broken on purpose, each in one way."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cuda_emulation.broken import FAULTS, UNITS, Fault, broken_library
from cuda_emulation.build import BUILD, alone
from cuda_emulation.trial import run_trials

# Trials whose kernels all lie in the units that are built for a sanitizer.
UNBROKEN = {"thread": ("tiles", "trees", "passes", "anchors", "refused"), "address": ("balls",)}


def unbroken(sanitizer: str) -> list[dict[str, Any]]:
    # What is let pass between blocks is let pass from then on: it comes last.
    return [
        {"fault": 0, "trial": trial, "between_blocks": between_blocks, "seed": 2}
        for between_blocks in (False, True)
        for trial in UNBROKEN[sanitizer]
    ]


@cache
def findings(sanitizer: str) -> dict[str, str]:
    """What was found of each fault, by its name, and of the kernels as they are, under ""."""
    groups = {
        f.name: [{"fault": n, "trial": f.trial, "between_blocks": f.between_blocks, "seed": 1}]
        for n, f in enumerate(FAULTS, 1)
        if f.sanitizer == sanitizer
    } | {"": unbroken(sanitizer)}
    # The processes of one run of the tests share what the first of them finds.
    run, folder = os.environ.get("PYTEST_XDIST_TESTRUNUID"), BUILD / f"broken_{sanitizer}"
    with alone(folder):
        kept = folder / "findings.json"
        if run and kept.exists() and (stored := json.loads(kept.read_text()))["run"] == run:
            return dict(stored["found"])
        texts = run_trials(sanitizer, broken_library(sanitizer), list(groups.values()))
        found = dict(zip(groups, texts, strict=True))
        kept.write_text(json.dumps({"run": run, "found": found}))
    return found


@pytest.fixture
def found() -> Callable[[str], dict[str, str]]:
    if not os.environ.get("NVC3D_BROKEN_KERNELS"):
        pytest.skip("it tests the tests of kernels, and takes minutes: `make sanitize` runs it")
    if sys.platform != "linux" or shutil.which("g++") is None:
        pytest.skip("the sanitizers of CUDA's emulation need Linux and g++")
    return findings


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_broken_kernel_is_found(found: Callable[[str], dict[str, str]], fault: Fault) -> None:
    assert fault.found in found(fault.sanitizer)[fault.name]


@pytest.mark.parametrize("sanitizer", UNITS)
def test_kernels_as_they_are_give_no_report(
    found: Callable[[str], dict[str, str]], sanitizer: str
) -> None:
    assert found(sanitizer)[""] == ""
