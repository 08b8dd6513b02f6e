"""Files that are broken, or lie about themselves, are refused with what is wrong."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import read_shape

HEAD = "ply\nformat {} 1.0\nelement vertex {}\nproperty float x\nproperty float y\n"
HEAD += "property float z\n"
FACE = "element face {}\nproperty list {} int vertex_indices\n"
LIST = HEAD + FACE + "end_header\n"
PCD = "FIELDS x y z\nSIZE {2} {2} {2}\nTYPE F F F\nWIDTH {0}\nHEIGHT {1}\nDATA {3}\n"
THREE = "0 0 0\n1 0 0\n0 1 0\n"

HOSTILE = {
    "empty.ply": ("", "empty"),
    "other.ply": ("solid\n", "does not start with 'ply'"),
    "nan.ply": (HEAD.format("ascii", 2) + "end_header\nnan 0 0\nnan 0 0\n", "all of its 2 points"),
    "inf.ply": (HEAD.format("ascii", 2) + "end_header\n0 0 0\n0 -inf 0\n", "finite"),
    "none.ply": (HEAD.format("ascii", 0) + "end_header\n", "no points"),
    "one.ply": (HEAD.format("ascii", 2) + "end_header\n1 1 1\n1 1 1\n", "no extent"),
    "flat.ply": (
        HEAD.replace("property float z\n", "").format("ascii", 0) + "end_header\n",
        "x, y",
    ),
    "twice.ply": (HEAD.format("ascii", 1) + "property int x\nend_header\n", "own name"),
    "short.ply": (HEAD.format("ascii", 3) + "end_header\n0 0 0\n", "promises 3"),
    "wide.ply": (HEAD.format("ascii", 2) + "end_header\n0 0 0 1\n1 1 1 1\n", "expected 3"),
    "words.ply": (HEAD.format("ascii", 1) + "end_header\n0 zero 0\n", "zero"),
    "huge.ply": (HEAD.format("ascii", 10**17) + "end_header\n" + THREE, "promises"),
    "huge2.ply": (HEAD.format("binary_little_endian", 10**17) + "end_header\nabc", "promises"),
    "huge3.ply": (HEAD.format("ascii", 10**40) + "end_header\n", "header has a line"),
    "huge4.ply": (LIST.format("ascii", 3, 1, "int") + THREE + "2000000000 0 1 2\n", "too short"),
    "minus.ply": (HEAD.format("ascii", -3) + "end_header\n", "header has a line"),
    "type.ply": (HEAD.replace("float z", "half z").format("ascii", 1) + "end_header\n", "half z"),
    "range.ply": (
        LIST.format("ascii", 3, 1, "uchar") + THREE + "3 0 1 3\n",
        "index the 3 vertices",
    ),
    "below.ply": (LIST.format("ascii", 3, 1, "uchar") + THREE + "3 0 1 -1\n", "index the 3"),
    "half.ply": (LIST.format("ascii", 3, 1, "uchar") + THREE + "3 0 1 1.5\n", "whole numbers"),
    "length.ply": (LIST.format("ascii", 3, 1, "float") + THREE, "header has a line"),
    "list.ply": (
        LIST.format("binary_little_endian", 1, 1, "uint").encode()
        + struct.pack("<3fI3i", 0, 0, 0, 2**32 - 1, 0, 1, 2),
        "promises 1 of element face",
    ),
    "list2.ply": (
        LIST.format("binary_big_endian", 1, 2, "int").encode()
        + struct.pack(">3fi3ii3i", 0, 0, 0, 3, 0, 1, 2, -3, 0, 1, 2),
        "list of -3",
    ),
    "endless.ply": ("ply\n" + "comment\n" * 9, "no end_header"),
    "huge.pcd": (PCD.format(10**9, 10**9, 4, "binary") + "abc", "promises"),
    "huge2.pcd": (
        PCD.format(10**8, 1, 4, "binary_compressed").encode()
        + struct.pack("<II", 3, 1_200_000_000)
        + b"\0ab",
        "LZF",
    ),
    "long.pcd": (PCD.format(1, 1, 4, "ascii") + "0 0 0\n1 1 1\n", "promises 1"),
    "type.pcd": (PCD.format(1, 1, 3, "ascii") + "0 0 0\n", "SIZE 3"),
    "data.pcd": (PCD.format(1, 1, 4, "zip") + "0 0 0\n", "DATA"),
    "word.pcd": (PCD.format("many", 1, 4, "ascii"), "WIDTH"),
    "fields.pcd": (PCD.format(1, 1, 4, "ascii").replace("x y z", "x y"), "different lengths"),
    "pixels.pcd": (PCD.format(1, 2, 4, "ascii") + "nan nan nan\n" * 2, "all of its 2 points"),
    "none.pcd": (PCD.format(0, 1, 4, "binary"), "no points"),
    "index.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 4\n", "index the 3 vertices"),
    "zero.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "index 0"),
    "back.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -1 -2 -4\n", "index -4"),
    "long.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999999999999\n", "has the index 9999"),
    "long.off": ("OFF\n3 1 0\n" + THREE + "3 0 1 99999999999999999999\n", "face 1 is wrong"),
    "other.3mf": ("PK, but no more", "no ZIP file"),
    "word.obj": ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf a b c\n", "face 1 has the index a"),
    "nan.obj": ("v 0 0 0\nv 1 0 nan\nv 0 1 0\nf 1 2 3\n", "finite"),
    "flat.obj": ("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "no area"),
    "two.obj": ("v 0 0\nv 1 0\nv 2 0\nf 1 2 3\n", "expected 3"),
    "none.obj": ("o nothing\n", "no points"),
    "short.off": ("OFF\n3 1 0\n" + THREE, "promises 3 vertices and 1 faces"),
    "huge.off": ("OFF\n99999999999999999999 1 0\n" + THREE, "promises"),
    "face.off": ("OFF\n3 1 0\n" + THREE + "3 0 1\n", "face 1 is wrong"),
    "other.off": ("OFF BINARY\n", "in binary"),
    "huge.stl": (b"\0" * 80 + struct.pack("<I", 2**32 - 1) + b"\0" * 50, "4294967295"),
    "none.stl": (b"\0" * 84, "at least one"),
    "words.txt": ("this is\nnot a\ncloud\n", "'not a' is no row of numbers"),
    "ragged.xyz": ("0 0 0\n1 1\n", "got 2 in row 2"),
    "two.csv": ("0,1\n2,3\n", "expected rows of 3"),
    "late.csv": ("0,1,2\nx,y,z\n", "got 'x' in row 2"),
    "nan.xyz": ("nan 0 0\n1 nan 1\n", "all of its 2 points are NaN"),
    "binary.txt": (b"\x93\xff\0\0", "a.*binary|codec"),
    "short.pts": ("5\n0 0 0\n1 1 1\n", "promises 5"),
    "none.csv": ("\n\n", "no rows"),
    "corrupt.npz": (b"PK\3\4" + b"\0" * 60, "ZIP"),
    "corrupt.npy": (b"\x93NUMPY\1\0", "."),
    "corrupt.glb": (b"glTF" + b"\2\0\0\0" + b"\xff" * 40, "truncated"),
    "other.glb": (b"\x89PNG" + bytes(range(40)), "JSON"),
    "one.glb": (b"glTF" + struct.pack("<III", 1, 20, 0), "version 2, got 1"),
    "corrupt.las": (b"LASF" + b"\xff" * 400, "."),
    "shape.xml": ("<a/>", "kind is unknown"),
    "shape": ("", "empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_named_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    content, fault = HOSTILE[name]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"(?s){name}: .*({fault})") as caught:
            read_shape(path)
        # A header that promises billions must not be believed.
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def npy(shape: str, kind: str = "<f4", body: bytes = b"\0" * 24) -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + body


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (npy("(4000000000, 3)"), "."),
        (npy("(99999999999999999999, 3)"), "."),
        (npy("(-2, 3)"), "."),
        (npy("(2, 3)", "|O"), "."),
        (npy("(2, 3)", "|S4"), "real numbers"),
        (npy("(6,)"), "N, 3"),
        (npy("(0, 3)", body=b""), "."),
        (npy("(2, 1, 1)", body=b"\0" * 8), "N, 3"),
        (npy("(2, 2, 3)", body=b"\0" * 48), "N, 3"),
        (npy("(2, 3)"), "no extent"),
    ],
)
def test_hostile_arrays(tmp_path: Path, content: bytes, fault: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("points.npy", content)
    (tmp_path / "a.npy").write_bytes(content)
    for name in ("a.npy", "a.npz"):
        tracemalloc.start()
        try:
            with pytest.raises(ValueError, match=f"{name}: .*{fault}"):
                read_shape(tmp_path / name)
            assert tracemalloc.get_traced_memory()[1] < 2**26
        finally:
            tracemalloc.stop()


def test_an_npz_of_other_things_says_what_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", depth=np.ones((2, 2)), mask=np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"points.*has depth, mask"):
        read_shape(tmp_path / "a.npz")
