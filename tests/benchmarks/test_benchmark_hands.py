"""Joints lifted from the image, and a rigged hand bent by its bones."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("scipy", reason="the benchmarks need SciPy")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import hand_lifting
import hand_rigged

from nvc3d.geometry.hand_joints import ORDERS


def made_up(count: int) -> torch.Tensor:
    """u, v, d (N, 16, 3) of joints about half a metre away."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal([160, 120, 500], [30, 30, 20], (count, 16, 3)))


def test_what_is_seen_tells_neither_place_nor_size_nor_depth() -> None:
    truths, pixels = hand_lifting.SETS["ICVL"], made_up(5)
    hands = hand_lifting.Hands.of(pixels, truths)
    other = pixels.clone()
    other[..., :2] = 0.5 * other[..., :2] + 20
    other[..., 2] *= 2
    same = hand_lifting.Hands.of(other, truths)
    assert torch.allclose(hands.seen, same.seen, atol=1e-6)
    assert not torch.allclose(hands.joints, same.joints)
    assert (hands.joints[:, ORDERS["icvl"].index("palm")] == 0).all()


def test_a_study_of_lifting_has_all_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hands").mkdir()
    with gzip.open(tmp_path / "hands" / "made-up.txt.gz", "wt") as file:
        np.savetxt(file, made_up(60).flatten(1).numpy())
    small = hand_lifting.Truths("icvl", "icvl", "made-up.txt.gz", (20, 40))
    monkeypatch.setitem(hand_lifting.SETS, "ICVL", small)
    known, asked = hand_lifting.load(tmp_path, "ICVL, later frames")
    assert (len(known.seen), len(asked.seen)) == (14 + 28, 5 + 10)
    found = hand_lifting.study(known, asked, [1, 2], 2)
    error = (asked.joints - known.joints.mean(0)).norm(dim=-1).mean()
    assert found["mean hand"]["error"][1] == pytest.approx(float(error), rel=1e-5)
    for row in ("VAE", "nebula"):
        assert all(found[row]["best"][seed] <= found[row]["error"][seed] for seed in (1, 2))
    again = hand_lifting.study(known, known, [1], 2)
    assert again["nearest hand"]["error"][1] == pytest.approx(0, abs=1e-3)
    text = hand_lifting.table("ICVL, later frames", (42, 15), found)
    assert len(text.splitlines()) == 2 + len(hand_lifting.ROWS)


def test_a_rigged_hand_bends_to_its_palm_and_keeps_its_bones() -> None:
    path = Path(os.environ.get("NVC3D_DATA", "")) / "hands" / hand_rigged.FILE
    if not path.is_file():
        pytest.skip("needs hands/webxr-right.glb under NVC3D_DATA")
    rig = hand_rigged.Rig(path)
    (rest, skin), (fist, _) = (rig.held(hand_rigged.POSES[name]) for name in ("open", "fist"))
    assert np.abs(skin - rig.vertices).max() < 1e-2
    palm = -rig.bound[0, :3, 1]
    for rows in hand_rigged.FINGERS:
        lengths = [np.linalg.norm(np.diff(joints[rows], axis=0), axis=1) for joints in (rest, fist)]
        assert np.allclose(*lengths, atol=1e-2)
    tips = [rows[-1] for rows in hand_rigged.FINGERS[1:]]
    assert ((fist - rest)[tips] @ palm > 10).all()
    frame = hand_rigged.RiggedHands(rig, 64, 1).read(0)
    assert len(frame.points()) > 500
