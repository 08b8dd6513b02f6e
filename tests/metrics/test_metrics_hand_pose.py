"""The measures of hand pose, beside plain loops, numbers worked out by hand and published ones."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes

from nvc3d import metrics


def hands(count: int = 40, joints: int = 21, spread: float = 20.0) -> list[torch.Tensor]:
    """Predictions, truths and a mask."""
    rng = np.random.default_rng(3)
    truth = rng.normal([0, 0, 400], 50, (count, joints, 3))
    there = rng.random((count, joints)) < 0.8
    there[3] = False  # a hand without any joint
    there[:, 5] = False  # a joint in no hand
    prediction = truth + rng.normal(scale=spread, size=truth.shape)
    prediction[~there], truth[~there] = np.nan, np.nan
    return [torch.from_numpy(array) for array in (prediction, truth, there)]


def one(*errors: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A hand whose joints are off by these."""
    truth = torch.arange(3.0 * len(errors)).reshape(1, -1, 3)
    return truth + torch.tensor(errors)[None, :, None] * torch.tensor([0.6, 0, 0.8]), truth


def test_by_hand() -> None:
    prediction, truth = one(10, 30, 60)
    assert metrics.mean_error_mm(prediction, truth) == pytest.approx(100 / 3)
    assert metrics.mean_error_mm(
        prediction, truth, torch.tensor([[True, True, False]])
    ) == pytest.approx(20)
    # Relative to the joint that is off by 60: 50, 30 and 0.
    assert metrics.root_relative_mm(prediction, truth, root=2) == pytest.approx(80 / 3)
    assert metrics.frames_mean_within(prediction, truth, threshold=34) == 1
    assert metrics.frames_mean_within(prediction, truth, threshold=33) == 0
    assert metrics.frames_max_within(prediction, truth, threshold=59) == 0
    assert metrics.frames_max_within(prediction, truth, threshold=61) == 1
    # Thresholds 0, 25, 50: one joint has 0, 1, 1, which is 3/4; one 0, 0, 1, 1/4; one none.
    measured = metrics.hand_pose.auc(prediction, truth, low=0, high=50, steps=3)
    assert measured == pytest.approx((3 / 4 + 1 / 4 + 0) / 3)


def test_an_error_of_just_the_threshold_is_within() -> None:
    truth = torch.zeros(1, 1, 3)
    prediction = torch.tensor([[[25.0, 0, 0]]])
    assert metrics.hand_pose.auc(prediction, truth, low=0, high=50, steps=3) == 0.75
    assert metrics.frames_max_within(prediction, truth, threshold=25) == 1
    assert metrics.frames_mean_within(prediction, truth, threshold=25) == 1


def test_beside_plain_loops() -> None:
    prediction, truth, there = hands()
    errors = {
        (i, j): math.dist(prediction[i, j].tolist(), truth[i, j].tolist())
        for i, j in there.nonzero().tolist()
    }
    arguments = prediction, truth, there
    assert metrics.mean_error_mm(*arguments) == pytest.approx(np.mean(list(errors.values())))
    by_hand = [[e for (i, _), e in errors.items() if i == hand] for hand in range(len(truth))]
    by_hand = [found for found in by_hand if found]
    assert len(by_hand) == len(truth) - 1
    for threshold in (30, 35, 60):
        mean = np.mean([np.mean(found) <= threshold for found in by_hand])
        most = np.mean([max(found) <= threshold for found in by_hand])
        assert metrics.frames_mean_within(*arguments, threshold=threshold) == pytest.approx(mean)
        assert metrics.frames_max_within(*arguments, threshold=threshold) == pytest.approx(most)
    for measure, low, high, steps in (
        (metrics.auc_0_50, 0, 50, 100),
        (metrics.auc_20_50, 20, 50, 20),
    ):
        thresholds = np.linspace(low, high, steps)
        areas = []
        for joint in range(21):
            found = [e for (_, j), e in errors.items() if j == joint]
            if found:
                share = [np.mean([e <= t for e in found]) for t in thresholds]
                areas.append(np.trapezoid(share, thresholds) / (high - low))
        assert len(areas) == 20
        assert measure(*arguments) == pytest.approx(np.mean(areas))
    shifted = []
    for i, j in errors:
        if there[i, 2]:
            moved = prediction[i, j] - prediction[i, 2] + truth[i, 2]
            shifted.append(float((moved - truth[i, j]).norm()))
    assert metrics.root_relative_mm(*arguments, root=2) == pytest.approx(np.mean(shifted))


def test_the_area_is_the_mean_of_clipped_errors() -> None:
    prediction, truth, _ = (t[:3] for t in hands(40, spread=25))
    truth, prediction = truth.nan_to_num(0), prediction.nan_to_num(0)
    errors = (prediction - truth).norm(dim=-1)
    exact = 1 - float(errors.clamp_max(50).mean()) / 50
    fine = metrics.hand_pose.auc(prediction, truth, low=0, high=50, steps=20_001)
    assert fine == pytest.approx(exact, abs=1e-4)
    assert metrics.auc_0_50(prediction, truth) == pytest.approx(exact, abs=0.01)


def test_alignment_undoes_what_it_may() -> None:
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    truth = torch.from_numpy(rng.normal(scale=40, size=(4, 21, 3)))
    moved = 1.7 * truth @ torch.from_numpy(turn) + torch.tensor([5.0, -3, 700])
    assert metrics.mean_error_mm(moved, truth) > 100
    assert metrics.pa_mm(moved, truth) < 1e-9 and metrics.pa_reflect_mm(moved, truth) < 1e-9
    mirrored = moved * torch.tensor([-1.0, 1, 1])
    assert metrics.pa_reflect_mm(mirrored, truth) < 1e-9
    assert metrics.pa_mm(mirrored, truth) > 5


def test_alignment_beside_scipys() -> None:
    """FreiHAND's own is scipy's `orthogonal_procrustes` of both, centred and of size 1."""
    prediction, truth, there = hands()
    prediction[::2, :, 0] *= -1  # left hands
    reflected = metrics.procrustes_aligned(prediction, truth, there, reflect=True)
    proper = metrics.procrustes_aligned(prediction, truth, there)
    differ = 0
    for i in range(len(truth)):
        rows = there[i].numpy()
        if not rows.any():
            continue
        x, y = truth[i].numpy()[rows], prediction[i].numpy()[rows]
        middle, size = x.mean(0), np.linalg.norm(x - x.mean(0))
        x, y = (x - middle) / size, (y - y.mean(0)) / np.linalg.norm(y - y.mean(0))
        turn, scale = orthogonal_procrustes(x, y)
        expected = y @ turn.T * scale * size + middle
        assert np.allclose(reflected[i].numpy()[rows], expected)
        same = bool(np.allclose(proper[i].numpy()[rows], expected))
        assert same == (np.linalg.det(turn) > 0)
        differ += not same
    assert differ >= len(truth) // 2 - 1


def test_no_small_change_of_an_alignment_is_better() -> None:
    prediction, truth, there = hands(6)
    best = metrics.procrustes_aligned(prediction, truth, there)
    cost = (metrics.joint_errors_mm(best, truth, there) ** 2).nansum(1)
    for axis in range(3):
        other = [a for a in range(3) if a != axis]
        turn = torch.eye(3, dtype=torch.float64)
        turn[other[0], other[1]], turn[other[1], other[0]] = 0.01, -0.01
        for changed in (best @ turn, best * 1.01, best + 0.3):
            assert ((metrics.joint_errors_mm(changed, truth, there) ** 2).nansum(1) >= cost).all()


def test_a_prediction_in_one_place() -> None:
    truth = torch.tensor([[[0.0, 0, 0], [30, 0, 0], [0, 30, 0], [0, 0, 30]]])
    # All that is left is the distance from the middle: 7.5 sqrt(3), and thrice 7.5 sqrt(11).
    expected = (7.5 * math.sqrt(3) + 3 * 7.5 * math.sqrt(11)) / 4
    assert metrics.pa_mm(torch.full((1, 4, 3), 9.0), truth) == pytest.approx(expected)


def test_nothing_to_measure_is_nan() -> None:
    prediction, truth = one(1, 2)
    nothing = torch.zeros(1, 2, dtype=torch.bool)
    for measure in (
        *(metrics.mean_error_mm, metrics.pa_mm, metrics.pa_reflect_mm),
        *(metrics.auc_0_50, metrics.auc_20_50),
    ):
        assert math.isnan(measure(prediction, truth, nothing))
    assert math.isnan(metrics.root_relative_mm(prediction, truth, nothing, root=0))
    assert math.isnan(metrics.frames_mean_within(prediction, truth, nothing, threshold=9))
    assert math.isnan(metrics.frames_max_within(prediction, truth, nothing, threshold=9))


def test_wrong_arguments() -> None:
    prediction, truth = one(1, 2)
    with pytest.raises(ValueError, match=r"must both be \(N, J, 3\), got \(1, 2, 3\) and \(2, 3\)"):
        metrics.mean_error_mm(prediction, truth[0])
    with pytest.raises(ValueError, match=r"mask must be bool \(1, 2\), got torch.float32 \(1, 2\)"):
        metrics.mean_error_mm(prediction, truth, torch.ones(1, 2))
    prediction[0, 1] = torch.nan
    with pytest.raises(ValueError, match="1 joints of the prediction are not finite"):
        metrics.auc_0_50(prediction, truth)
    with pytest.raises(ValueError, match="root must be from 0 to 1, got 2"):
        metrics.root_relative_mm(truth, truth, root=2)
    with pytest.raises(ValueError, match="expected 0 <= low < high and steps >= 2, got 50, 20"):
        metrics.hand_pose.auc(truth, truth, low=50, high=20, steps=5)


def published(folder: Path, name: str, camera: tuple[float, ...]) -> torch.Tensor:
    """The joints (N, J, 3) in mm of a file of u, v and depth."""
    fx, fy, cx, cy = camera
    with gzip.open(folder / name, "rt") as file:
        u, v, z = np.loadtxt(file).reshape(-1, 3).T
    count = 14 if "nyu" in name.lower() else 16
    points = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], 1)
    return torch.from_numpy(points.reshape(-1, count, 3))


def test_the_published_figures_of_v2v_posenet(data_dir: Path) -> None:
    folder = data_dir / "hands"
    if not folder.is_dir():
        pytest.skip("needs hands/ among the real data")
    names = "nyu_test_groundtruth_label.txt.gz", "CVPR18_NYU_V2V_PoseNet.txt.gz"
    truth, prediction = (published(folder, n, (588.03, -587.07, 320, 240)) for n in names)
    assert truth.shape == (8252, 14, 3)
    assert metrics.mean_error_mm(prediction, truth) == pytest.approx(8.419, abs=5e-4)
    assert metrics.auc_0_50(prediction, truth) == pytest.approx(0.8368, abs=5e-5)
    assert metrics.auc_20_50(prediction, truth) == pytest.approx(0.972, abs=5e-4)
    assert metrics.pa_mm(prediction, truth) == pytest.approx(6.615, abs=5e-4)
    assert metrics.frames_max_within(prediction, truth, threshold=20) == pytest.approx(
        0.712, abs=5e-4
    )
    assert metrics.root_relative_mm(prediction, truth, root=0) == pytest.approx(11.0, abs=0.05)
    names = "icvl_test_groundtruth_label.txt.gz", "CVPR18_ICVL_V2V_PoseNet.txt.gz"
    truth, prediction = (published(folder, n, (240.99, 240.96, 160, 120)) for n in names)
    assert metrics.mean_error_mm(prediction, truth) == pytest.approx(6.284, abs=5e-4)
