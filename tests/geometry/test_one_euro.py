"""The 1 € filter, beside its definition for a single number."""

from __future__ import annotations

import numpy as np
import pytest

from nvc3d.geometry.one_euro import OneEuro

RATE = 1 / 30


def plain(values: list[float], cutoff: float, beta: float) -> list[float]:
    """As the paper has it, one number after the other."""

    def alpha(frequency: float) -> float:
        tau = 1 / (2 * np.pi * frequency)
        return 1 / (1 + tau / RATE)

    found, speed = [values[0]], 0.0
    for value in values[1:]:
        speed += alpha(1.0) * ((value - found[-1]) / RATE - speed)
        a = alpha(cutoff + beta * abs(speed))
        found.append(a * value + (1 - a) * found[-1])
    return found


def test_a_number() -> None:
    values = np.random.default_rng(0).normal(size=40).cumsum().tolist()
    own = OneEuro(1.5, 0.3)
    found = [float(own([value], RATE)[0]) for value in values]
    np.testing.assert_allclose(found, plain(values, 1.5, 0.3))


def test_rest_and_motion() -> None:
    """A point that rests jitters less; one that moves fast lags little; all axes alike."""
    rng = np.random.default_rng(0)
    rest, motion = OneEuro(1.0, 0.02), OneEuro(1.0, 0.02)
    turned = OneEuro(1.0, 0.02)
    still, off = [], []
    for step in range(200):
        noise = rng.normal(size=3) * 2
        still.append(rest(noise, RATE))
        place = np.array([600 * step * RATE, 0, 500]) + noise
        moved = motion(place, RATE)
        np.testing.assert_allclose(turned(place[[1, 2, 0]], RATE), moved[[1, 2, 0]])
        off.append(place - moved)
    assert np.std(still[20:]) < 1.0 and np.std(still[20:]) > 0.1
    assert np.abs(np.mean(off[50:], 0)).max() < 12, "which is 20 ms"
    slow = OneEuro(1.0, 0.0)
    lag = [600 * step * RATE - float(slow([600.0 * step * RATE], RATE)[0]) for step in range(100)]
    assert lag[-1] > 60, "without beta"


def test_what_is_not_known() -> None:
    own = OneEuro(1.0, 0.0)
    own([[1.0, 1], [2, 2]], RATE)
    gone = own([[np.nan, np.nan], [2, 2]], RATE)
    assert np.isnan(gone[0]).all() and gone[1].tolist() == [2, 2]
    assert own([[7.0, 7], [2, 2]], RATE)[0].tolist() == [7, 7]
    assert own([[8.0, 8], [2, 2]], RATE)[0, 0] < 8


def test_what_makes_no_sense_is_refused() -> None:
    for cutoff, beta in ((0, 1), (1, -1), (np.nan, 1)):
        with pytest.raises(ValueError, match="must be positive and beta at least 0"):
            OneEuro(cutoff, beta)
    own = OneEuro(1, 1)
    own([1.0, 2], RATE)
    with pytest.raises(ValueError, match=r"values must be \(2,\) as before, got \(3,\)"):
        own([1.0, 2, 3], RATE)
    with pytest.raises(ValueError, match="seconds must be positive, got 0"):
        own([1.0, 2], 0)
