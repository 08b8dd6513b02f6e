"""Planes: forms of the nebula, beside what geometry alone finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nvc3d.checkpoint import Run

FORM = "handed on"
"""A nebula whose anchors are no exemplars of planes, but a part of the code."""
COLUMNS = ("plain", "vae", FORM, "nebula")


def in_form(run: Run, column: str, folder: Path) -> Run:
    """The run with the form of the nebula that a column names."""
    if column != FORM:
        return run
    return replace(run, config=replace(run.config, nebula_form="bottleneck"))
