"""The study of images: how codes are judged, cells, and the sets beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn", reason="the study needs scikit-learn")
pytest.importorskip("scipy", reason="the study needs SciPy")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import cells
import hand_lifting
import images
import room_images


def coded(count: int) -> images.Coded:
    """Codes that tell all but the first tenth of each label, in clusters two of which are one's."""
    label = np.arange(count) % 3
    code = np.eye(3)[label] + 0.01 * np.random.default_rng(0).normal(size=(count, 3))
    return images.Coded(code, label, np.where(label == 2, label + np.arange(count) % 2, label))


def test_codes_are_judged_by_votes_and_by_few_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "ANCHORS", 4)
    monkeypatch.setattr(images, "LABELS", (3, 30))
    monkeypatch.setattr(images, "DRAWS", {3: 2})
    found = images.judged(coded(60), coded(30), 1)
    assert found["values"]["vote"] == found["values"]["k-means: vote"] == 1
    assert found["values"]["Hungarian"] == pytest.approx(25 / 30)  # one of label 2's two clusters
    assert found["values"]["3 labels"] == 1
    assert found["hits"] == {"3": ["1" * 30] * 2, "30": ["1" * 30]}


def test_a_cell_of_the_digits_is_stored_and_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(images, "LABELS", (10,))
    asked = [images.Cell("digits", code, 1, None, 2) for code in ("pixels", "nebula")]
    for cell in asked:
        cells.compute(cell, tmp_path)
    text = images.table("digits", asked, tmp_path)
    assert "| nebula less pixels |" in text and "pixels, 10 labels: better in" in text


def test_a_score_map_has_its_peak_where_the_joint_is() -> None:
    seen = torch.tensor([[-2.5, 2.5, 1.0, 0.0]])
    maps = hand_lifting.ScoreMaps()(seen).view(2, hand_lifting.MAP, hand_lifting.MAP)
    row, column = divmod(int(maps[0].argmax()), hand_lifting.MAP)
    assert (row, column) == (hand_lifting.MAP - 1, 0)  # v down, u across
    assert int(maps[1].argmax()) % hand_lifting.MAP == 11  # 1.0 lies in the twelfth column


def test_rooms_are_told_in_all_rows() -> None:
    known, asked = room_images.views(0, 4), room_images.views(50, 1)
    assert known.image.shape == (4, 3, 30, 40) and 0.1 < float(known.image.mean()) < 0.9
    length = known.normal.square().sum(1)
    assert bool(((length - 1).abs() < 1e-5).logical_or(length == 0).all())
    text = room_images.table(known, asked, [1], 2)
    assert all(f"| {row} |" in text for row in room_images.ROWS)
    truth = room_images.measures((asked.depth, asked.normal), asked)
    assert truth["rel"] == 0 and truth["delta_1"] == 1 and truth["degrees"] < 0.1
