"""Folders of shapes: what counts as one, what is skipped, and how they are dealt."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nvc3d.data import folder
from nvc3d.data.folder import ShapeFolder
from nvc3d.files import write_cloud
from nvc3d.geometry import voxels
from nvc3d.geometry.mesh import Cloud, Mesh

OFF = "OFF\n4 4 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """A warning that no test expects is a fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def cloud_file(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cloud(path, 5 + 3 * np.random.default_rng(seed).standard_normal((30, 3)))


def grids(count: int, empty: tuple[int, ...] = ()) -> np.ndarray:
    stack = np.random.default_rng(0).random((count, 4, 5, 6)) < 0.2
    stack[list(empty)] = False
    return stack


def test_shapes_are_normalised_named_and_labelled_by_sub_folder(tmp_path: Path) -> None:
    for name in ("lamp/a.ply", "chair/train/b.off", "chair/test/c.npy", "test/sofa/d.xyz"):
        cloud_file((tmp_path / name).with_suffix(".ply" if "off" in name else Path(name).suffix))
    (tmp_path / "chair/train/b.ply").unlink()
    (tmp_path / "chair/train/b.off").write_text(OFF)
    (tmp_path / "notes.md").write_text("not a shape")
    shapes = ShapeFolder(tmp_path)
    assert shapes.categories == ("chair", "lamp", "sofa")
    assert shapes.skipped == ()
    assert [(label, name) for _, label, name in shapes] == [
        (0, "chair/test/c.npy"),
        (0, "chair/train/b.off"),
        (1, "lamp/a.ply"),
        (2, "test/sofa/d.xyz"),
    ]
    assert isinstance(shapes[1][0], Mesh)
    cloud = shapes[-2][0]
    assert isinstance(cloud, Cloud)
    assert np.linalg.norm(cloud.points, axis=1).max() == pytest.approx(1)
    with pytest.raises(IndexError, match="4 shapes, got index 4"):
        shapes[4]


def test_a_plain_folder_is_one_category(tmp_path: Path) -> None:
    cloud_file(tmp_path / "a.ply")
    assert ShapeFolder(tmp_path).categories == ("shape",)
    single = ShapeFolder(tmp_path / "a.ply")
    assert [name for _, _, name in single] == ["a.ply"]


def test_grids_of_a_stack_are_shapes_of_their_own(tmp_path: Path) -> None:
    stack = grids(9, empty=(0, 4))
    np.savez_compressed(tmp_path / "mug.npz", voxels=stack)
    np.savez(tmp_path / "bowl.npz", voxels=np.asfortranarray(stack[1:3].astype(np.float32)))
    np.savez(tmp_path / "single.npz", voxels=stack[1])
    with pytest.warns(UserWarning, match=r"skipped 2 of 12 shapes: mug\.npz\[0\].*mug\.npz\[4\]"):
        shapes = ShapeFolder(tmp_path)
    assert shapes.skipped == tuple((f"mug.npz[{i}]", "no voxel is occupied") for i in (0, 4))
    assert shapes.categories == ("bowl", "mug", "shape")
    assert [name for _, _, name in shapes][:4] == [
        *("bowl.npz[0]", "bowl.npz[1]", "mug.npz[1]", "mug.npz[2]")
    ]
    for at, grid in ((1, stack[2]), (3, stack[2]), (9, stack[1])):
        mesh, expected = shapes[at][0], voxels.to_mesh(grid)
        assert isinstance(mesh, Mesh)
        np.testing.assert_array_equal(mesh.faces, expected.faces)
        scale = np.ptp(mesh.vertices, axis=0) / np.ptp(expected.vertices, axis=0)
        np.testing.assert_allclose(scale, scale[0])


def test_broken_files_are_skipped_counted_and_named_once(tmp_path: Path) -> None:
    for i in range(5):
        cloud_file(tmp_path / f"good{i}.ply", i)
    whole = (tmp_path / "good0.ply").read_bytes()
    (tmp_path / "cut.ply").write_bytes(whole[:-5])
    (tmp_path / "empty.obj").write_text("")
    np.save(tmp_path / "nan.npy", np.full((4, 3), np.nan))
    np.save(tmp_path / "point.npy", np.ones((4, 3)))
    np.savez(tmp_path / "stack.npz", voxels=grids(5))
    content = bytearray((tmp_path / "stack.npz").read_bytes())
    content[300] ^= 1  # one voxel: only the checksum of the archive tells
    (tmp_path / "stack.npz").write_bytes(content)
    np.savez(tmp_path / "flat.npz", voxels=np.ones((3, 4)))
    (tmp_path / "gone.ply").symlink_to(tmp_path / "nowhere.ply")
    with pytest.warns(UserWarning, match="skipped 7 of 12 shapes") as caught:
        shapes = ShapeFolder(tmp_path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert len(shapes) == 5
    reasons = dict(shapes.skipped)
    assert sorted(reasons) == [
        *("cut.ply", "empty.obj", "flat.npz", "gone.ply", "nan.npy", "point.npy", "stack.npz")
    ]
    for name, why in reasons.items():
        assert f"{name} ({why})" in str(caught[0].message)
        assert str(tmp_path) not in why
    assert "truncated" in reasons["cut.ply"]
    assert "CRC" in reasons["stack.npz"]


def test_a_long_list_of_skipped_shapes_is_cut_short(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", voxels=grids(50, empty=tuple(range(40))))
    with pytest.warns(UserWarning, match=r"skipped 40 of 50.*a\.npz\[19\] .* and 20 more$"):
        shapes = ShapeFolder(tmp_path)
    assert len(shapes.skipped) == 40


def test_folders_without_any_shape(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none"):
        ShapeFolder(tmp_path / "none")
    with pytest.raises(ValueError, match="holds no file of a known kind"):
        ShapeFolder(tmp_path)
    (tmp_path / "a.ply").write_text("ply")
    with pytest.raises(ValueError, match=r"no shape can be used.*a\.ply \("):
        ShapeFolder(tmp_path)


def test_in_a_large_folder_a_good_shape_stands_in_for_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(4):
        cloud_file(tmp_path / f"{i}.ply", i)
    (tmp_path / "2.ply").write_bytes((tmp_path / "2.ply").read_bytes()[:-1])
    monkeypatch.setattr(folder, "EAGER_BYTES", 0)
    shapes = ShapeFolder(tmp_path)
    assert len(shapes) == 4
    with pytest.warns(UserWarning, match=r"2\.ply: .*; 3\.ply stands in for it") as caught:
        names = [name for _, _, name in [*shapes, *shapes]]
    assert names == ["0.ply", "1.ply", "3.ply", "3.ply"] * 2
    assert len(caught) == 1
    # What stands in is of the same part, or training would see what it is measured on.
    for part in shapes.split(0, (0.5, 0.5)):
        own = {entry.name for entry in part._entries}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert {name for _, _, name in part} <= own - {"2.ply"}
    for i in range(4):
        (tmp_path / f"{i}.ply").unlink()
    with pytest.raises(ValueError, match=r"none of the 4 shapes.*0\.ply"):
        shapes[0]


def test_listing_a_large_folder_opens_no_plain_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud_file(tmp_path / "a.ply")
    monkeypatch.setattr(folder, "EAGER_BYTES", 0)
    monkeypatch.setattr(folder, "read_shape", lambda path: pytest.fail(f"{path} was read"))
    assert len(ShapeFolder(tmp_path)) == 1


def test_split_is_disjoint_and_depends_on_seed_and_names_only(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", voxels=grids(40))
    shapes = ShapeFolder(tmp_path)

    def names(seed: int, *fractions: float) -> list[list[str]]:
        return [[name for _, _, name in part] for part in shapes.split(seed, fractions)]

    parts = names(1, 0.7, 0.2, 0.1)
    assert [len(part) for part in parts] == [28, 8, 4]
    assert len({name for part in parts for name in part}) == 40
    assert parts == names(1, 0.7, 0.2, 0.1)
    assert parts != names(2, 0.7, 0.2, 0.1)
    # As any machine has it: the hash is of the name, not of the process.
    assert names(1, 0.9, 0.1)[1] == ["a.npz[16]", "a.npz[2]", "a.npz[37]", "a.npz[8]"]
    assert [len(part) for part in names(1, 0.5)] == [20]
    assert [len(part) for part in names(1, 0.99, 0.005, 0.005)] == [38, 1, 1]
    for fractions in ((), (0.5, 0.6), (1.0, 0.0), (-0.1, 0.5)):
        with pytest.raises(ValueError, match="fractions"):
            shapes.split(0, fractions)
    with pytest.raises(ValueError, match="4 shapes cannot be split into 5"):
        shapes.split(0, (0.1,))[0].split(0, (0.2,) * 5)


def test_a_folder_travels_to_workers(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", voxels=grids(3))
    shapes = ShapeFolder(tmp_path)
    copy = pickle.loads(pickle.dumps(shapes))
    np.testing.assert_array_equal(copy[2][0].vertices, shapes[2][0].vertices)


def test_real_voxels(data_dir: Path) -> None:
    with pytest.warns(UserWarning, match=r"skipped 2 of 1100 .*chair\.npz\[0\].*monitor\.npz\[0\]"):
        shapes = ShapeFolder(data_dir / "modelnet10_voxels")
    assert len(shapes) == 1098
    assert shapes.categories == ("chair", "monitor")
    assert (shapes[698][1:], shapes[699][1:]) == ((0, "chair.npz[699]"), (1, "monitor.npz[1]"))


def test_real_meshes(data_dir: Path) -> None:
    shapes = ShapeFolder(data_dir / "meshes")
    assert len(shapes) == 12
    for mesh, _, _ in shapes:
        points, _ = mesh.sample(100, np.random.default_rng(0))
        assert np.linalg.norm(points, axis=1).max() <= 1 + 1e-6
