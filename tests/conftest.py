"""Fixtures that every test shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        default=os.environ.get("NVC3D_DATA"),
        help="folder with real data (meshes/, modelnet10_voxels/, mnist/); default: $NVC3D_DATA",
    )


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of real data; tests that need it are skipped where none is given."""
    path = request.config.getoption("--data")
    if not path:
        pytest.skip("needs real data: give --data DIR or set NVC3D_DATA")
    if not Path(path).is_dir():
        pytest.fail(f"--data (or NVC3D_DATA) names {path}, which is not a folder")
    return Path(path)
