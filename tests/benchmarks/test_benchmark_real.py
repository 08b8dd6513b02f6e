"""The study on real data: what is held out, and its test of hits."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy", reason="the study needs SciPy")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from pairing import mcnemar
from real_study.layouts import categories, held_out


def test_every_item_is_held_out_once() -> None:
    names = [f"{number}" for number in range(14)]
    parts = [held_out(names, seed, 3) for seed in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert held_out(names, 4, 3) == parts[0]


def test_a_fifth_of_each_category_is_laid_aside(tmp_path: Path) -> None:
    for kind in ("chair", "sofa"):
        (tmp_path / "given" / kind / "train").mkdir(parents=True)
        for number in range(10):
            (tmp_path / "given" / kind / "train" / f"{number}.npy").touch()
    categories(tmp_path / "given", 1, tmp_path / "laid")
    for kind in ("chair", "sofa"):
        found = [len(list((tmp_path / "laid" / s / kind).iterdir())) for s in ("train", "test")]
        assert found == [8, 2]


def test_hits_are_compared_where_they_differ() -> None:
    own, other = [True] * 6 + [False, True], [False] * 5 + [True] * 3
    assert mcnemar(own, other) == (5, 1, pytest.approx(2 * 7 / 2**6))
