"""Lamps: on a table, on the floor, on a desk, and from the ceiling."""

from __future__ import annotations

import numpy as np

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.primitives import (
    Parts,
    ball,
    box,
    curve,
    cylinder,
    lathe,
    rod,
    tube,
)


def lamp(draw: Draw) -> Parts:
    parts = Parts("base", "pole", "shade", "bulb")
    style = draw.choice((_table_lamp, _table_lamp, _floor_lamp, _desk_lamp, _pendant, _arc_lamp))
    style(draw, parts)
    return parts


def _shade(draw: Draw, parts: Parts, radius: float, z: float, x: float = 0) -> None:
    """An open shade that starts at height z, with its bulb."""
    tall = radius * draw.between(0.9, 1.7)
    form = draw.choice(("cone", "cone", "drum", "bell", "globe", "square"))
    if form == "globe":
        parts.add("shade", ball(0.8 * radius, 20).move(x, 0, z + 0.7 * radius))
        return
    upper = radius * (draw.between(0.35, 0.75) if form != "drum" else 1)
    profile = np.array([(radius, 0), (upper, tall)])
    if form == "bell":
        middle = ((0.62 * upper + 0.38 * radius) * 0.95, 0.45 * tall)
        profile = curve([(radius, 0), middle, (upper, tall)], 5)
    # Four segments, turned by half a step, make a square shade.
    segments, turn = (4, 45) if form == "square" else (28, 0)
    inner = profile[::-1] - (0.015 * radius + 0.002, 0)
    wall = np.concatenate([inner, profile])
    shade = lathe([*wall, wall[0]], segments, cap=False)
    parts.add("shade", shade.turn("z", turn).move(x, 0, z))
    parts.add("bulb", ball(0.22 * radius, 12).move(x, 0, z + 0.45 * tall))
    parts.add("bulb", cylinder(0.1 * radius, 0.4 * tall, 10).move(x, 0, z))


def _table_lamp(draw: Draw, parts: Parts) -> None:
    tall, radius = draw.between(0.22, 0.42), draw.between(0.06, 0.12)
    form = draw.choice(("vase", "vase", "column", "ball", "block"))
    if form == "vase":
        widths = [draw.between(0.55, 0.9), draw.between(0.3, 1), draw.between(0.7, 1.1), 0.25, 0.15]
        profile = np.column_stack([np.multiply(widths, radius), np.linspace(0, tall, 5)])
        parts.add("base", lathe(curve(profile, 5)))
    elif form == "ball":
        count = draw.whole(1, 3)
        size = tall / count / 2
        parts.add("base", lathe([(1.1 * size, 0), (1.1 * size, 0.02), (0.4 * size, 0.04)]))
        parts.add("base", *(ball(size, 16).move(z=0.02 + size * (2 * i + 1)) for i in range(count)))
    elif form == "block":
        parts.add("base", box((1.5 * radius, 1.5 * radius, tall), (0, 0, tall / 2)))
    else:
        parts.add("base", lathe([(radius, 0), (radius, 0.02), (0.3 * radius, 0.05)]))
        parts.add("pole", cylinder(0.12 * radius + 0.004, tall))
    top = tall + draw.between(0.02, 0.06)
    parts.add("pole", cylinder(0.008, top))
    _shade(draw, parts, draw.between(0.14, 0.22), top - 0.02)


def _floor_lamp(draw: Draw, parts: Parts) -> None:
    tall = draw.between(1.1, 1.5)
    start = 0.03
    if draw.chance(0.35):
        reach, start = draw.between(0.22, 0.38), draw.between(0.7, 0.98) * tall
        for i in range(3):
            leg = rod((reach, 0, 0), (0, 0, start), 0.014)
            parts.add("base", leg.turn("z", 120 * i + 60))
    else:
        radius = draw.between(0.13, 0.19)
        parts.add("base", lathe([(radius, 0), (radius, 0.02), (0.3 * radius, 0.04)]))
    parts.add("pole", rod((0, 0, start), (0, 0, tall + 0.02), 0.014))
    _shade(draw, parts, draw.between(0.16, 0.26), tall)


def _desk_lamp(draw: Draw, parts: Parts) -> None:
    radius = draw.between(0.08, 0.11)
    parts.add("base", lathe([(radius, 0), (radius, 0.015), (0.7 * radius, 0.03), (0, 0.032)]))
    lower, upper = draw.between(0.2, 0.3), draw.between(0.18, 0.28)
    back, forth = draw.between(5, 40), draw.between(15, 55)
    elbow = _towards((0, 0, 0.03), -back, lower)
    head = _towards(elbow, 90 - forth + 20, upper)
    doubled = draw.chance(0.4)
    for y in (-0.012, 0.012) if doubled else (0,):
        parts.add("pole", rod((0, y, 0.03), (elbow[0], y, elbow[2]), 0.006))
        parts.add("pole", rod((elbow[0], y, elbow[2]), (head[0], y, head[2]), 0.006))
    parts.add("pole", cylinder(0.013, 0.04, 12).turn("x", 90).move(elbow[0], 0.02, elbow[2]))
    wide, deep = draw.between(0.06, 0.09), draw.between(0.09, 0.14)
    profile = curve(
        [(wide, -deep), (0.85 * wide, -0.5 * deep), (0.35 * wide, -0.1 * deep), (0.2 * wide, 0)], 3
    )
    tilt = -draw.between(10, 45)
    parts.add("shade", lathe(profile, cap=False).turn("y", tilt).move(*head))
    parts.add("bulb", ball(0.4 * wide, 12).move(z=-0.6 * deep).turn("y", tilt).move(*head))


def _pendant(draw: Draw, parts: Parts) -> None:
    drop, radius = draw.between(0.35, 0.8), draw.between(0.14, 0.26)
    _shade(draw, parts, radius, 0)
    parts.add("pole", cylinder(0.006, drop, 6).move(z=0.8 * radius))
    top = 0.8 * radius + drop
    parts.add("base", lathe([(0.015, top - 0.03), (0.06, top), (0.06, top + 0.01)]))


def _arc_lamp(draw: Draw, parts: Parts) -> None:
    reach, tall = draw.between(0.5, 0.9), draw.between(1.2, 1.5)
    parts.add("base", box((0.28, 0.28, 0.05), (0, 0, 0.025)))
    points = [
        (0, 0.05),
        (0, 0.55 * tall),
        (0.25 * reach, 0.92 * tall),
        (0.7 * reach, tall),
        (reach, 0.85 * tall),
    ]
    bent = curve(points, 6)
    path = np.column_stack([bent[:, 0], np.zeros(len(bent)), bent[:, 1]])
    parts.add("pole", tube(path, 0.012))
    radius = draw.between(0.13, 0.2)
    profile = curve(
        [(radius, -radius), (0.9 * radius, -0.5 * radius), (0.5 * radius, -0.1 * radius), (0, 0)], 4
    )
    parts.add("shade", lathe(profile, cap=False).move(reach, 0, 0.85 * tall))
    parts.add("bulb", ball(0.35 * radius, 12).move(reach, 0, 0.85 * tall - 0.5 * radius))


def _towards(
    start: tuple[float, float, float], degrees: float, length: float
) -> tuple[float, float, float]:
    """The end of a bar that leans from the vertical to the front."""
    angle = np.radians(degrees)
    return (
        start[0] + length * float(np.sin(angle)),
        start[1],
        start[2] + length * float(np.cos(angle)),
    )
