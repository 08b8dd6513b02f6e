"""Writing clouds: what goes in comes out, and what was there before is not lost."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch

from nvc3d.atomic import atomic_write
from nvc3d.files import read_shape, write_cloud
from nvc3d.geometry.mesh import Cloud

POINTS = np.random.default_rng(3).standard_normal((40, 3)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npy", "npz", "xyz", "txt", "csv"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_written_cloud_comes_back_exactly(tmp_path: Path, suffix: str, dtype: type) -> None:
    path = tmp_path / f"a.{suffix}"
    write_cloud(path, POINTS.astype(dtype) + dtype(1e-12))
    cloud = read_shape(path)
    assert isinstance(cloud, Cloud)
    np.testing.assert_array_equal(cloud.points, POINTS)
    assert cloud.labels is None
    colors = np.random.default_rng(4).integers(256, size=(40, 3), dtype=np.uint8)
    labels = np.random.default_rng(5).integers(9, size=40)
    write_cloud(path, torch.from_numpy(POINTS).requires_grad_(), colors, torch.from_numpy(labels))
    cloud = read_shape(path)
    assert isinstance(cloud, Cloud)
    assert cloud.labels is not None
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.labels, labels)


def test_written_ply_is_understood_by_others(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    colors = np.arange(120, dtype=np.uint8).reshape(40, 3)
    write_cloud(tmp_path / "a.ply", POINTS, colors, np.arange(40))
    theirs = trimesh.load(tmp_path / "a.ply")
    np.testing.assert_array_equal(theirs.vertices.astype(np.float32), POINTS)
    np.testing.assert_array_equal(theirs.colors[:, :3], colors)


def test_written_glb_is_understood_by_others_and_comes_back(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    colors = np.arange(120, dtype=np.uint8).reshape(40, 3)
    write_cloud(tmp_path / "a.glb", POINTS, colors)
    (theirs,) = trimesh.load_scene(tmp_path / "a.glb").geometry.values()
    assert isinstance(theirs, trimesh.PointCloud)
    np.testing.assert_array_equal(theirs.vertices.astype(np.float32), POINTS)
    np.testing.assert_array_equal(theirs.colors[:, :3], colors)
    cloud = read_shape(tmp_path / "a.glb")
    assert isinstance(cloud, Cloud)
    np.testing.assert_array_equal(cloud.points, POINTS)
    with pytest.raises(ValueError, match="no place for labels"):
        write_cloud(tmp_path / "a.glb", POINTS, labels=np.zeros(40, int))


def test_written_pcd_packs_colours_as_the_library_does(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.pcd", POINTS, np.full((40, 3), [1, 2, 3], np.uint8))
    body = (tmp_path / "a.pcd").read_bytes().partition(b"DATA binary\n")[2]
    assert body[12:16] == bytes([3, 2, 1, 0])


@pytest.mark.parametrize(
    ("points", "extra", "fault"),
    [
        (np.zeros((0, 3)), {}, "N > 0"),
        (np.zeros((4, 2)), {}, "got float64"),
        (np.array([["a", "b", "c"]]), {}, "numbers"),
        (np.array([[0, 0, np.nan]]), {}, "1 of 1"),
        (np.array([[0, 0, np.inf]]), {}, "finite"),
        (POINTS, {"colors": np.zeros((40, 3))}, "uint8"),
        (POINTS, {"colors": np.zeros((39, 3), np.uint8)}, r"\(39, 3\)"),
        (POINTS, {"labels": np.zeros(40)}, "integers"),
        (POINTS, {"labels": np.zeros(39, int)}, r"\(40,\)"),
        (POINTS, {"labels": np.full(40, 2**40)}, "from 0 to"),
        (POINTS, {"labels": np.full(40, -2)}, "got -2"),
    ],
)
def test_bad_clouds_are_not_written(
    tmp_path: Path, points: np.ndarray, extra: dict[str, np.ndarray], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        write_cloud(tmp_path / "a.ply", points, **extra)
    assert list(tmp_path.iterdir()) == []


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"doc\.pdf: cannot write this kind"):
        write_cloud(tmp_path / "doc.pdf", POINTS)
    with pytest.raises(FileNotFoundError, match=r"its folder does not exist.*none/a\.ply"):
        write_cloud(tmp_path / "none" / "a.ply", POINTS)
    (tmp_path / "folder.ply").mkdir()
    with pytest.raises(IsADirectoryError, match=r"folder\.ply"):
        write_cloud(tmp_path / "folder.ply", POINTS)
    (tmp_path / "device.ply").symlink_to("/dev/null")
    with pytest.raises(OSError, match="no regular file"):
        write_cloud(tmp_path / "device.ply", POINTS)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_rights_are_respected(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    path.write_text("precious")
    path.chmod(0o444)
    with pytest.raises(PermissionError, match=r"a\.ply"):
        write_cloud(path, POINTS)
    assert path.read_text() == "precious"


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    path.write_text("precious")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    full = r"cannot be written \(No space left on device\).*a\.ply"
    with pytest.raises(OSError, match=full), atomic_write(path) as file:
        raise OSError(28, "No space left on device")
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link = tmp_path / "link.ply"
    link.symlink_to(tmp_path / "far" / "a.ply")
    write_cloud(link, POINTS)
    assert link.is_symlink()
    assert (tmp_path / "far" / "a.ply").stat().st_mode & 0o044 or os.umask(0o022) != 0o022
