"""How `nvc3d complete` completes a file and writes the answers, a module for each kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Output(NamedTuple):
    """What is written of a file."""

    answers: list[Path]
    """one file for each answer"""
    picture: Path
    """of them all, where there are several"""
