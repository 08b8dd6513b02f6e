"""Columns of point files: found by their names, judged by their values, written and read back."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nvc3d.data.scenes import open_scene
from nvc3d.files import read_shape, write_cloud
from nvc3d.files.columns import arranged, brightest, unnamed
from nvc3d.geometry.mesh import Cloud

RNG = np.random.default_rng(11)
POINTS = RNG.standard_normal((25, 3)).astype(np.float32)
COLORS = RNG.integers(256, size=(25, 3), dtype=np.uint8)
NORMALS = (POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)).astype(np.float32)
LABELS = RNG.integers(-1, 4, size=25)
NAMES = ("floor", "wall, inside", "Möbel", "door")
WHOLE = Cloud(
    POINTS,
    {
        "color": COLORS,
        "normal": NORMALS,
        "label": LABELS,
        "instance": RNG.integers(-1, 9, size=25),
        "intensity": RNG.random(25).astype(np.float32),
        "confidence": RNG.random(25),
        "echo": RNG.integers(4, size=25).astype(np.uint16),
        "wave": RNG.standard_normal((25, 4)).astype(np.float32),
    },
    NAMES,
)


def cloud(path: Path) -> Cloud:
    shape = read_shape(path)
    assert isinstance(shape, Cloud)
    return shape


def arrays(path: Path, **columns: np.ndarray) -> Path:
    np.savez(path, **columns)
    return path


@pytest.mark.parametrize("suffix", ["ply", "pcd", "npz", "npy", "xyz", "txt", "csv"])
def test_every_column_is_written_and_comes_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        with pytest.raises(ValueError, match="no place for the names of labels"):
            write_cloud(path, WHOLE)
    write_cloud(path, WHOLE if suffix != "npy" else Cloud(POINTS, WHOLE.columns))
    again = cloud(path)
    assert np.array_equal(again.points, POINTS)
    assert set(again.columns) == set(WHOLE.columns)
    for name, values in WHOLE.columns.items():
        # Text says nothing of types: numbers are the same in that which they had.
        assert np.array_equal(again.columns[name].astype(values.dtype), values), name
    assert again.label_names == (NAMES if suffix != "npy" else ())
    # A scene of the same file says the same.
    scene = open_scene(path)
    rows = scene.read(0, scene.count)
    assert scene.columns == set(WHOLE.columns) and np.array_equal(rows.points, POINTS)
    assert all(
        np.array_equal(rows.columns[name].astype(v.dtype), v) for name, v in WHOLE.columns.items()
    )
    assert scene.label_names == again.label_names


def test_arguments_replace_the_columns_of_a_cloud(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.ply", WHOLE, labels=np.zeros(25, int), columns={"echo": POINTS[:, 0]})
    again = cloud(tmp_path / "a.ply")
    assert again.labels is not None and not again.labels.any()
    assert np.array_equal(again.columns["echo"], POINTS[:, 0])
    assert np.array_equal(again.columns["color"], COLORS)
    with pytest.raises(ValueError, match="two columns would be called red"):
        write_cloud(tmp_path / "b.ply", POINTS, COLORS, columns={"red": POINTS[:, 0]})
    with pytest.raises(ValueError, match="do not fit"):
        write_cloud(tmp_path / "b.ply", POINTS, columns={"time": np.full(25, 2**60 + 1)})
    assert not (tmp_path / "b.ply").exists()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("X Y Z R G B", {"points": "X Y Z", "color": "R G B"}),
        ("id z y x", {"points": "x y z", "id": "id"}),
        ("x y z scalar_Classification", {"points": "x y z", "label": "scalar_Classification"}),
        (
            "x y z NormalX NormalY NormalZ Reflectance",
            {
                "points": "x y z",
                "normal": "NormalX NormalY NormalZ",
                "intensity": "Reflectance",
            },
        ),
        (
            "x y z diffuse_red diffuse_green diffuse_blue",
            {"points": "x y z", "color": "diffuse_red diffuse_green diffuse_blue"},
        ),
        ("x y z label class", {"points": "x y z", "label": "label", "class": "class"}),
        ("x y z sh_0 sh_1 sh_2", {"points": "x y z", "sh": "sh_0 sh_1 sh_2"}),
        ("x X y z", {"points": "x y z", "X": "X"}),
        ("X[m] Y[m] Z[m]", {"points": "X[m] Y[m] Z[m]"}),
        ("Points:0 Points:1 Points:2", {"points": "Points:0 Points:1 Points:2"}),
    ],
)
def test_names_of_columns(names: str, expected: dict[str, str]) -> None:
    found = arranged(dict.fromkeys(names.split(), 1))
    assert {name: " ".join(parts) for name, parts in found.items()} == expected


def test_names_that_are_no_coordinates_give_none() -> None:
    for names in ("lon lat alt", "x y", "X Y Z x".replace("Z", "y")):
        assert "points" not in arranged(dict.fromkeys(names.split(), 1))


def test_columns_without_names_are_understood_where_that_is_certain() -> None:
    beside = [COLORS, NORMALS, LABELS[:, None]]
    assert unnamed(np.hstack([POINTS, *beside]))[3:] == [
        *("red", "green", "blue", "nx", "ny", "nz", "column_10")
    ]
    assert unnamed(np.c_[POINTS, NORMALS, COLORS])[3:6] == ["nx", "ny", "nz"]
    assert unnamed(np.c_[POINTS, COLORS + 0.5])[3:] == ["column_4", "column_5", "column_6"]
    assert unnamed(np.c_[POINTS, np.full((25, 3), 7)])[3:] == ["column_4", "column_5", "column_6"]


def test_text_without_names_is_understood_as_arrays_are_with_a_word(tmp_path: Path) -> None:
    labels = np.arange(25) % 3
    for beside in (COLORS, NORMALS.astype(np.float64)):
        np.savetxt(tmp_path / "a.txt", np.c_[POINTS, beside, labels], "%.9g")
        with pytest.warns(UserWarning, match="a.txt: took its last column for labels"):
            assert np.array_equal(cloud(tmp_path / "a.txt").columns["label"], labels)
    np.savetxt(tmp_path / "a.txt", np.c_[POINTS, COLORS / 255], "%.9g")
    with pytest.warns(UserWarning, match="a.txt: took columns 4 to 6, from 0 to 1, for colours"):
        assert np.array_equal(cloud(tmp_path / "a.txt").columns["color"], COLORS)
    # An intensity, red, green and blue may be no less than red, green, blue and a label.
    either = np.c_[POINTS, np.arange(25), COLORS]
    either[0, 6] = 250
    assert unnamed(either)[3:] == ["column_4", "column_5", "column_6", "column_7"]


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        (COLORS, 255),
        (COLORS / 255, 1),
        (COLORS.astype(np.float32), 255),
        (COLORS.astype(np.uint16) * 257, 65535),
        (COLORS * 257.0, 65535),
    ],
)
def test_colors_out_of_anything_are_read_out_of_255(
    tmp_path: Path, values: np.ndarray, limit: int
) -> None:
    assert brightest(values) == limit
    found = cloud(arrays(tmp_path / "a.npz", points=POINTS, colors=values))
    assert found.colors is not None and np.array_equal(found.colors, COLORS)


def test_labels_as_files_have_them(tmp_path: Path) -> None:
    for values in (LABELS[:, None], LABELS.astype(float), np.where(LABELS < 0, np.nan, LABELS)):
        found = cloud(arrays(tmp_path / "a.npz", points=POINTS, label=values))
        assert found.labels is not None and np.array_equal(found.labels, LABELS)
    named = arrays(tmp_path / "b.npz", points=POINTS, labels=LABELS, classes=np.array(NAMES))
    assert cloud(named).label_names == NAMES
    words = np.array(["", "tree", "car"])[LABELS % 3]
    found = cloud(arrays(tmp_path / "c.npz", points=POINTS, labels=words))
    assert found.label_names == ("car", "tree") and found.labels is not None
    assert found.labels.tolist() == [[-1, 1, 0][i] for i in LABELS % 3]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"labels": LABELS + 0.5}, r"left aside its label: labels must be whole numbers, got"),
        ({"labels": LABELS - 5}, r"left aside its label: labels must be 0 or more"),
        ({"labels": LABELS[:7]}, r"left aside labels \(7,\)"),
        ({"label": np.array(3)}, r"left aside label \(\)"),
        ({"colors": POINTS}, "left aside its color: colours must be from 0 to 255"),
        ({"names": np.array([{}], object)}, r"left aside names \(1,\)"),
        ({"time": np.zeros(25, "M8[s]")}, "left aside its time: expected numbers"),
    ],
)
def test_what_is_no_column_is_left_aside_by_name(
    tmp_path: Path, columns: dict[str, np.ndarray], said: str
) -> None:
    with pytest.warns(UserWarning, match=rf"a\.npz: {said}"):
        found = cloud(arrays(tmp_path / "a.npz", points=POINTS, **columns))
    assert np.array_equal(found.points, POINTS) and not found.columns


def test_arrays_whose_points_are_clear(tmp_path: Path) -> None:
    exact = POINTS.astype(np.float16).astype(np.float32)
    fields = [("Z", "<f4"), ("xyz", ">f8", 3), ("label", "u1")]
    rows = np.zeros(25, fields)
    rows["xyz"], rows["label"] = exact, LABELS % 3
    for array in (
        *(exact.astype(np.float16), exact.astype(">f8"), np.asfortranarray(exact)),
        *(exact[None], exact[:, None], rows),
    ):
        np.save(tmp_path / "a.npy", array)
        assert np.array_equal(cloud(tmp_path / "a.npy").points, exact)
    np.savez(tmp_path / "a.npz", X=exact[:, 0], Y=exact[:, 1], Z=exact[:, 2], R=exact[:, 0])
    assert np.array_equal(cloud(tmp_path / "a.npz").points, exact)
    np.save(tmp_path / "b.npy", exact.T)
    with pytest.warns(UserWarning, match=r"b\.npy: took the array \(3, 25\) for transposed"):
        assert np.array_equal(cloud(tmp_path / "b.npy").points, exact)
    with pytest.warns(UserWarning, match="transposed"):
        assert np.array_equal(open_scene(tmp_path / "b.npy").read(0, 25).points, exact)


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (np.ones((3, 6)), r"\(3, 6\) may be 3 points or 6 points transposed"),
        (np.ones((6, 40)), r"\(6, 40\) seems transposed"),
        (np.ones((2, 40, 3)), r"must be \(N, 3\) or wider"),
        (POINTS + 0j, "real numbers, got complex"),
        (POINTS > 0, "real numbers, got bool"),
        (POINTS.astype(str), "real numbers, got <U"),
        (POINTS.astype(object), "holds Python objects"),
        (np.zeros(9, [("lon", "f4"), ("lat", "f4")]), "no columns x, y and z, .* 'lon', 'lat'"),
    ],
)
def test_arrays_that_may_mean_anything_are_refused(
    tmp_path: Path, array: np.ndarray, fault: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", points=array)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ValueError, match=rf"{name}: .*{fault}"):
            read_shape(tmp_path / name)


def test_an_array_that_would_fill_memory_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", points=np.zeros((12_000_000, 3)))
    with pytest.raises(ValueError, match=r"points\.npy would grow to 288000000 bytes"):
        read_shape(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("points.npy", b"\x93NUMPY\2\0" + (2**24).to_bytes(4, "little"))
    with pytest.raises(ValueError, match="header of an array would take 16777216 bytes"):
        read_shape(tmp_path / "b.npz")


@pytest.mark.parametrize("kind", ["a.ply", "a.npy", "folder"])
def test_points_that_are_nan_are_left_out_of_a_scene_as_of_a_shape(
    tmp_path: Path, kind: str
) -> None:
    rows = np.zeros(25, [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("label", "<i4")])
    rows["x"], rows["y"], rows["z"] = POINTS.T
    rows["label"] = np.arange(25)
    rows["y"][[0, 7, 8, 24]] = np.nan
    seen = np.setdiff1d(np.arange(25), [0, 7, 8, 24])
    if kind == "folder":
        (tmp_path / kind).mkdir()
        xyz = np.stack([rows[axis] for axis in "xyz"], 1)
        np.save(tmp_path / kind / "coord.npy", xyz)
        np.save(tmp_path / kind / "segment.npy", rows["label"])
    else:
        header = "ply\nformat binary_little_endian 1.0\nelement vertex 25\nproperty float x\n"
        header += "property float y\nproperty float z\nproperty int label\nend_header\n"
        (tmp_path / "a.ply").write_bytes(header.encode() + rows.tobytes())
        np.save(tmp_path / "a.npy", rows)
        with pytest.warns(UserWarning, match="left out 4 of 25 points"):
            shape = cloud(tmp_path / kind)
        assert shape.labels is not None and shape.labels.tolist() == seen.tolist()
    with pytest.warns(UserWarning, match=rf"{kind}: left out 4 of 25 points"):
        scene = open_scene(tmp_path / kind)
    assert scene.count == 21
    for start, stop in ((0, 21), (5, 9), (20, 21), (3, 3)):
        some = scene.read(start, stop)
        assert np.array_equal(some.points, POINTS[seen[start:stop]].astype(np.float32))
        assert some.labels is not None and some.labels.tolist() == seen[start:stop].tolist()


def test_a_pointer_of_git_lfs_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ValueError, match=r"a\.ply: it is a pointer of Git LFS"):
        read_shape(tmp_path / "a.ply")


@pytest.mark.parametrize("kind", ["F", "U"])
def test_packed_colors_of_pcd(tmp_path: Path, kind: str) -> None:
    red, green, blue = COLORS.astype(np.uint32).T
    packed = red << 16 | green << 8 | blue
    header = f"FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F {kind}\nWIDTH 25\nHEIGHT 1\nDATA "
    rows = np.c_[POINTS, packed.view(np.float32)].astype("<f4")
    (tmp_path / "a.pcd").write_bytes(f"{header}binary\n".encode() + rows.tobytes())
    text = [" ".join(f"{v:.9g}" for v in p) for p in POINTS]
    lines = "\n".join(f"{row} {bits}" for row, bits in zip(text, packed, strict=True))
    (tmp_path / "b.pcd").write_text(f"{header}ascii\n{lines}\n")
    for name in ("a.pcd", "b.pcd"):
        found = cloud(tmp_path / name)
        assert found.colors is not None and np.array_equal(found.colors, COLORS), name


def test_a_clean_file_gives_no_warning(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.ply", WHOLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cloud(tmp_path / "a.ply")
        open_scene(tmp_path / "a.ply")
