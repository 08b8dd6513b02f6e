"""Files that were changed at random: every reader, checkpoints, configs, shards.

NVC3D_FUZZ_SECONDS says for how long, a moment by default; NVC3D_FUZZ_SEED what is changed.
"""

from __future__ import annotations

import base64
import json
import os
import random
import resource
import signal
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import untrained

from nvc3d.checkpoint import load_run, load_state, save_state
from nvc3d.data.folder import ShapeFolder
from nvc3d.files import read_shape, write_cloud
from nvc3d.files.registry import writable
from nvc3d.geometry.mesh import Cloud

SECONDS = float(os.environ.get("NVC3D_FUZZ_SECONDS", "4"))
SEED = int(os.environ.get("NVC3D_FUZZ_SEED", "0"))
HANGS = 20  # seconds, with other work on the machine
MEMORY = 3 * 2**30  # bytes that a process of torch may grow by
EDGES = (0, 1, 2, 127, 128, 255)
NUMBERS = (b"-1", b"0", b"99999999999999999999", b"1e308", b"nan", b"[]", b"{}", b'"', b"\\")
TEXTS = {
    "mesh.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1//1 3//1 4//1\n",
    "mesh.off": b"OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 2 3\n",
    "mesh.stl": b"solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 0 0\n"
    b"vertex 0 1 0\nendloop\nendfacet\nendsolid\n",
}
MODEL = (
    '<model unit="millimeter" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">'
    '<resources><object id="1" type="model"><mesh><vertices><vertex x="0" y="0" z="0"/>'
    '<vertex x="1" y="0" z="0"/><vertex x="0" y="1" z="0"/></vertices><triangles>'
    '<triangle v1="0" v2="1" v3="2"/></triangles></mesh></object></resources><build>'
    '<item objectid="1"/></build></model>'
)
"""Of 3MF."""
Target = tuple[Path, Callable[[], object]]


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> list[Target]:
    """Files that are whole, and what reads them."""
    folder = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    points = rng.random((20, 3)).astype(np.float32)
    color = rng.integers(0, 256, (20, 3)).astype(np.uint8)
    found: list[Target] = []

    def add(path: Path, read: Callable[[], object]) -> None:
        found.append((path, read))

    for suffix in writable():
        path = folder / f"cloud{suffix}"
        try:
            write_cloud(path, Cloud(points, {"color": color}))
        except (ImportError, ValueError):
            continue
        add(path, lambda path=path: read_shape(path))
    if find_spec("pye57"):
        scanned(folder / "scans.e57", points)
        add(folder / "scans.e57", lambda: read_shape(folder / "scans.e57"))
    for name, content in TEXTS.items():
        (folder / name).write_bytes(content)
        add(folder / name, lambda path=folder / name: read_shape(path))
    trimesh = pytest.importorskip("trimesh")
    mesh = trimesh.creation.box()
    (folder / "mesh.glb").write_bytes(mesh.export(file_type="glb"))
    with zipfile.ZipFile(folder / "mesh.3mf", "w") as archive:
        archive.writestr("3D/3dmodel.model", MODEL)
    (folder / "mesh.gltf").write_text(json.dumps(embedded(mesh)))
    for name in ("mesh.3mf", "mesh.glb", "mesh.gltf"):
        add(folder / name, lambda path=folder / name: read_shape(path))
    (folder / "set").mkdir()
    run = untrained(folder / "run", "classification", shapes=23, encoder="pointnet")
    for name in ("config.json", "model.safetensors"):
        add(run / name, lambda: load_run(run))
    state = {"format": 3, "step": 1, "model": {"a": torch.ones(9)}, "random": [{}]}
    save_state(state, run / "state.pt")
    add(run / "state.pt", lambda: load_state(run / "state.pt"))
    webdataset = pytest.importorskip("webdataset", reason="needs webdataset")
    tar = folder / "set" / "000000.tar"
    with webdataset.TarWriter(str(tar), encoder=False) as sink:
        for i in range(3):
            data = (folder / "cloud.ply").read_bytes()
            sink.write({"__key__": f"mug/{i}", "ply": data})
    add(tar, lambda: list(ShapeFolder(tar)))
    return found


def scanned(path: Path, points: NDArray[np.float32]) -> None:
    """Write points as two scans of E57, each with a pose."""
    import pye57

    file = pye57.E57(str(path), mode="w")
    for shift in (0.0, 1.0):
        scan = {f"cartesian{axis}": points[:, i].astype(float) for i, axis in enumerate("XYZ")}
        turn = np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
        file.write_scan_raw(scan, rotation=turn, translation=np.full(3, shift))
    file.close()
    assert sealed(path.read_bytes()) == path.read_bytes()


def embedded(mesh: Any) -> dict[str, Any]:
    """A mesh as glTF, its buffer within."""
    files = mesh.scene().export(file_type="gltf")
    told = json.loads(files.pop("model.gltf"))
    for buffer in told["buffers"]:
        data = base64.b64encode(files[buffer["uri"]]).decode()
        buffer["uri"] = f"data:application/octet-stream;base64,{data}"
    return told


def changed(data: bytes, rng: random.Random) -> bytes:
    """A few bytes of a file are others, come twice, are gone, or are a number that nobody
    expects."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not out:
            break
        at = rng.randrange(len(out))
        if rng.random() < 0.4:  # where a file says what it is
            at = rng.randrange(min(len(out), 512))
        kind = rng.randrange(7)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.choice(EDGES)
        elif kind == 2:
            out[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"))
        elif kind == 3:
            del out[at : at + rng.randrange(1, 64)]
        elif kind == 4:
            out[at:at] = out[at : at + rng.randrange(1, 64)]
        elif kind == 5:
            out[at : at + rng.randrange(4)] = rng.choice(NUMBERS)
        else:
            del out[at:]
    return bytes(out)


def sealed(data: bytes) -> bytes:
    """A changed file of E57 whose length and checksums of pages, CRC-32C, are right again."""
    out = bytearray(data[: len(data) // 1024 * 1024])
    out[16:24] = len(out).to_bytes(8, "little")
    for end in range(1024, len(out) + 1, 1024):
        remainder = 2**32 - 1
        for byte in out[end - 1024 : end - 4]:
            remainder ^= byte
            for _ in range(8):
                remainder = remainder >> 1 ^ (0x82F63B78 if remainder & 1 else 0)
        out[end - 4 : end] = (remainder ^ 2**32 - 1).to_bytes(4, "big")
    return bytes(out)


@contextmanager
def bounded() -> Iterator[None]:
    """What takes too long, or too much memory, fails."""

    def late(*_: object) -> None:
        raise AssertionError(f"it takes more than {HANGS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_changed_files_are_read_or_refused(targets: list[Target]) -> None:
    rng = random.Random(SEED)
    whole = {path: path.read_bytes() for path, _ in targets}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end, count = time.monotonic() + SECONDS, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while time.monotonic() < end:
            path, read = targets[count % len(targets)]
            data = changed(whole[path], rng)
            if path.suffix == ".e57" and rng.random() < 0.8:
                data = sealed(data)
            path.write_bytes(data)
            try:
                with bounded():
                    read()
            except (ValueError, OSError) as error:
                assert str(error).strip(), path.name
            except BaseException as error:
                raise AssertionError(
                    f"{path.name}, seed {SEED}, file {count}: {type(error).__name__}: {error}; "
                    f"first bytes {data[:200]!r}"
                ) from error
            finally:
                path.write_bytes(whole[path])
            count += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024
    assert grown < MEMORY, f"{grown / 1e9:.1f} GB"
    for _, read in targets:
        read()
    print(f"{count} files")
