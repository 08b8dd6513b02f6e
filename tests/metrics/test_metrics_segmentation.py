"""Metrics of labels, against their definitions and against numbers made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, jaccard_score

from nvc3d.metrics import Confusion, PartScores, confined_argmax, part_ious


def labels(*values: int) -> torch.Tensor:
    return torch.tensor(values)


def test_parts_made_by_hand() -> None:
    # Part 4: 1 of 2 either; part 5: 1 of 3; part 6: absent in both.
    prediction, truth = labels(4, 5, 5, 5), labels(4, 4, 5, 5)
    assert part_ious(prediction, truth, [4, 5, 6]).tolist() == [1 / 2, 2 / 3, 1]
    # What is predicted outside of the category's parts is merely wrong.
    assert part_ious(labels(0, 4), labels(4, 4), [4, 5]).tolist() == [1 / 2, 1]


def test_instance_and_class_means_differ() -> None:
    scores = PartScores({"mug": [0, 1], "cap": [2, 3]})
    assert np.isnan(scores.instance_miou) and np.isnan(scores.class_miou)
    assert scores.add(labels(0, 1), labels(0, 1), "mug") == 1
    assert scores.add(labels(0, 1), labels(0, 1), "mug") == 1
    assert scores.add(labels(2, 2), labels(2, 3), "cap") == 1 / 4
    assert scores.by_category == {"mug": 1, "cap": 1 / 4}
    assert scores.instance_miou == 2.25 / 3
    assert scores.class_miou == 1.25 / 2
    assert scores.accuracy == 5 / 6


def test_argmax_is_confined_to_the_parts_of_the_category() -> None:
    scores = torch.tensor([[9.0, 1, 2], [0, 5, 3]])
    assert confined_argmax(scores, [1, 2]).tolist() == [2, 1]
    assert confined_argmax(scores, [2]).tolist() == [2, 2]


def test_scenes_as_scikit_learn_has_it() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(5, (4000,), generator=generator)
    noise = torch.randint(5, (4000,), generator=generator)
    prediction = torch.where(torch.rand(4000, generator=generator) < 0.3, noise, truth)
    scores = Confusion(5)
    for part in range(4):  # scene by scene: intersections and unions add up
        scores.add(prediction[part::4], truth[part::4])
    expected = jaccard_score(truth, prediction, average=None)
    torch.testing.assert_close(scores.ious, torch.from_numpy(expected))
    assert scores.miou == pytest.approx(expected.mean())
    assert scores.accuracy == pytest.approx(accuracy_score(truth, prediction))
    assert scores.mean_accuracy == pytest.approx(balanced_accuracy_score(truth, prediction))
    # A class that is nowhere does not change the mean, nor does how often others are there.
    few = truth < 2
    for part in (torch.ones_like(few), few):
        judge = Confusion(6)
        judge.add(prediction[part], truth[part])
        each = f1_score(truth[part], prediction[part], average="weighted")
        assert judge.weighted_f1 == pytest.approx(each)
    each = f1_score(truth, prediction, average=None)
    torch.testing.assert_close(scores.f1, torch.from_numpy(each))


def test_ignored_points_and_absent_classes_do_not_count() -> None:
    scores = Confusion(3, ignored=255)
    scores.add(labels(0, 1, 1), labels(0, 1, 255))
    assert scores.accuracy == 1 and scores.miou == 1
    assert scores.ious.isnan().tolist() == [False, False, True]
    scores.add(labels(2), labels(255))
    assert int(scores.counts.sum()) == 2


def test_wrong_labels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"truth has parts \[7\], the category has \[4, 5\]"):
        part_ious(labels(4), labels(7), [4, 5])
    with pytest.raises(ValueError, match="must both be"):
        part_ious(labels(4), labels(4, 5), [4, 5])
    with pytest.raises(ValueError, match="category must be one of mug, got 'cup'"):
        PartScores({"mug": [0]}).add(labels(0), labels(0), "cup")
    with pytest.raises(ValueError, match="parts must be from 0 to 1"):
        confined_argmax(torch.zeros(1, 2), [2])
    with pytest.raises(ValueError, match="labels of prediction must be from 0 to 2, got 0 to 3"):
        Confusion(3).add(labels(0, 3), labels(0, 1))
    with pytest.raises(ValueError, match="same shape"):
        Confusion(3).add(labels(0), labels(0, 1))
    with pytest.raises(ValueError, match="classes must be at least 1"):
        Confusion(0)
