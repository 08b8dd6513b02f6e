"""LAS, LAZ and COPC: what is in the fields, what is refused, and who is left standing."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader, Dataset

from nvc3d.files import read_shape, write_cloud
from nvc3d.files.formats.las import CLASSES
from nvc3d.geometry.mesh import Cloud

laspy = pytest.importorskip("laspy")
lazrs = pytest.importorskip("lazrs")

COUNT = 60
PLACES = np.round(np.random.default_rng(0).random((COUNT, 3)) * 50, 3)

GRID = np.array([500000.0, 5400000.0, 0.0])


def scan(point_format: int = 3, version: str | None = None, **fields: Any) -> Any:
    header = laspy.LasHeader(point_format=point_format, version=version)
    header.scales = [0.001] * 3
    data = laspy.LasData(header)
    data.x, data.y, data.z = PLACES.T
    for name, values in fields.items():
        if name not in data.point_format.dimension_names:
            values = np.asarray(values)
            data.add_extra_dim(laspy.ExtraBytesParams(name, values.dtype))
        data[name] = values
    return data


def read(path: Path) -> Cloud:
    cloud = read_shape(path)
    assert isinstance(cloud, Cloud)
    return cloud


def patched(path: Path, offset: int, data: bytes) -> Path:
    """A copy of a file with other bytes at an offset."""
    whole = bytearray(path.read_bytes())
    whole[offset : offset + len(data)] = data
    copy = path.with_name(f"patched{path.suffix}")
    copy.write_bytes(whole)
    return copy


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_every_point_format(tmp_path: Path, suffix: str) -> None:
    for kind in range(11):
        if suffix == ".laz" and kind in (4, 5):  # lazrs has no compressor for these waveforms
            continue
        data = scan(kind, intensity=np.arange(COUNT), classification=np.arange(COUNT) % 7)
        path = tmp_path / f"{kind}{suffix}"
        data.write(path)
        cloud = read(path)
        np.testing.assert_allclose(cloud.points, PLACES, atol=1e-5)
        assert cloud.labels is not None
        assert cloud.labels.tolist() == [i % 7 for i in range(COUNT)]
        assert cloud.columns["intensity"].tolist() == list(range(COUNT))
        assert "gps_time" not in cloud.columns  # nobody has filled it in


def test_old_versions(tmp_path: Path) -> None:
    scan(1, "1.2", gps_time=np.arange(COUNT) + 0.5).write(tmp_path / "a.las")
    for minor in (0, 1, 2):
        cloud = read(patched(tmp_path / "a.las", 25, bytes([minor])))
        np.testing.assert_allclose(cloud.points, PLACES, atol=1e-5)
        assert cloud.columns["gps_time"][3] == 3.5


@pytest.mark.parametrize("factor", [1, 256, 257])
def test_colours_of_8_bits_and_of_16(tmp_path: Path, factor: int) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (COUNT, 3))
    rgb[0] = 255
    named = {name: rgb[:, i] * factor for i, name in enumerate(("red", "green", "blue"))}
    scan(7, **named).write(tmp_path / "a.laz")
    np.testing.assert_array_equal(read(tmp_path / "a.laz").colors, rgb)


def test_classes_have_the_names_of_the_standard_or_of_the_file(tmp_path: Path) -> None:
    data = scan(6, classification=np.arange(COUNT))
    data.write(tmp_path / "a.las")
    names = read(tmp_path / "a.las").label_names
    assert names[:3] == ("never classified", "unclassified", "ground")
    assert (names[6], names[9], names[17]) == ("building", "water", "bridge deck")
    assert names == CLASSES  # in each file, whatever else it has
    lookup = laspy.vlrs.known.ClassificationLookupVlr()
    lookup.lookups = {2: "meadow", 40: "roof"}
    data.header.vlrs.append(lookup)
    data.write(tmp_path / "b.las")
    names = read(tmp_path / "b.las").label_names
    assert (names[2], names[6], names[40]) == ("meadow", "building", "roof")


def test_flags_beside_the_class_are_no_part_of_it(tmp_path: Path) -> None:
    flags = np.arange(COUNT) % 2
    scan(1, "1.2", classification=np.full(COUNT, 6), withheld=flags).write(tmp_path / "a.las")
    cloud = read(tmp_path / "a.las")
    assert set(cloud.columns["label"].tolist()) == {6}
    assert cloud.columns["withheld"].tolist() == flags.tolist()
    assert "synthetic" not in cloud.columns


def test_extra_dimensions(tmp_path: Path) -> None:
    data = scan(6, reflectance=np.arange(COUNT) / 8, label=np.arange(COUNT, dtype=np.int32) + 300)
    data.classification = np.arange(COUNT) % 3
    data.add_extra_dim(laspy.ExtraBytesParams("height", "i2", scales=[0.25], offsets=[100]))
    data["height"] = 100 + np.arange(COUNT) / 4
    data.write(tmp_path / "a.laz")
    cloud = read(tmp_path / "a.laz")
    assert cloud.columns["reflectance"].tolist() == [i / 8 for i in range(COUNT)]
    assert cloud.columns["height"].tolist() == [100 + i / 4 for i in range(COUNT)]
    assert cloud.columns["label"].tolist() == list(range(300, 300 + COUNT))
    assert cloud.columns["classification"].tolist() == [i % 3 for i in range(COUNT)]
    assert cloud.label_names == ()


def test_millimetres_of_national_grids_are_kept(tmp_path: Path) -> None:
    data = scan()
    data.header.offsets = GRID
    data.x, data.y, data.z = (PLACES + GRID).T
    data.write(tmp_path / "a.las")
    points = read(tmp_path / "a.las").points
    assert points.dtype == np.float64
    np.testing.assert_allclose(points - GRID, PLACES, atol=1e-6)


def test_copc(tmp_path: Path) -> None:
    """As COPC has it: chunks of different sizes, its own record first, its hierarchy behind."""
    data = scan(7, intensity=np.arange(COUNT))
    zipped = lazrs.LazVlr.new_for_compression(7, 0, use_variable_size_chunks=True)
    header = data.header
    header.vlrs.insert(0, laspy.VLR("copc", 1, "COPC info VLR", bytes(160)))
    header.vlrs.append(laspy.VLR("laszip encoded", 22204, "lazrs", bytes(zipped.record_data())))
    header.are_points_compressed = True
    header.evlrs = laspy.vlrs.vlrlist.VLRList([laspy.VLR("copc", 1000, "hierarchy", bytes(64))])
    header.update(data.points)
    path = tmp_path / "a.copc.laz"
    with path.open("w+b") as file:
        header.write_to(file)
        compressor = lazrs.LasZipCompressor(file, zipped)
        for rows in (slice(0, 10), slice(10, 45), slice(45, COUNT)):
            compressor.compress_many(np.frombuffer(data.points.array[rows].tobytes(), np.uint8))
            compressor.finish_current_chunk()
        compressor.done()
        file.seek(0, 2)
        header.start_of_first_evlr, header.number_of_evlrs = file.tell(), 1
        header.evlrs.write_to(file, as_extended=True)
        file.seek(0)
        header.write_to(file, ensure_same_size=True)
    cloud = read(path)
    np.testing.assert_allclose(cloud.points, PLACES, atol=1e-5)
    assert cloud.columns["intensity"].tolist() == list(range(COUNT))


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_no_points(tmp_path: Path, suffix: str) -> None:
    laspy.LasData(laspy.LasHeader(point_format=6)).write(tmp_path / f"a{suffix}")
    with pytest.raises(ValueError, match="it holds no points"):
        read_shape(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_cut_files(tmp_path: Path, suffix: str) -> None:
    scan(3).write(tmp_path / f"a{suffix}")
    whole = (tmp_path / f"a{suffix}").read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for length in (1, 100, 226, 300, len(whole) // 2, len(whole) - 100):
        cut.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=rf"cut\{suffix}: "):
            read_shape(cut)


def test_counts_that_are_wrong(tmp_path: Path) -> None:
    scan(3, "1.2").write(tmp_path / "a.las")
    scan(3, "1.2").write(tmp_path / "a.laz")
    for name in ("a.las", "a.laz"):
        with pytest.raises(ValueError, match="truncated or corrupt"):
            read_shape(patched(tmp_path / name, 107, struct.pack("<I", 4_000_000_000)))
    with pytest.raises(ValueError, match=f"counts no points, and there is room for {COUNT}"):
        read_shape(patched(tmp_path / "a.las", 107, struct.pack("<I", 0)))
    with pytest.warns(UserWarning, match="counts 40 points, and 20 more may follow"):
        cloud = read(patched(tmp_path / "a.las", 107, struct.pack("<I", 40)))
    np.testing.assert_allclose(cloud.points, PLACES[:40], atol=1e-5)


def test_what_lies_outside_of_the_stated_bounds_is_warned_of(tmp_path: Path) -> None:
    scan(3).write(tmp_path / "a.las")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_shape(tmp_path / "a.las")
    with pytest.warns(UserWarning, match=r"x goes from .* its header says"):
        read_shape(patched(tmp_path / "a.las", 179, struct.pack("<d", 10)))


def broken(tmp_path: Path) -> dict[str, Path]:
    """Files whose headers lead the decoder astray."""
    scan(6).write(tmp_path / "a.laz")
    whole = (tmp_path / "a.laz").read_bytes()
    (points,) = struct.unpack_from("<I", whole, 96)
    (table,) = struct.unpack_from("<q", whole, points)
    chunk_size = whole.index(b"laszip encoded") + 52 + 12
    paths = {
        "chunks of any size, and no table": (chunk_size, b"\xff" * 4),
        "four milliards of chunks": (table + 4, b"\xff" * 4),
        "a layer of four gigabytes": (points + 8 + 30 + 4, b"\xff" * 4),
    }
    made = {}
    for i, (what, (offset, data)) in enumerate(paths.items()):
        path = patched(tmp_path / "a.laz", offset, data)
        if i == 0:  # no table
            path = patched(path, points, struct.pack("<q", -1))
        made[what] = path.rename(tmp_path / f"{i}.laz")
    return made


def test_files_that_break_the_decoder_are_refused(tmp_path: Path) -> None:
    for what, path in broken(tmp_path).items():
        with pytest.raises(ValueError, match=rf"{path.name}: ") as caught:
            read_shape(path)
        assert "\n" not in str(caught.value), what
    np.testing.assert_allclose(read_shape(tmp_path / "a.laz").points, PLACES, atol=1e-5)


class Files(Dataset[float]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> float:
        try:
            return float(read(self.paths[index]).points.sum())
        except ValueError:
            return -1.0


def test_workers_of_a_loader_read_what_the_parent_has_read(tmp_path: Path) -> None:
    files = Files([*broken(tmp_path).values(), *[tmp_path / "a.laz"] * 3])
    here = [files[i] for i in range(len(files))]
    loader = DataLoader(files, num_workers=2, multiprocessing_context="fork", timeout=60)
    assert [float(batch[0]) for batch in loader] == here
    assert here[-1] > 0


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    rng = np.random.default_rng(2)
    colors = rng.integers(0, 256, (COUNT, 3)).astype(np.uint8)
    far = PLACES + GRID
    for points in (PLACES, far, far * 1000, PLACES * 1e-6):
        write_cloud(path, points, colors, np.arange(COUNT))
        cloud = read(path)
        np.testing.assert_array_equal(cloud.colors, colors)
        np.testing.assert_array_equal(cloud.labels, np.arange(COUNT))
        span = np.ptp(points, axis=0).max()
        np.testing.assert_allclose(
            cloud.points, points, rtol=1e-7 if span < 1 else 0, atol=span / 2**24
        )
    written = laspy.read(path)
    assert written.classification.max() == COUNT - 1
    write_cloud(path, rng.normal(size=(COUNT, 3)), labels=np.arange(COUNT) * 1000)
    assert read(path).columns["label"].tolist() == [i * 1000 for i in range(COUNT)]


def test_all_that_is_known_of_points_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    normal = rng.normal(size=(COUNT, 3)).astype(np.float32)
    normal[:, 1] = 0  # as on a wall; other fields that are 0 everywhere are left out
    columns = {
        "normal": normal,
        "intensity": np.arange(COUNT) * 1000,
        "gps_time": np.arange(COUNT) + 0.25,
        "confidence": rng.random(COUNT),
        "instance": np.arange(COUNT) - 1,
    }
    label = np.arange(COUNT) % 2
    cloud = Cloud(PLACES, columns | {"label": label}, ("street", "tree"))
    write_cloud(tmp_path / "a.laz", cloud)
    again = read(tmp_path / "a.laz")
    assert again.label_names == cloud.label_names
    assert again.columns.keys() == cloud.columns.keys()
    for name, values in cloud.columns.items():
        np.testing.assert_array_equal(again.columns[name], values)
    with pytest.raises(ValueError, match="intensity has values that its field in LAS cannot hold"):
        write_cloud(tmp_path / "a.las", PLACES, columns={"intensity": rng.random(COUNT)})
    with pytest.raises(ValueError, match="up to 15 letters and digits"):
        write_cloud(tmp_path / "a.las", Cloud(PLACES, {"label": label}, ("street", "a_tree")))
    assert not (tmp_path / "a.las").exists()


def test_written_decimals_are_whole_numbers(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.las", PLACES + GRID)
    np.testing.assert_allclose(laspy.read(tmp_path / "a.las").header.scales, [0.001] * 3)
