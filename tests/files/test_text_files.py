"""Text and headers as other programs write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import read_shape
from nvc3d.geometry.mesh import Cloud

TRUTH = np.array([[0.5, -1.25, 2], [3.75, 4, -0.5], [6, 7.5, 8.25], [-9, 1, 1.5]])
ROWS = "0.5 -1.25 2\n3.75 4 -0.5\n6 7.5 8.25\n-9 1 1.5\n"
COMMAS = ROWS.replace(" ", ",")
DECIMAL = ROWS.replace(" ", ";").replace(".", ",")
PLY = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\n"
PLY += "property float z\nend_header\n"
PCD = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 4\nHEIGHT 1\nDATA ascii\n"


def led(first: str, start: int = 0) -> str:
    """The rows with commas, each after its number, under a line that begins with a name for it."""
    return f"{first},x,y,z\n" + "".join(
        f"{at},{row}\n" for at, row in enumerate(COMMAS.split(), start)
    )


def followed(rows: str, *more: str) -> str:
    """The rows, each with something after it."""
    return "".join(f"{row}{end}\n" for row, end in zip(rows.splitlines(), more, strict=True))


READ = {
    "index.csv": led(""),
    "id.csv": led("Point ID", 17),
    "sep.csv": "sep=;\nx;y;z\n" + ROWS.replace(" ", ";"),
    "decimal.csv": DECIMAL,
    "decimal_names.csv": "X;Y;Z\n" + DECIMAL,
    "quoted.csv": '"x","y","z"\n'
    + "".join(",".join(f'"{word}"' for word in row.split(";")) + "\n" for row in DECIMAL.split()),
    "r.txt": '"x" "y" "z"\n' + "".join(f'"{i}" {row}\n' for i, row in enumerate(ROWS.splitlines())),
    "trailing.csv": COMMAS.replace("\n", ",\n"),
    "trailing_names.csv": "x,y,z,\n" + COMMAS.replace("\n", ",\n"),
    "units.csv": "x,y,z\nm,m,m\n" + COMMAS,
    "brackets.txt": "x [m] y [m] z [m]\n" + ROWS,
    "prefix.txt": "# columns: z y x\n"
    + "".join(" ".join(row.split()[::-1]) + "\n" for row in ROWS.splitlines()),
    "cr.xyz": ROWS.replace("\n", "\r"),
    "crlf.csv": "x,y,z\r\n" + COMMAS.replace("\n", "\r\n"),
    "mixed.txt": ROWS.replace(" ", ",\t"),
    "mixed2.txt": "".join("{},{}\t{}\n".format(*row.split()) for row in ROWS.splitlines()),
    "fortran.txt": ROWS.replace("7.5", "0.75D+01").replace("-9", "-.9d1"),
    "end.xyz": ROWS + "\n# x y z\n\n\x1a",
    "remark.txt": followed(ROWS, " # one", " // two", " % three", " ! four"),
    "utf16.txt": ("x y z\n" + ROWS).encode("utf-16"),
    "latin.txt": "# Grüße … é\n".encode("cp1252") + ROWS.encode(),
    "stations.pts": "1\n0.5 -1.25 2\n3\n3.75 4 -0.5\n6 7.5 8.25\n-9 1 1.5\n",
    "cloudcompare.asc": "//X,Y,Z\n" + COMMAS,
    "bom.ply": "\ufeff" + PLY + ROWS,
    "utf16.ply": (PLY + ROWS).encode("utf-16"),
    "cr.ply": (PLY + ROWS).replace("\n", "\r"),
    "crlf.ply": (PLY + ROWS).replace("\n", "\r\n"),
    "long.ply": PLY.replace("element", "comment " + "é" * 9000 + "\nelement") + ROWS,
    "upper.ply": PLY.replace("x", "X")
    .replace(" y", " Y")
    .replace(" z", " Z")
    .replace("verteX", "vertex")
    + ROWS,
    "lines.ply": PLY + ROWS.replace(" ", "\n"),
    "columns.pcd": PCD.replace("FIELDS", "COLUMNS") + ROWS,
    "crlf.pcd": (PCD + ROWS).replace("\n", "\r\n"),
    "upper.pcd": PCD.replace("x y z", "X Y Z") + ROWS,
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.filterwarnings("error")
def test_what_other_programs_write(tmp_path: Path, name: str) -> None:
    content = READ[name]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert read_shape(path).sample(1, np.random.default_rng(0))
    cloud = read_shape(path)
    assert isinstance(cloud, Cloud) and cloud.points.tolist() == TRUTH.tolist()


REFUSED = {
    "places.csv": ("lon,lat,alt\n" + COMMAS, "called lon, lat, alt, expected x, y and z"),
    "twice.csv": ("x,y,y,z\n1,2,3,4\n2,3,4,6\n", "called x, y, y, z, expected x, y and z"),
    "fewer.csv": ("x,y,z\n1,2,3,4\n2,3,4,6\n", r"3 columns have names \(x, y, z\).* have 4"),
    "both.csv": ("x,y,z\n0,5,1,5,2,5\n3,1,4,5,0,5\n", "cannot be told which are decimal"),
    "both2.csv": ("0,5,-0,5,2,5\n3,1,4,5,0,5\n", "cannot be told which are decimal"),
    "thousands.csv": ("1.234,5;2,0;3,5\n2;3;4\n", "commas as well as points"),
    "word.csv": ("x,y,z\n0,1,2\n0,one,2\n", "expected numbers, got 'one' in row 2"),
    "grid.asc": ("ncols 3\nnrows 2\ncellsize 1\n1 2 3\n4 5 6\n", "grid of heights"),
    "stations.pts": ("1\n0 0 0\n3\n1 1 1\n", "it promises 1 points, and 3 rows follow"),
    "wide.ply": (PLY + ROWS.replace(" ", " 7 "), "expected 3 numbers in a row, got 5"),
    "infinite.xyz": (ROWS + "1.#INF 0 0\n", "finite"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_mean_anything_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    content, fault = REFUSED[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name}: .*{fault}"):
        read_shape(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("# lon lat alt\n" + ROWS, "a comment says 'lon lat alt'"),
        ("made by a scanner\n" + ROWS, "'made by a scanner', is no row and names no columns"),
        (ROWS.replace(".", ","), "took the commas of '0,5 -1,25 2' for decimal ones"),
        ("-nan(ind) 1.#QNAN -1.#IND\n" + ROWS + "nan(0x8) nan nan\n", "left out 2 of 6 points"),
    ],
)
def test_what_is_not_certain_is_said(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.warns(UserWarning, match=rf"a\.txt: .*{said}".replace("(ind)", r"\(ind\)")):
        cloud = read_shape(tmp_path / "a.txt")
    assert isinstance(cloud, Cloud) and cloud.points.tolist() == TRUTH.tolist()


def test_a_first_column_that_counts_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(led("").partition("\n")[2])
    with pytest.warns(UserWarning, match="took its first column for x, and it counts the rows"):
        read_shape(tmp_path / "a.csv")


def test_labels_that_are_words_name_themselves(tmp_path: Path) -> None:
    rows = followed(COMMAS, ",a tree,x", ",car,y", ",,", ",a tree,x")
    (tmp_path / "a.csv").write_text("x,y,z,class,remark\n" + rows)
    with pytest.warns(UserWarning, match="left aside its remark: expected numbers"):
        cloud = read_shape(tmp_path / "a.csv")
    assert isinstance(cloud, Cloud) and cloud.labels is not None
    assert cloud.label_names == ("a tree", "car") and cloud.labels.tolist() == [0, 1, -1, 0]


def test_binary_ply_begins_where_its_header_ends(tmp_path: Path) -> None:
    header = PLY.replace("ascii", "binary_little_endian")
    points = TRUTH.astype("<f4")
    points[0, 0] = np.frombuffer(b"\n\r\n?", "<f4")[0]  # begins as the next line could
    for end in ("\n", "\r", "\r\n", "\n\r"):
        (tmp_path / "a.ply").write_bytes(header.replace("\n", end).encode() + points.tobytes())
        assert np.array_equal(read_shape(tmp_path / "a.ply").points, points), repr(end)


def test_columns_of_pts_are_those_of_the_format(tmp_path: Path) -> None:
    rows = followed(ROWS, " -9 1 2 3", " 7 4 5 6", " 8 7 8 9", " 9 0 0 255")
    (tmp_path / "a.pts").write_text("4\n" + rows)
    cloud = read_shape(tmp_path / "a.pts")
    assert isinstance(cloud, Cloud) and cloud.colors is not None
    assert cloud.columns["intensity"].tolist() == [-9, 7, 8, 9]
    assert cloud.colors.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [0, 0, 255]]
