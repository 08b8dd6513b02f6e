"""Shapes in shards: the same as in the folder they were packed from, for whoever reads them."""

from __future__ import annotations

import io
import json
import random
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from tiny import call

from nvc3d.checkpoint import load_run
from nvc3d.data.folder import ShapeFolder
from nvc3d.data.shards import pack
from nvc3d.data.tars import INDEX

wds = pytest.importorskip("webdataset", reason="needs webdataset")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clouds of two categories, in three formats, some with points in their names."""
    root = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for category in ("bowl", "mug"):
        (root / category).mkdir()
        for i in range(4):
            np.save(root / category / f"{i}.npy", rng.random((70, 3)).astype(np.float32))
            np.savetxt(root / category / f"{i}.v1.xyz", rng.random((70, 3)))
    return root


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("packed") / "shards"
    assert len(pack(folder, output, size=6000)) > 2
    return output


def pattern(packed: Path) -> str:
    last = len(list(packed.glob("*.tar"))) - 1
    return f"{packed}/{{000000..{last:06}}}.tar"


@pytest.mark.parametrize("index", [True, False])
def test_they_are_the_folder(folder: Path, packed: Path, index: bool, tmp_path: Path) -> None:
    if not index:  # as shards of others, whose headers alone tell what is in them
        for path in packed.glob("*.tar"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
        packed = tmp_path
    one, other = ShapeFolder(folder), ShapeFolder(pattern(packed))
    assert one.categories == other.categories
    assert [one.name(i) for i in range(len(one))] == [other.name(i) for i in range(len(other))]
    for (shape, label, name), (again, own, called) in zip(one, other, strict=True):
        assert (label, name) == (own, called) and np.array_equal(shape.points, again.points)
    for part, again in zip(one.parts(0.25, 3), other.parts(0.25, 3), strict=True):
        assert [n for _, _, n in part] == [n for _, _, n in again]


def test_webdataset_alone_reads_them(folder: Path, packed: Path) -> None:
    found = {}
    for sample in wds.WebDataset(pattern(packed), shardshuffle=False):
        for ending in set(sample) - {"__key__", "__url__", "__local_path__"}:
            found[f"{sample['__key__']}.{ending}"] = sample[ending]
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    assert found == files


def test_a_training_has_the_same_bits_from_either(folder: Path, packed: Path) -> None:
    command = "train classification --steps 3 --batch-size 4 --points 64 --dim 16 --latent-dim 4"
    options = ("--anchors=3", "--holdout=0.25", "--encoder=pointnet")
    runs = packed.parent / "runs"
    for name, data, more in (
        ("folder", str(folder), ()),
        ("shards", pattern(packed), ("--workers=1",)),
        ("all", str(packed), ()),
    ):
        assert call(command, f"--data={data}", f"--output={runs / name}", *options, *more) == 0
    states = [load_run(runs / name)[1].state_dict() for name in ("folder", "shards", "all")]
    for other in states[1:]:
        assert all(np.array_equal(states[0][name], other[name]) for name in other)


def test_they_are_read_from_a_url(packed: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
    memory = fsspec.filesystem("memory")
    for path in [*packed.glob("*.tar"), packed / INDEX]:
        memory.pipe(f"/set/{path.name}", path.read_bytes())
    here, there = ShapeFolder(pattern(packed)), ShapeFolder("memory://set/000000.tar")
    assert 0 < len(there) < len(here)
    memory.rm(f"/set/{INDEX}")
    again = ShapeFolder("memory://set/000000.tar")
    names = {name: shape for shape, _, name in here}
    for (shape, _, name), (other, _, called) in zip(there, again, strict=True):
        assert name == called
        assert np.array_equal(shape.points, names[name].points)
        assert np.array_equal(other.points, shape.points)


def test_the_command_packs(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(f"pack {folder} --output", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "1 shards of" in said and f"--data '{tmp_path}/out/000000.tar'" in said
    assert call(f"pack {folder} --output", tmp_path / "out") == 2
    assert "holds shards already" in capsys.readouterr().err


@pytest.mark.parametrize("eager", [True, False])
def test_one_broken_shape_costs_a_warning(
    packed: Path, tmp_path: Path, eager: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for path in tmp_path.glob("*.tar"):
        for name, offset, _ in json.loads((tmp_path / INDEX).read_text())[path.name]:
            if name == "mug/2.npy":
                data = bytearray(path.read_bytes())
                data[offset : offset + 9] = b"not numpy"
                path.write_bytes(data)
    if not eager:
        monkeypatch.setattr("nvc3d.data.folder.EAGER_BYTES", 0)
    told = r"skipped 1 of 16 shapes: mug/2.npy \(" if eager else "tar: mug/2.npy.* stands in for it"
    with pytest.warns(UserWarning, match=told):
        assert len(list(ShapeFolder(tmp_path))) == 16 - eager


def test_names_from_outside_stay_inside(tmp_path: Path) -> None:
    for name in ("../../evil.npy", "/evil.npy"):
        path = tmp_path / "000000.tar"
        with tarfile.open(path, "w") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = 3
            archive.addfile(entry, io.BytesIO(b"abc"))
        with pytest.raises(ValueError, match="leads outside"):
            ShapeFolder(path)
    (tmp_path / INDEX).write_text(json.dumps({"000000.tar": [["a.npy", 0, 10**15]]}))
    with pytest.raises(ValueError, match="shorter than it says"):
        ShapeFolder(path)[0]


def test_damage_is_one_clear_error(packed: Path, tmp_path: Path) -> None:
    """Any bytes of a shard, or of its index, may be others: nothing but ValueError, and quickly."""
    rng = random.Random(0)
    tar, index = (packed / name for name in ("000000.tar", INDEX))
    for turn in range(60):
        for path in (tar, index):
            data = bytearray(path.read_bytes())
            for _ in range(rng.randrange(1, 20)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            cut = rng.randrange(len(data)) if turn % 3 else None
            (tmp_path / path.name).write_bytes(data[:cut])
        if turn % 2:
            (tmp_path / INDEX).unlink()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                list(ShapeFolder(tmp_path / tar.name))
        except ValueError:
            pass
