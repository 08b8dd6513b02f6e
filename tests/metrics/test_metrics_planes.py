"""The measures of planes: worked out by hand, and the reference codes' own figures of one image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from nvc3d.metrics import (
    depth_errors,
    plane_agreement,
    plane_average_precision,
    plane_recall_by_depth,
    plane_recall_by_normal,
    pooled_recall,
)

# Two true planes of three and two points, and one point on none.
TRUTH = torch.tensor([0, 0, 0, 1, 1, -1])
PR = "planar-reconstruction"


def image(everywhere: bool = False) -> dict[str, Tensor]:
    """24 by 32 pixels with five planes, found with shifts; `everywhere`: none is on no plane."""
    v, u = np.mgrid[:24, :32]
    truth, found = np.full((2, 24, 32), -1)
    truth[:12, :16], truth[:12, 16:], truth[12:, :10], truth[12:, 10:22] = 0, 1, 2, 3
    truth[12 if everywhere else 14 :, 22 if everywhere else 24 :] = 4
    found[:11, 1:18], found[:12, 18:], found[13:, :16], found[12:, 16:23] = 0, 1, 2, 3
    found[15:, 25:] = 4
    true_depth = 1 + ((7 * v + 3 * u) % 11) / 4
    depth = true_depth + ((5 * v + 2 * u) % 7 - 2) * 0.04 * (found + 2)
    true_depth[0, :5] = 0
    true_normals = np.array([[0, 0, 1.0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]])
    normals = true_normals + 0.1 * np.arange(5)[:, None] * np.array([[1, -1, 0.5]])
    normals[1] *= -1
    arrays = {
        **{"found": found, "truth": truth, "depth": depth, "true_depth": true_depth},
        **{"normals": normals, "true_normals": true_normals},
    }
    return {
        name: torch.from_numpy(a if a.shape[1] == 3 else a.ravel()) for name, a in arrays.items()
    }


def by_depth(own: dict[str, Tensor], compat: str | None = None):
    off = own["depth"] - own["true_depth"]
    return plane_recall_by_depth(own["found"], own["truth"], off, compat=compat)


def by_normal(own: dict[str, Tensor], compat: str | None = None):
    return plane_recall_by_normal(
        own["found"], own["truth"], own["normals"], own["true_normals"], compat=compat
    )


# --- recall ---------------------------------------------------------------------------------------


def test_a_plane_is_found_by_more_than_half_and_near_enough() -> None:
    truth = torch.tensor([0] * 4 + [1] * 4 + [2] * 2 + [-1] * 2)
    predicted = torch.tensor([5, 5, 5, -1, 3, 3, -1, -1, 4, 4, -1, -1])
    difference = torch.tensor([0.1, -0.2, 0.3, 9.0, 0, 0, 9.0, 9.0, 0.0, 0.0, 9.0, 9.0])
    found = plane_recall_by_depth(
        predicted, truth, difference, torch.tensor([0.0, 0.1, 0.2 + 1e-6, 0.3])
    )
    # The first by 3 of 4, 0.2 off; the second by half of it, which is not enough; the third wholly.
    assert (found.true_planes, found.true_points) == (3, 10)
    torch.testing.assert_close(found.plane_recall, torch.tensor([1, 1, 2, 2]).double() / 3)
    torch.testing.assert_close(found.pixel_recall, torch.tensor([2, 2, 5, 5]).double() / 10)


def test_recall_by_depth_is_the_references() -> None:
    """Figures of PlanarReconstruction's and PlaneTR's code; where a pixel lies on no plane, they
    agree, and else the first loses a plane."""
    planes = [0, 0, 0, 0, 1, 2, 3, 3, 3, 4, 4, 4, 4]
    pixels = [0, 0, 0, 0, 0.22664835, 0.45741758, *[0.60851645] * 3, *[0.69505495] * 4]
    for compat in (None, PR):
        found = by_depth(image(), compat)
        assert found.planes.tolist() == planes and found.true_planes == 5
        np.testing.assert_allclose(found.pixel_recall, pixels, atol=1e-6)
    right, theirs = by_depth(image(True)), by_depth(image(True), PR)
    assert right.planes.tolist() == planes and right.true_planes == 5
    assert theirs.planes.tolist() == [0, 0, 0, 0, 1, 2, *[3] * 7] and theirs.true_planes == 4
    pixels = [0, 0, 0, 0, 0.21484375, 0.43359375, *[0.57682294] * 3, *[0.65885419] * 4]
    np.testing.assert_allclose(right.pixel_recall, pixels, atol=1e-6)
    pixels = [0, 0, 0, 0, 0.25462964, 0.5138889, *[0.68364197] * 7]
    np.testing.assert_allclose(theirs.pixel_recall, pixels, atol=1e-6)


def test_recall_by_normal_is_the_references() -> None:
    """Of PlanarReconstruction; the first plane is exact and the second one turned over, both of
    which its code does not find at 0 degrees."""
    theirs = by_normal(image(), PR)
    assert theirs.planes.tolist() == [0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3]
    pixels = [0, *[0.22664835] * 4, *[0.37774725] * 5, *[0.46428571] * 3]
    np.testing.assert_allclose(theirs.pixel_recall, pixels, atol=1e-8)
    assert by_normal(image()).planes.tolist() == [1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4]
    everywhere = by_normal(image(True), PR)
    assert everywhere.planes.tolist() == [0, 1, 1, 1, 1, *[2] * 8] and everywhere.true_planes == 4
    pixels = [0, *[0.25462963] * 4, *[0.42438272] * 8]
    np.testing.assert_allclose(everywhere.pixel_recall, pixels, atol=1e-8)


def test_planes_are_pooled_and_pixels_averaged() -> None:
    zero, near = torch.zeros(4), torch.tensor([0.1])
    one = plane_recall_by_depth(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 0, 1]), zero, near)
    other = plane_recall_by_depth(torch.full((4,), -1), torch.tensor([0, 0, 0, 0]), zero, near)
    empty = plane_recall_by_depth(torch.zeros(4).long(), torch.full((4,), -1), zero, near)
    planes, pixels = pooled_recall([one, other, empty])
    assert planes.tolist() == pytest.approx([2 / 3]) and pixels.tolist() == [0.5]
    assert empty.plane_recall.isnan().all() and empty.pixel_recall.isnan().all()
    with pytest.raises(ValueError, match="there must be an image or more, got none"):
        pooled_recall([])


def test_average_precision_is_the_references() -> None:
    """Of PlaneRCNN's code, which takes the planes in the order 2, 0, 4, 1, 3."""
    own = image()
    off = torch.where(own["true_depth"] > 1e-4, own["depth"] - own["true_depth"], 0)
    scores = torch.tensor([4, 2, 5, 1, 3.0])
    found = plane_average_precision(own["found"], own["truth"], off, scores)
    np.testing.assert_allclose(found, [0.1, 0.55, 0.8, 0.8], atol=1e-9)
    none = torch.full_like(own["truth"], -1)
    assert plane_average_precision(own["found"], none, off, scores).isnan().all()
    assert plane_average_precision(none, own["truth"], off, scores).tolist() == [0, 0, 0, 0]


# --- RI, VOI, SC ----------------------------------------------------------------------------------


def test_the_truth_agrees_with_itself_whatever_its_numbers() -> None:
    for variant in ("planercnn", "planetr", "planarrecon"):
        assert plane_agreement(TRUTH, TRUTH, variant) == (1, 0, 1)
        assert plane_agreement(torch.tensor([7, 7, 7, -1, -1, 3]), TRUTH, variant) == (1, 0, 1)


def test_agreement_over_planar_points_by_hand() -> None:
    # {a, b} {c, d, e} against {a, b, c} {d, e}; the sixth point is of no matter.
    for last in (-1, 0, 1, 5):
        predicted = torch.tensor([0, 0, 1, 1, 1, last])
        got = plane_agreement(predicted, TRUTH, "planetr")
        # Of 10 pairs, ca, cb, cd and ce are judged differently.
        assert got.rand_index == pytest.approx(6 / 10)
        entropy = -(0.4 * math.log2(0.4) + 0.6 * math.log2(0.6))
        joint = -(2 * 0.4 * math.log2(0.4) + 0.2 * math.log2(0.2))
        assert got.variation_of_information == pytest.approx(2 * (joint - entropy))
        # IoU 2/3 for each of the four.
        assert got.segmentation_covering == pytest.approx(2 / 3)


def test_agreement_over_all_points_has_what_is_on_no_plane_as_one_more_segment() -> None:
    predicted = torch.tensor([0, 0, 0, 1, -1, -1])
    got = plane_agreement(predicted, TRUTH, "planarrecon")
    # Of 15 pairs, de and ef are judged differently.
    assert got.rand_index == pytest.approx(13 / 15)
    # Both entropies are of 1/2, 1/3, 1/6; the joint one of 1/2 and three times 1/6.
    entropy = 1 / 2 + math.log2(3) / 3 + math.log2(6) / 6
    joint = 1 / 2 + math.log2(6) / 2
    assert got.variation_of_information == pytest.approx(2 * (joint - entropy))
    # IoU 1 for three points, 1/2 for the rest, both ways.
    assert got.segmentation_covering == pytest.approx((3 + 3 / 2) / 6)
    planar = plane_agreement(predicted, TRUTH, "planetr")
    assert planar.rand_index == pytest.approx(9 / 10)
    assert plane_agreement(predicted, TRUTH, "planercnn") == got
    seen = torch.tensor([True] * 5 + [False])
    assert plane_agreement(predicted, TRUTH, "planercnn", valid=seen) == planar


@pytest.mark.parametrize(
    ("variant", "everywhere", "figures"),
    [
        ("planercnn", False, (0.8932, 1.3824, 0.6744)),
        ("planetr", False, (0.89224494, 1.23103881, 0.69458646)),
        ("planetr", True, (0.88558304, 1.41375470, 0.65633118)),
        ("planarrecon", False, (0.8932, 1.3824, 0.67435087)),
    ],
)
def test_agreement_is_the_references(
    variant: str, everywhere: bool, figures: tuple[float, float, float]
) -> None:
    own = image(everywhere)
    got = plane_agreement(own["found"], own["truth"], variant)
    assert got == pytest.approx(figures, abs=6e-5 if figures[0] == 0.8932 else 1e-6)


# --- depth ----------------------------------------------------------------------------------------


def test_depth_errors_are_the_references() -> None:
    """Of PlanarReconstruction's and PlaneTR's code, the first of which has no rmse_log here, for
    five pixels of the truth are 0."""
    own = image()
    got = depth_errors(own["depth"], own["true_depth"])
    figures = (0.125313514, 0.052525212, 0.050728501, 0.315362863, 0.161285395, 0.853211009)
    assert got == pytest.approx((*figures, 0.980340760, 0.998689384), abs=1e-8)
    theirs = depth_errors(own["depth"], own["true_depth"], compat=PR)
    assert math.isnan(theirs.rmse_log) and theirs._replace(rmse_log=0) == got._replace(rmse_log=0)
    valid = own["truth"] == 0
    by_hand = (own["depth"] - own["true_depth"])[valid & (own["true_depth"] > 0)]
    only = depth_errors(own["depth"], own["true_depth"], valid)
    assert only.rmse == pytest.approx(float(by_hand.square().mean().sqrt()))


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicted", "truth", "variant", "message"),
    [
        (TRUTH[:3], TRUTH, "planetr", r"must both be \(N,\), got \(3,\) and \(6,\)"),
        (TRUTH, TRUTH, "all", "variant must be one of planercnn, planetr, planarrecon, got 'all'"),
        (TRUTH[2:], torch.tensor([-1, -1, -1, 0]), "planetr", "two points must count, got 1 of"),
        (TRUTH - 1, TRUTH, "planetr", "predicted must be 0 or more, or -1 for no plane, got -2"),
        (TRUTH, TRUTH.float(), "planetr", r"truth must be integers of a point or more, got torch"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    predicted: Tensor, truth: Tensor, variant: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plane_agreement(predicted, truth, variant)


def test_what_does_not_fit_is_refused() -> None:
    zero, normals = torch.zeros(6), torch.eye(3)
    with pytest.raises(ValueError, match=r"difference must be \(6,\), got \(5,\)"):
        plane_recall_by_depth(TRUTH, TRUTH, torch.zeros(5))
    with pytest.raises(ValueError, match='compat must be "planar-reconstruction" or None'):
        plane_recall_by_depth(TRUTH, TRUTH, zero, compat="planenet")
    with pytest.raises(ValueError, match="truth must be below 1, as many normals, got 1"):
        plane_recall_by_normal(TRUTH, TRUTH, normals, normals[:1])
    with pytest.raises(ValueError, match="predicted must be below 1, as many scores, got 1"):
        plane_average_precision(TRUTH, TRUTH, zero, torch.ones(1))
    with pytest.raises(ValueError, match=r"valid must be \(6,\) and of planercnn, got \(6,\) of"):
        plane_agreement(TRUTH, TRUTH, "planetr", valid=TRUTH > 0)
    with pytest.raises(ValueError, match="depth, truth and valid must have one shape"):
        depth_errors(zero, torch.zeros(5))
    with pytest.raises(ValueError, match=r"no pixel of the truth \(6,\) has a depth"):
        depth_errors(zero, zero)
