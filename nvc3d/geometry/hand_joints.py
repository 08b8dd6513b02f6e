"""The joints of a hand: our 21, those that data sets annotate, and ways between them.

An order is the names of the joints of a data set, row by row. What it has under a name of ours is
carried over; what it lacks is NaN and never made up: the middle of a palm is no wrist.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Names = tuple[str, ...]

FINGER_NAMES = ("thumb", "index_finger", "middle_finger", "ring_finger", "pinky")


def _joints(finger: str) -> Names:
    """The four of a finger, from the palm to the tip."""
    kinds = ("cmc", "mcp", "ip", "tip") if finger == "thumb" else ("mcp", "pip", "dip", "tip")
    return tuple(f"{finger}_{kind}" for kind in kinds)


THUMB, INDEX, MIDDLE, RING, PINKY = OUTWARD = tuple(map(_joints, FINGER_NAMES))
JOINTS: Names = ("wrist", *THUMB, *INDEX, *MIDDLE, *RING, *PINKY)
"""The 21 in our order, called and numbered as MediaPipe has them."""
FINGERS = {name: tuple(map(JOINTS.index, _joints(name))) for name in FINGER_NAMES}
"""The numbers of each finger's joints, from the palm to the tip."""
PARENTS = tuple(-1 if i == 0 else 0 if i % 4 == 1 else i - 1 for i in range(len(JOINTS)))
"""The number of the joint that each hangs on; -1 for the wrist."""
BONES = tuple((parent, joint) for joint, parent in enumerate(PARENTS) if parent >= 0)
"""The 20 bones: numbers of a parent and its joint."""


def _nyu(finger: Names) -> Names:
    """Six of a finger: of each phalanx, from the tip on, its outer end and its base, the joint."""
    name, (base, middle, last, tip) = finger[0].rpartition("_")[0], finger
    return (tip, last, f"{name}_knu2_a", middle, f"{name}_knu1_a", base)


_NYU36 = (
    *(name for finger in (PINKY, RING, MIDDLE, INDEX, THUMB) for name in _nyu(finger)),
    *("wrist_ulnar_side", "wrist_radial_side", "palm", "palm_4", "palm_5", "wrist"),
)
NYU_EVALUATED = (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32)
"""Which of NYU's 36 are measured on."""
_BIGHAND = (
    "wrist",
    *(finger[0] for finger in OUTWARD),
    *(name for finger in OUTWARD for name in finger[1:]),
)
_TO_PALM = tuple(name for finger in OUTWARD for name in finger[::-1])

ORDERS: dict[str, Names] = {
    "canonical": JOINTS,
    "mediapipe": JOINTS,
    "freihand": JOINTS,
    "dexycb": JOINTS,
    "msra": ("wrist", *INDEX, *MIDDLE, *RING, *PINKY, *THUMB),
    "icvl": ("palm", *(f"{name}_{at}" for name in FINGER_NAMES for at in ("root", "mid", "tip"))),
    "nyu36": _NYU36,
    "nyu14": tuple(_NYU36[row] for row in NYU_EVALUATED),
    "hands2017": _BIGHAND,
    "fpha": _BIGHAND,
    "rhd": ("wrist", *_TO_PALM),
    "stb": ("palm", *PINKY, *RING, *MIDDLE, *INDEX, *THUMB),
    "ho3d": (
        "wrist",
        *(name for finger in (INDEX, MIDDLE, PINKY, RING, THUMB) for name in finger[:3]),
        *(finger[3] for finger in OUTWARD),
    ),
    "interhand": (*_TO_PALM, "wrist"),
    "webxr": (
        "wrist",
        *THUMB,
        *(
            name
            for finger in (INDEX, MIDDLE, RING, PINKY)
            for name in (finger[0].replace("mcp", "metacarpal"), *finger)
        ),
    ),
}
"""The joints of each data set in its own order, of one hand where it has two. ICVL's are middles of
pieces of fingers: only the outermost stands for a joint of ours, the tip."""


def to_canonical(joints: ArrayLike, order: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Joints (..., J, 3) of a data set in our order: (..., 21, 3) with NaN where it has none, and
    which there are, (..., 21). A joint that is not finite is none.

    Raises ValueError on an order that is not known, and on another number of joints than it has.
    """
    rows = _rows(joints, order, names_of(order))
    result = _taken(rows, names_of(order), JOINTS)
    there = np.isfinite(result.sum(-1))
    result[~there] = np.nan
    return result, there


def from_canonical(joints: ArrayLike, order: str) -> NDArray[np.float64]:
    """Our joints (..., 21, 3) in the order of a data set: (..., J, 3), NaN for those of its own.

    Raises ValueError on an order that is not known, and on another shape.
    """
    return _taken(_rows(joints, "canonical", JOINTS), JOINTS, names_of(order))


def names_of(order: str) -> Names:
    """The names of the joints of an order. Raises ValueError on one that is not known."""
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    return ORDERS[order]


def _rows(joints: ArrayLike, order: str, names: Names) -> NDArray[np.float64]:
    rows = np.asarray(joints, np.float64)
    if rows.ndim < 2 or rows.shape[-2:] != (len(names), 3):
        raise ValueError(f"joints of {order} must be (..., {len(names)}, 3), got {rows.shape}")
    return rows


def _taken(rows: NDArray[np.float64], names: Names, wanted: Names) -> NDArray[np.float64]:
    result = np.full((*rows.shape[:-2], len(wanted), 3), np.nan)
    for to, name in enumerate(wanted):
        if name in names:
            result[..., to, :] = rows[..., names.index(name), :]
    return result
