"""Scenes that are open; those that can be read as a whole only, in a form read in stretches."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nvc3d.data.scenes.files import open_scene
from nvc3d.data.scenes.scene import Scene

_FILES = {"color": "color.npy", "label": "segment.npy"}


class Kept:
    """Opens scenes, each of them as a whole once at most.

    What is kept lies in a folder of its own in the temporary folder, and goes with this object.
    Workers that were given a copy read it there.
    """

    def __init__(self) -> None:
        self._home: Path | None = None
        self._stored: dict[Path, tuple[Path, tuple[str, ...]]] = {}
        self._open: dict[Path, Scene] = {}

    def open(self, path: Path, opener: Callable[[Path], Scene]) -> Scene:
        """The scene of a path. Raises as the opener does, and OSError where the disk is full."""
        if path not in self._open:
            if path not in self._stored:
                scene = opener(path)
                if not scene.held:
                    return self._open.setdefault(path, scene)
                self._stored[path] = self._keep(scene), scene.label_names
            folder, names = self._stored[path]
            self._open[path] = replace(open_scene(folder), path=path, label_names=names)
        return self._open[path]

    def __getstate__(self) -> dict[str, Any]:
        return {"_home": self._home, "_stored": self._stored, "_open": {}}

    def _keep(self, scene: Scene) -> Path:
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="nvc3d-scenes-"))
            weakref.finalize(self, _remove, self._home, os.getpid())
        folder = self._home / str(len(self._stored))
        folder.mkdir(exist_ok=True)
        rows = scene.read(0, scene.count)
        np.save(folder / "coord.npy", rows.points)
        for name, file in _FILES.items():
            if name in rows.columns:
                np.save(folder / file, rows.columns[name])
        return folder


def _remove(home: Path, owner: int) -> None:
    # A worker that was forked has a copy of the object, and must leave the folder alone.
    if os.getpid() == owner:
        shutil.rmtree(home, ignore_errors=True)
