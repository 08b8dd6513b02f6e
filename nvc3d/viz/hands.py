"""Hands as skeletons over the points that are seen of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nvc3d.geometry.hand_joints import BONES, FINGERS, JOINTS
from nvc3d.viz.arrays import Floats
from nvc3d.viz.figure import COLOURS, INK, SMALL, new_figure, save

TRUTH = "0.35"
VIEWS = (("from the camera", (0, 1)), ("from its right", (2, 1)))
"""Names, and the axes to the right and down. The camera looks along z."""


class DrawnHand(NamedTuple):
    """A hand to draw; lengths in mm, x to the right, y down, z forward."""

    title: str
    points: ArrayLike
    """(N, 3)"""
    joints: ArrayLike
    """(21, 3), NaN where they are not known"""
    truth: ArrayLike | None = None
    """likewise"""


def draw_hands(path: str | os.PathLike[str], hands: Sequence[DrawnHand]) -> Path:
    """Draw hands beside each other, from the camera and from its right, as a PNG: the points pale,
    fingers in colours, the truth in grey.

    Raises ValueError on shapes that do not fit and where there is nothing to draw, MissingExtra
    without matplotlib, and OSError where the file cannot be written.
    """
    if not hands:
        raise ValueError("there is nothing to draw: hands must not be empty")
    figure = new_figure(max(2.0 * len(hands), 3.2) + 0.4, 2.0 * len(VIEWS) + 0.8)
    axes = figure.subplots(len(VIEWS), len(hands), squeeze=False)
    for column, hand in enumerate(hands):
        points = _rows(hand.points, "points")
        joints = _rows(hand.joints, "joints", len(JOINTS))
        truth = None if hand.truth is None else _rows(hand.truth, "truth", len(JOINTS))
        every = np.concatenate([points, joints, *([] if truth is None else [truth])])
        low, high = np.nanmin(every, 0), np.nanmax(every, 0)
        middle, reach = (low + high) / 2, (high - low).max() / 2 * 1.05 or 1.0
        axes[0, column].set_title(hand.title, fontsize=SMALL, color=INK)
        for line, (name, (across, down)) in enumerate(VIEWS):
            axis = axes[line, column]
            axis.scatter(points[:, across], points[:, down], s=2, color="0.8", linewidths=0)
            if truth is not None:
                _draw_bones(axis, truth[:, [across, down]], TRUTH)
            _draw_bones(axis, joints[:, [across, down]])
            axis.set(
                xlim=middle[across] + reach * np.array([-1, 1]),
                ylim=middle[down] + reach * np.array([1, -1]),
                aspect="equal",
                xticks=[],
                yticks=[],
            )
            for side in axis.spines.values():
                side.set_visible(False)
            if column == 0:
                axis.set_ylabel(name, fontsize=SMALL, color=INK)
    for number, name in enumerate(FINGERS):
        axes[0, 0].plot([], [], color=COLOURS[number], label=name.removesuffix("_finger"))
    if any(hand.truth is not None for hand in hands):
        axes[0, 0].plot([], [], color=TRUTH, linewidth=1, label="truth")
    columns = 6 if len(hands) > 2 else 3
    figure.legend(loc="lower center", ncols=columns, frameon=False, fontsize=SMALL, labelcolor=INK)
    figure.subplots_adjust(0.3 / figure.get_figwidth(), 0.1, 0.995, 0.94, 0.02, 0.02)
    return save(figure, path)


def _rows(values: ArrayLike, name: str, count: int | None = None) -> Floats:
    rows = np.asarray(values, np.float64)
    if rows.ndim != 2 or rows.shape[1] != 3 or len(rows) == 0 or count not in (None, len(rows)):
        raise ValueError(f"{name} must be ({count or 'N'}, 3), got {rows.shape}")
    return rows


def _draw_bones(axis: Any, places: Floats, colour: str | None = None) -> None:
    """The bones of joints (21, 2), in one colour or in those of their fingers."""
    finger = {joint: i for i, chain in enumerate(FINGERS.values()) for joint in chain}
    for parent, joint in BONES:
        axis.plot(
            *places[[parent, joint]].T,
            color=colour or COLOURS[finger[joint]],
            linewidth=1.0 if colour else 1.6,
            marker=None if colour else "o",
            markersize=2.5,
            solid_capstyle="round",
            zorder=2 if colour else 3,
        )
