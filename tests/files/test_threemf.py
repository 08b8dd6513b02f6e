"""3MF: what the file builds, where it builds it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import read_shape
from nvc3d.geometry.mesh import Mesh, doubled_area

SPACE = "http://schemas.microsoft.com/3dmanufacturing"
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
FAR = np.array([5, 0, 0])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
MESH = (
    "<mesh><vertices>"
    + "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in CORNERS)
    + "</vertices><triangles>"
    + "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in FACES)
    + "</triangles></mesh>"
)
ONE = f'<object id="1">{MESH}</object>'


def model(resources: str, build: str = "", more: str = "") -> str:
    return (
        f'<?xml version="1.0"?><model unit="millimeter" xmlns="{SPACE}/core/2015/02" '
        f'xmlns:p="{SPACE}/production/2015/06" xmlns:b="{SPACE}/beamlattice/2017/02" {more}>'
        f"<resources>{resources}</resources><build>{build}</build></model>"
    )


def package(path: Path, **parts: str) -> Path:
    """A file of a root model, and of others by the names of their parts."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr("3D/3dmodel.model" if name == "root" else f"3D/{name}.model", text)
    return path


def corners(path: Path) -> list[list[list[float]]]:
    mesh = read_shape(path)
    assert isinstance(mesh, Mesh)
    return sorted(mesh.vertices[mesh.faces].tolist())


def test_parts_are_built_where_the_file_says(tmp_path: Path) -> None:
    turn = "0 1 0 -1 0 0 0 0 1 10 20 30"  # rows of the linear part, then the move
    pair = '<object id="2"><components><component objectid="1"/>'
    pair += '<component objectid="1" transform="-1 0 0 0 1 0 0 0 1 0 0 0"/></components></object>'
    unused = ONE.replace('id="1"', 'id="9"')
    build = f'<item objectid="2" transform="{turn}"/>'
    path = package(tmp_path / "a.3mf", root=model(ONE + pair + unused, build))

    def turned(points: np.ndarray) -> np.ndarray:
        return points @ [[0, 1, 0], [-1, 0, 0], [0, 0, 1]] + [10, 20, 30]

    mirrored = turned(CORNERS * [-1, 1, 1])[FACES[:, ::-1]]
    expected = np.concatenate([turned(CORNERS)[FACES], mirrored])
    assert corners(path) == sorted(expected.tolist())


def test_parts_in_other_files_have_their_own_numbers(tmp_path: Path) -> None:
    far = ONE.replace('x="0"', 'x="5"')
    both = '<object id="3"><components>'
    both += '<component objectid="1" p:path="/3D/left.model"/>'
    both += '<component objectid="1" p:path="/3D/right.model"/></components></object>'
    root = model(both, '<item objectid="3"/>', 'requiredextensions="p"')
    path = package(tmp_path / "a.3mf", root=root, left=model(ONE), right=model(far))
    moved = np.where(CORNERS[:, :1] == 0, CORNERS + FAR, CORNERS)
    assert corners(path) == sorted(np.concatenate([CORNERS[FACES], moved[FACES]]).tolist())


ITEM = '<item objectid="1"/>'
HOSTILE = {
    "beams": (model(ONE, ITEM, 'requiredextensions="b"'), "needs the extension .*beamlattice"),
    "absent": (model(ONE, '<item objectid="7"/>'), "object '7'"),
    "nothing": (model(ONE), "builds no triangles"),
    "elsewhere": (model(ONE, '<item objectid="1" p:path="/3D/b.model"/>'), "part 3D/b.model"),
    "twice": (model(ONE + ONE, ITEM), "two objects have the id '1'"),
    "corner": (model(ONE.replace('v3="3"', 'v3="4"'), ITEM), "index its 4 vertices"),
    "word": (model(ONE.replace('x="1"', 'x="one"'), ITEM), "vertex or triangle that is none"),
    "cut": (model(ONE, ITEM)[:-30], "XML of its part 3D/3dmodel.model is corrupt"),
    "entity": (
        model(ONE, ITEM).replace("<model", '<!DOCTYPE m [<!ENTITY a "b">]><model'),
        "its own kind of document",
    ),
    "place": (model(ONE, '<item objectid="1" transform="1 2 3"/>'), "12 finite numbers"),
    "circle": (
        model('<object id="1"><components><component objectid="1"/></components></object>', ITEM),
        "hold themselves",
    ),
    "doubling": (
        model(
            ONE
            + "".join(
                f'<object id="{i}"><components>'
                + f'<component objectid="{i - 1}"/>' * 2
                + "</components></object>"
                for i in range(2, 60)
            ),
            '<item objectid="59"/>',
        ),
        "too many copies|too much for a file",
    ),
    "bomb": (model(" " * 2**25, ITEM), "would unpack to 335"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_files_are_refused_with_what_is_wrong(tmp_path: Path, name: str) -> None:
    text, fault = HOSTILE[name]
    with pytest.raises(ValueError, match=rf"a\.3mf: .*({fault})"):
        read_shape(package(tmp_path / "a.3mf", root=text))


def test_bodies_of_extensions_are_said_to_be_left_aside(tmp_path: Path) -> None:
    text = model(ONE.replace("</mesh>", "<b:beamlattice/></mesh>"), ITEM)
    with pytest.warns(UserWarning, match=r"a\.3mf: left aside beams"):
        read_shape(package(tmp_path / "a.3mf", root=text))


@pytest.mark.parametrize("suffix", ["3mf", "dae"])
def test_files_of_trimesh(tmp_path: Path, suffix: str) -> None:
    trimesh = pytest.importorskip("trimesh")
    for needed in {"3mf": ("lxml", "networkx"), "dae": ("collada",)}[suffix]:
        pytest.importorskip(needed)
    solid = trimesh.creation.icosphere(2, 1.5)
    solid.export(tmp_path / f"a.{suffix}")
    mesh = read_shape(tmp_path / f"a.{suffix}")
    assert isinstance(mesh, Mesh)
    area = doubled_area(mesh.vertices, mesh.faces).sum() / 2
    assert area == pytest.approx(solid.area, rel=1e-6)
