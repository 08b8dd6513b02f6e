"""Arrays in HDF5: a small file does not fill the memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nvc3d.files import hdf5

h5py = pytest.importorskip("h5py")


def test_rows_are_read(tmp_path: Path) -> None:
    values = np.arange(60.0).reshape(5, 4, 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = values
        file.create_dataset("zeros", data=np.zeros((1000, 3000)), compression="gzip", shuffle=True)
    np.testing.assert_array_equal(hdf5.read(tmp_path / "a.h5", "data"), values)
    np.testing.assert_array_equal(hdf5.read(tmp_path / "a.h5", "data", 2), values[2])
    np.testing.assert_array_equal(hdf5.read(tmp_path / "a.h5", "data", slice(1, 3)), values[1:3])
    assert not hdf5.read(tmp_path / "a.h5", "zeros").any()


def test_an_array_that_was_never_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data", (10**9, 2048, 3), "f4", chunks=(1, 2048, 3))
    assert path.stat().st_size < 10_000
    with pytest.raises(ValueError, match="only 0 bytes of it are stored"):
        hdf5.read(path, "data")
