"""E57: the scans of a file as one cloud, where they stood."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nvc3d.extras import MissingExtra
from nvc3d.files import read_shape
from nvc3d.geometry.mesh import Cloud

pye57 = pytest.importorskip("pye57")
libe57 = pye57.libe57

COUNT = 40
ABOUT_Z = np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)])  # a quarter turn: x becomes y
RNG = np.random.default_rng(0)
PLACES = RNG.normal(size=(COUNT, 3)).astype(np.float32)
RGB = RNG.integers(0, 256, (COUNT, 3)).astype(np.uint8)


def fields(**others: Any) -> dict[str, Any]:
    named = {f"cartesian{axis}": PLACES[:, i].astype(float) for i, axis in enumerate("XYZ")}
    return named | others


def colors() -> dict[str, Any]:
    return {f"color{name}": RGB[:, i] for i, name in enumerate(("Red", "Green", "Blue"))}


def write(path: Path, *scans: dict[str, Any], turn: Any = None, shifts: Any = None) -> Path:
    file = pye57.E57(str(path), mode="w")
    for i, scan in enumerate(scans):
        shift = None if shifts is None else np.asarray(shifts[i], float)
        file.write_scan_raw(scan, rotation=turn, translation=shift)
    file.close()
    return path


def write_nodes(path: Path, columns: dict[str, tuple[Any, Any]], limits: float = 0) -> Path:
    """A scan of any columns: name -> (node of its type, values)."""
    file = pye57.E57(str(path), mode="w")
    image = file.image_file
    kinds, scan = libe57.StructureNode(image), libe57.StructureNode(image)
    buffers = libe57.VectorSourceDestBuffer()
    kept = []
    for name, (make, values) in columns.items():
        kinds.set(name, make(image))
        kept.append(np.ascontiguousarray(values, np.float64))
        buffers.append(libe57.SourceDestBuffer(image, name, kept[-1], COUNT, True, True))
    points = libe57.CompressedVectorNode(image, kinds, libe57.VectorNode(image, True))
    scan.set("guid", libe57.StringNode(image, "{a}"))
    if limits:
        box = libe57.StructureNode(image)
        for name in ("Red", "Green", "Blue"):
            box.set(f"color{name}Maximum", libe57.FloatNode(image, limits))
        scan.set("colorLimits", box)
    scan.set("points", points)
    file.data3d.append(scan)
    writer = points.writer(buffers)
    writer.write(COUNT)
    writer.close()
    file.close()
    return path


def number(image: Any) -> Any:
    return libe57.FloatNode(image, 0.0, libe57.E57_DOUBLE, -1e9, 1e9)


def read(path: Path) -> Cloud:
    cloud = read_shape(path)
    assert isinstance(cloud, Cloud)
    return cloud


def test_a_scan(tmp_path: Path) -> None:
    intensity = np.linspace(0, 1, COUNT, dtype=np.float32)
    cloud = read(write(tmp_path / "a.e57", fields(intensity=intensity, **colors())))
    np.testing.assert_allclose(cloud.points, PLACES, atol=1e-6)
    np.testing.assert_array_equal(cloud.colors, RGB)
    np.testing.assert_allclose(cloud.columns["intensity"], intensity, atol=1e-6)
    assert set(cloud.columns) == {"color", "intensity"}


def test_scans_lie_where_their_poses_place_them(tmp_path: Path) -> None:
    shifts = [[0, 0, 0], [100, 20, 3]]
    cloud = read(write(tmp_path / "a.e57", fields(), fields(), turn=ABOUT_Z, shifts=shifts))
    turned = np.stack([-PLACES[:, 1], PLACES[:, 0], PLACES[:, 2]], 1)
    np.testing.assert_allclose(cloud.points[:COUNT], turned, atol=1e-5)
    np.testing.assert_allclose(cloud.points[COUNT:], turned + shifts[1], atol=1e-5)
    assert cloud.columns["scan"].tolist() == [0] * COUNT + [1] * COUNT


def test_points_marked_as_invalid_are_left_out(tmp_path: Path) -> None:
    state = (np.arange(COUNT) % 4 == 0).astype(np.int8) * 2
    path = write(tmp_path / "a.e57", fields(cartesianInvalidState=state, **colors()))
    with pytest.warns(UserWarning, match=f"left out {COUNT // 4} of {COUNT} points"):
        cloud = read(path)
    np.testing.assert_allclose(cloud.points, PLACES[state == 0], atol=1e-6)
    np.testing.assert_array_equal(cloud.colors, RGB[state == 0])
    with pytest.raises(ValueError, match=f"{COUNT // 4} of its {COUNT} points"):
        read_shape(path, missing="refuse")


def test_columns_that_only_some_scans_have_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.e57", fields(**colors()), fields())
    with pytest.warns(UserWarning, match="only some of its scans have color"):
        cloud = read(path)
    assert len(cloud) == 2 * COUNT
    assert set(cloud.columns) == {"scan"}


def test_spherical_coordinates(tmp_path: Path) -> None:
    x, y, z = PLACES.T.astype(float)
    distance = np.sqrt(x * x + y * y + z * z)
    columns = {
        "sphericalRange": (number, distance),
        "sphericalAzimuth": (number, np.arctan2(y, x)),
        "sphericalElevation": (number, np.arcsin(z / distance)),
    }
    cloud = read(write_nodes(tmp_path / "a.e57", columns))
    np.testing.assert_allclose(cloud.points, PLACES, atol=1e-5)


@pytest.mark.parametrize(("most", "limits"), [(255, 0), (65535, 0), (65535, 65535), (1, 1)])
def test_colours_out_of_other_than_255(tmp_path: Path, most: int, limits: float) -> None:
    def channel(image: Any) -> Any:
        if most == 1:
            return libe57.FloatNode(image, 0.0, libe57.E57_DOUBLE, 0.0, 1.0)
        return libe57.IntegerNode(image, 0, 0, most)

    columns = {f"cartesian{axis}": (number, PLACES[:, i]) for i, axis in enumerate("XYZ")}
    for i, name in enumerate(("Red", "Green", "Blue")):
        columns[f"color{name}"] = (channel, RGB[:, i] * (most / 255))
    cloud = read(write_nodes(tmp_path / "a.e57", columns, limits))
    np.testing.assert_array_equal(cloud.colors, RGB)


def test_files_without_points(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.e57: it holds no scans"):
        read_shape(write(tmp_path / "a.e57"))
    (tmp_path / "b.e57").write_bytes(b"no header of that kind" * 10)
    with pytest.raises(ValueError, match=r"b\.e57: it has no E57 header"):
        read_shape(tmp_path / "b.e57")


def test_cut_and_damaged_files(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.e57", fields()).read_bytes()
    bad = tmp_path / "bad.e57"
    for length in (8, 48, 1024, len(whole) - 1024):
        bad.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"bad\.e57: "):
            read_shape(bad)
    for at in range(1100, len(whole), 500):
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with pytest.raises(ValueError, match=r"bad\.e57: .*checksum"):
            read_shape(bad)


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.e57", fields())
    monkeypatch.setattr("nvc3d.extras.find_spec", lambda name: None)
    assert "pye57" in sys.modules
    with pytest.raises(MissingExtra, match=r"pip install 'nvc3d\[e57\]'"):
        read_shape(path)
