"""A floor plan as SVG: to scale on paper, with a scale bar."""

from __future__ import annotations

import math
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from nvc3d.atomic import atomic_write
from nvc3d.geometry.plan import Plan

Floats = NDArray[np.float64]

WIDE, HIGH, MARGIN, FOOT = 180.0, 240.0, 10.0, 16.0
"""Of the drawing at most, around it, and below it for the bar, in mm of paper."""
BAR = 50.0
"""The scale bar at most, in mm."""


def draw_floor_plan(path: Path, plan: Plan, unit: float | None) -> None:
    """Draw a plan: walls as thick lines, windows as double ones, doors as dashed ones; what is low
    as thin ones or, where it is flat, pale. `unit` metres are one of its units, and one metre where
    that is unknown.

    Raises OSError where the file cannot be written.
    """
    metres = 1.0 if unit is None else unit
    ends = [end for wall in plan.walls for part in wall for end in part]
    places = np.concatenate([*ends, *(rings[0] for rings in plan.flats), np.zeros((0, 2))])
    if not len(places):
        places = np.zeros((1, 2))
    low, high = places.min(0), places.max(0)
    wide, deep = (high - low) * metres * 1000
    scale = _round_up(max(wide / WIDE, deep / HIGH, 1e-6))
    to_paper = metres * 1000 / scale

    def put(points: Floats) -> str:
        x = MARGIN + (points[:, 0] - low[0]) * to_paper
        y = MARGIN + (high[1] - points[:, 1]) * to_paper  # down the page
        return " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(x, y, strict=True))

    width = max(wide / scale, BAR) + 2 * MARGIN
    height = deep / scale + 2 * MARGIN + FOOT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.1f}mm" height="{height:.1f}mm" '
        f'viewBox="0 0 {width:.1f} {height:.1f}">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    extents = [float(np.ptp(rings[0], axis=0).prod()) for rings in plan.flats]
    for rings, extent in zip(plan.flats, extents, strict=True):
        shape = " ".join(f"M {put(ring)} Z" for ring in rings)
        fill = "#f2f0ea" if extent == max(extents) else "#e3ddcf"
        lines.append(
            f'<path d="{shape}" fill="{fill}" fill-rule="evenodd" stroke="#b5ab95" '
            'stroke-width="0.2"/>'
        )
    for wall in plan.walls:
        for kind, look in (
            (wall.low, 'stroke="#998f78" stroke-width="0.25"'),
            (wall.door, 'stroke="#555" stroke-width="0.3" stroke-dasharray="1.5 1.5"'),
            (wall.window, 'stroke="#333" stroke-width="0.9"'),
            (wall.window, 'stroke="white" stroke-width="0.5"'),
            (wall.solid, 'stroke="#222" stroke-width="0.9" stroke-linecap="square"'),
        ):
            lines += [f'<polyline points="{put(part)}" fill="none" {look}/>' for part in kind]
    lines += _bar(width, height, to_paper / metres)
    across = " x ".join(_length(extent / 1000) for extent in (wide, deep))
    note = f"{across}, 1 : {scale:g}" + ("" if unit else ", if a unit is a metre")
    lines.append(_text(MARGIN, height - 3.5, note))
    with atomic_write(path) as file:
        file.write("\n".join([*lines, "</svg>", ""]).encode())


def _bar(width: float, height: float, per_metre: float) -> list[str]:
    """A bar of a round length, in four fields."""
    metres = _round_down(min(BAR, width - 2 * MARGIN) / per_metre)
    step, top = metres * per_metre / 4, height - FOOT
    fields = [
        f'<rect x="{MARGIN + i * step:.2f}" y="{top:.2f}" width="{step:.2f}" height="1.6" '
        f'fill="{("#222", "white")[i % 2]}" stroke="#222" stroke-width="0.2"/>'
        for i in range(4)
    ]
    return [
        *fields,
        _text(MARGIN, top + 5.0, "0"),
        _text(MARGIN + 4 * step, top + 5.0, _length(metres)),
    ]


def _text(x: float, y: float, text: str) -> str:
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" font-family="sans-serif" font-size="3" fill="#222">'
        f"{escape(text)}</text>"
    )


def _length(metres: float) -> str:
    for unit, per_metre in (("km", 1e-3), ("m", 1), ("cm", 100), ("mm", 1000)):
        if metres * per_metre >= 1:
            return f"{metres * per_metre:.3g} {unit}"
    return f"{metres * 1000:.3g} mm"


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, ..."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def _round_down(value: float) -> float:
    """The one before of 1, 2, 5, 10, 20, 50, ..."""
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in (1, 2, 5) if step * power <= value * (1 + 1e-9))
