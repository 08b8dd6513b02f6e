"""The files of a folder: what is there twice, what is empty, and what is no data."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from nvc3d.data.folder import ShapeFolder
from nvc3d.data.listing import find_files
from nvc3d.files import write_cloud


def cloud(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cloud(path, np.random.default_rng(seed).normal(size=(30, 3)))


def test_links_to_one_file_count_once(tmp_path: Path) -> None:
    cloud(tmp_path / "chair" / "a.ply")
    cloud(tmp_path / "lamp" / "b.ply", 1)
    (tmp_path / "lamp" / "a.ply").symlink_to(tmp_path / "chair" / "a.ply")
    os.link(tmp_path / "lamp" / "b.ply", tmp_path / "lamp" / "c.ply")
    with pytest.warns(UserWarning, match=r"left out 2 .*: lamp/a.ply is chair/a.ply, lamp/c"):
        shapes = ShapeFolder(tmp_path)
    assert [name for _, _, name in shapes] == ["chair/a.ply", "lamp/b.ply"]


def test_one_name_in_two_formats_is_said(tmp_path: Path) -> None:
    for name in ("a.ply", "a.NPY", "b.ply"):
        cloud(tmp_path / name)
    with pytest.warns(UserWarning, match=r"1 names are there in several .*a\.NPY and a\.ply"):
        assert len(find_files(tmp_path)) == 3


def test_folders_without_shapes_are_named(tmp_path: Path) -> None:
    cloud(tmp_path / "chair" / "a.ply")
    (tmp_path / "lamp").mkdir()
    (tmp_path / "sofa").mkdir()
    (tmp_path / "sofa" / "readme.md").write_text("none yet")
    with pytest.warns(UserWarning, match="2 sub-folders hold no file of a known kind: lamp, sofa"):
        assert ShapeFolder(tmp_path).categories == ("chair",)


def test_what_systems_leave_behind_is_no_data(tmp_path: Path) -> None:
    cloud(tmp_path / "chair" / "a.PLY")
    for name in ("chair/._a.PLY", "__MACOSX/chair/._a.ply", "chair/Thumbs.db", ".cache/a.ply"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\5\x16\7")
    (tmp_path / "classes.txt").write_text("leg\nseat\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [name for _, _, name in ShapeFolder(tmp_path)] == ["chair/a.PLY"]
