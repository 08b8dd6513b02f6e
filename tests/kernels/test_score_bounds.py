"""What assign_anchors counts on: how far roundings can take a score, on models of the hardware.

The bounds are proven beside the constants, in csrc/core/assign_anchors.h and
csrc/cuda/assign_anchors.cu. Here the sums are formed as the processors form them.
"""

from __future__ import annotations

import numpy as np
import pytest

HALF_ULP = 2.0**-24
DIMS = [1, 8, 17, 64, 333, 1024]
# products added at once, bits behind the point that aligned numbers keep
AMPERE, HOPPER = (4, 24), (8, 25)


def toward_zero(values):
    """As float32, which keeps them exact in float64."""
    rounded = values.astype(np.float32)
    too_far = np.abs(rounded.astype(float)) > np.abs(values)
    return np.where(too_far, np.nextafter(rounded, np.float32(0)), rounded).astype(float)


def tensor_core(total, a, b, model):
    step, bits = model
    for start in range(0, 8, step):
        products = a[..., start : start + step] * b[..., start : start + step]
        terms = np.concatenate([total[..., None], products], -1)
        largest = np.abs(terms).max(-1, keepdims=True)
        unit = np.ldexp(1.0, np.frexp(np.where(largest > 0, largest, 1))[1] - 1 - bits)
        total = toward_zero((np.trunc(terms / unit) * unit).sum(-1))
    return total


def to_tf32(values):
    bits = values.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


def cut_to_tf32(values):
    bits = values.astype(np.float32).view(np.uint32)
    return (bits & np.uint32(0xFFFFE000)).view(np.float32)


def parts(values):
    high = to_tf32(values)
    return high.astype(float), cut_to_tf32(values - high).astype(float)


def score_on_tensor_cores(z, a, model):
    """|a|^2 - 2 z.a of float32 (pairs, dim), as the kernel sums it up."""
    slices = -(-z.shape[1] // 16)
    pad = ((0, 0), (0, 16 * slices - z.shape[1]))
    (z_high, z_low), (a_high, a_low) = (parts(np.pad(v, pad)) for v in (z, np.float32(-2) * a))
    total = np.zeros(len(z), np.float32)
    for start in range(0, 16 * slices, 16):
        sums = np.zeros(len(z))
        for k in (slice(start, start + 8), slice(start + 8, start + 16)):
            for one, other in ((z_low, a_high), (z_high, a_low), (z_high, a_high)):
                sums = tensor_core(sums, one[:, k], other[:, k], model)
        total = total + sums.astype(np.float32)
    return total + np.square(a.astype(float)).sum(1).astype(np.float32)


def score_by_fma(z, a):
    total = np.square(a.astype(float)).sum(1).astype(np.float32)
    for d in range(z.shape[1]):
        product = z[:, d].astype(float) * (-2.0 * a[:, d])
        total = (total.astype(float) + product).astype(np.float32)
    return total


def draw(kind, pairs, dim):
    rng = np.random.default_rng(dim)
    if kind == "any sign":
        return (rng.normal(size=(pairs, dim)).astype(np.float32) for _ in range(2))
    if kind == "all bits set":  # every product and sum has something to lose
        exponents = rng.integers(-3, 1, (2, pairs, dim))
        return np.ldexp(np.nextafter(np.float32(2), np.float32(0)), exponents).astype(np.float32)
    return (1 + rng.random((pairs, dim), np.float32) for _ in range(2))


@pytest.mark.parametrize("kind", ["any sign", "one sign", "all bits set"])
@pytest.mark.parametrize("dim", DIMS)
def test_scores_are_no_farther_off_than_the_proofs_say(kind, dim):
    z, a = draw(kind, 200, dim)
    wide_z, wide_a = z.astype(np.longdouble), a.astype(np.longdouble)
    squared = np.square(wide_a).sum(1)
    exact = squared - 2 * (wide_z * wide_a).sum(1)
    unit = HALF_ULP * (squared + 2 * np.sqrt(np.square(wide_z).sum(1) * squared))
    slices = -(-dim // 16)
    for model in (AMPERE, HOPPER):
        error = np.abs(score_on_tensor_cores(z, a, model) - exact) / unit
        # Nothing is moved here, which the bound has 2 for.
        assert error.max() <= slices + 94
    assert (np.abs(score_by_fma(z, a) - exact) / unit).max() <= dim + 1
