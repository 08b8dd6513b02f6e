"""Guitars, monitors, laptops and umbrellas."""

from __future__ import annotations

import numpy as np

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.primitives import (
    Parts,
    Piece,
    arc,
    box,
    circle,
    curve,
    cylinder,
    lathe,
    loft,
    prism,
    rod,
    rounded_box,
    rounded_rectangle,
    sheet,
    torus,
    tube,
)


def guitar(draw: Draw) -> Parts:
    parts = Parts("body", "neck", "head", "bridge", "peg")
    electric = draw.chance(0.5)
    length, lower = draw.between(0.44, 0.52), draw.between(0.17, 0.21)
    waist, upper = lower * draw.between(0.62, 0.76), lower * draw.between(0.7, 0.82)
    thick = draw.between(0.035, 0.05) if electric else draw.between(0.085, 0.12)
    # The outline, counter-clockwise from the bottom: right side up, left side down (y, z).
    right = [(0.55, 0.02), (1, 0.26), (waist / lower, 0.58), (upper / lower, 0.8), (0.5, 0.98)]
    left = right
    middle = [(0.16, 1.0)]
    if electric:
        horn, deep = draw.between(0.98, 1.14), draw.between(0.78, 0.86)
        form = draw.choice(("double", "single", "vee"))
        left = [*right[:3], (0.8, 0.84), (0.66, horn), (0.42, 0.94), (0.2, deep)]
        right = [*right[:3], (0.78, 0.8), (0.66, 0.95), (0.44, 0.9), (0.2, deep)]
        middle = [(0.12, deep)]
        if form == "single":
            left = [*left[:3], (0.78, 0.82), (0.5, 0.98), (0.2, 1.0)]
        elif form == "vee":
            left = right = [(0.3, 0.22), (0.75, -0.02), (1.05, 0.05), (0.7, 0.55), (0.3, 0.9)]
            middle = [(0.16, 0.95)]
    half = [np.array([*side, *middle]) for side in (right, left)]
    points = np.concatenate([half[0], half[1][::-1] * (-1, 1)]) * (lower, length)
    outline = curve(points, 5, closed=True)
    # The prism is made lying down: its y is the guitar's height.
    body = prism(outline, thick).turn("x", 90).turn("z", 90).move(x=-thick)
    parts.add("body", body)
    joint = draw.between(0.72, 0.8) * length
    neck, top = draw.between(0.022, 0.028), length + draw.between(0.3, 0.4)
    rings = [
        np.column_stack(
            [np.add(rounded_rectangle(0.03, 2 * w, 0.01, 3), (0.004, 0)), np.full(12, z)]
        )
        for w, z in ((neck, joint), (0.8 * neck, top))
    ]
    parts.add("neck", loft(rings))
    tall, wide = draw.between(0.13, 0.18), draw.between(0.035, 0.05)
    slant = draw.choice((0.0, 0.5))
    corners = [
        (-0.8 * neck, 0),
        (-wide, 0.25 * tall),
        (-wide, tall * (1 - slant * 0.4)),
        (wide, tall),
        (wide, 0.25 * tall),
        (0.8 * neck, 0),
    ]
    head = prism(np.array(corners)[::-1], 0.018).turn("x", 90).turn("z", 90)
    parts.add("head", head.move(x=-0.009).turn("y", -10).move(z=top))
    for i in range(3):
        z = tall * (0.35 + 0.24 * i)
        for side in (-1, 1):
            peg = rod((0, side * wide * 0.9, z), (0, side * (wide + 0.025), z), 0.006, 0.011, 6)
            parts.add("peg", peg.turn("y", -10).move(z=top))
    low = draw.between(0.2, 0.3) * length
    parts.add("bridge", box((0.014, 0.5 * lower, 0.03), (0.007, 0, low)))
    if electric:
        for i in range(draw.whole(1, 3)):
            parts.add("bridge", box((0.012, 0.075, 0.03), (0.006, 0, low + 0.07 + 0.055 * i)))
    else:
        hole = torus(0.25 * lower, 0.007, 20).turn("y", 90)
        parts.add("body", hole.move(0.002, 0, 0.62 * length))
    return parts


def monitor(draw: Draw) -> Parts:
    parts = Parts("screen", "frame", "neck", "base")
    tall = draw.between(0.28, 0.4)
    width = tall * draw.choice((1.33, 1.6, 1.78, 1.78, 2.3)) * draw.between(0.95, 1.05)
    lift = draw.between(0.06, 0.18)
    middle = lift + tall / 2
    if draw.chance(0.15):
        return _tube_monitor(draw, parts, min(width, 1.35 * tall), tall)
    thick, rim = draw.between(0.02, 0.05), draw.between(0.008, 0.03)
    bow = draw.between(0.03, 0.09) if width > 2 * tall and draw.chance(0.7) else 0.0
    panel = _bent_panel(width, tall, thick, bow)
    parts.add("frame", panel.move(z=middle))
    glass = _bent_panel(width - 2 * rim, tall - 2 * rim, 0.006, bow * (1 - 2 * rim / width) ** 2)
    lean = draw.between(-4, 8)
    parts.add("screen", glass.move(x=thick / 2 + 0.002, z=middle))
    parts.pieces = [p.move(z=-middle).turn("y", -lean).move(z=middle) for p in parts.pieces]
    behind = -thick / 2 - 0.02
    style = draw.choice(("post", "post", "vee", "feet", "arm"))
    if style == "feet":
        for y in (-0.33 * width, 0.33 * width):
            parts.add("neck", rod((0, y, lift + 0.01), (0.09, y, 0), 0.008))
            parts.add("neck", rod((0, y, lift + 0.01), (-0.09, y, 0), 0.008))
        return parts
    wide = draw.between(0.04, 0.12)
    parts.add("neck", box((0.025, wide, middle), (behind, 0, middle / 2)))
    parts.add("neck", box((0.03, 0.1, 0.1), (behind + 0.01, 0, middle)))
    deep = draw.between(0.16, 0.24)
    if style == "vee":
        for side in (-1, 1):
            parts.add(
                "base", rod((behind, 0, 0.008), (0.7 * deep, side * deep, 0.008), 0.012, segments=6)
            )
        parts.add("base", rod((behind, 0, 0.008), (-0.5 * deep, 0, 0.008), 0.012, segments=6))
    elif draw.chance(0.5):
        plate = prism(circle(28) * (deep / 2, draw.between(0.5, 1) * deep), 0.012)
        parts.add("base", plate)
    else:
        size = (deep, draw.between(1, 1.8) * deep, 0.014)
        parts.add("base", rounded_box(size, (0, 0, 0.007), 0.006))
    return parts


def laptop(draw: Draw) -> Parts:
    parts = Parts("base", "screen", "key", "lid")
    width, depth = draw.between(0.3, 0.4), draw.between(0.2, 0.27)
    thick, thin = draw.between(0.012, 0.028), draw.between(0.005, 0.012)
    corner = draw.between(0.004, 0.02)
    base = prism(rounded_rectangle(depth, width, corner, 3), thick)
    parts.add("base", base)
    lid = prism(rounded_rectangle(depth, width, corner, 3), thin).move(depth / 2, 0, 0)
    rim = draw.between(0.008, 0.02)
    glass = box((depth - 2 * rim, width - 2 * rim, 0.002), (depth / 2, 0, -0.001))
    # Shut, the lid lies on the base; it opens about the hinge at the rear edge.
    opening = draw.between(75, 135)
    hinge = (-depth / 2 + 0.006, 0, thick + 0.003)
    parts.add("lid", lid.turn("y", -opening).move(*hinge))
    parts.add("screen", glass.turn("y", -opening).move(*hinge))
    parts.add(
        "base", cylinder(0.006, 0.5 * width).turn("x", 90).move(hinge[0], 0.25 * width, thick)
    )
    rows, columns = draw.whole(4, 5), draw.whole(10, 14)
    room, span = 0.48 * depth, draw.between(0.84, 0.94) * width
    pitch, step = room / rows, span / columns
    for row in range(rows):
        x = -0.38 * depth + pitch * (row + 0.5)
        for column in range(columns):
            wide = 1
            if row == rows - 1 and 3 <= column < 8:
                if column != 5:
                    continue
                wide = 5
            y = step * (column + 0.5) - span / 2
            parts.add("key", box((0.8 * pitch, (wide - 0.2) * step, 0.003), (x, y, thick + 0.0015)))
    pad = draw.between(0.25, 0.35)
    parts.add("base", box((0.24 * depth, pad * width, 0.001), (0.33 * depth, 0, thick + 0.0005)))
    return parts


def umbrella(draw: Draw) -> Parts:
    parts = Parts("canopy", "pole", "handle")
    panels = draw.whole(6, 10)
    radius, rise = draw.between(0.45, 0.6), draw.between(0.18, 0.34)
    droop, dip = draw.between(1.5, 2.4), draw.between(0.02, 0.06)
    tall = draw.between(0.75, 0.95)
    around = np.linspace(0, 1, 6 * panels + 1)  # (K,)
    out = np.linspace(0.02, 1, 9)[:, None]  # (R, 1)
    # Between two ribs the cloth hangs a little lower and its edge runs a little further in.
    slack = np.abs(np.sin(np.pi * panels * around))
    reach = radius * out * (1 - 0.1 * slack * out)
    angle = 2 * np.pi * around
    z = tall - rise * out**droop - dip * slack * out**2
    grid = np.stack([reach * np.cos(angle), reach * np.sin(angle), z], -1)
    parts.add("canopy", sheet(grid))
    open_parasol = draw.chance(0.25)
    parts.add("pole", rod((0, 0, -0.6 if open_parasol else 0), (0, 0, tall + 0.07), 0.01, 0.007))
    if open_parasol:
        parts.add("handle", lathe([(0.2, -0.62), (0.2, -0.58), (0.05, -0.55), (0.02, -0.45)]))
        return parts
    thick = draw.between(0.013, 0.02)
    if draw.chance(0.7):
        bend = draw.between(0.045, 0.075)
        hook = np.concatenate([[(bend, 0.12)], arc(bend, 0, -190, 13)])
        path = np.column_stack([hook[:, 0] - bend, np.zeros(len(hook)), hook[:, 1]])
        parts.add("handle", tube(path, thick))
    else:
        parts.add(
            "handle",
            lathe([(0.7 * thick, -0.14), (1.3 * thick, -0.12), (thick, 0), (0.6 * thick, 0.03)]),
        )
    return parts


def _tube_monitor(draw: Draw, parts: Parts, width: float, tall: float) -> Parts:
    """The deep kind, with a picture tube."""
    deep, lift = draw.between(0.3, 0.42), 0.06
    middle = lift + tall / 2
    parts.add("frame", rounded_box((0.09, width, tall), (0, 0, middle), 0.02))
    parts.add("screen", rounded_box((0.02, 0.84 * width, 0.8 * tall), (0.045, 0, middle), 0.01))
    rings = []
    for x, share in ((-deep, 0.45), (-0.4 * deep, 0.8), (-0.04, 0.95)):
        outline = rounded_rectangle(share * width, share * tall, 0.03, 3)
        rings.append(np.column_stack([np.full(12, x), np.add(outline, (0, middle))]))
    parts.add("frame", loft(rings))
    parts.add("neck", cylinder(0.07, lift + 0.03).move(x=-0.12))
    parts.add("base", lathe([(0.15, 0), (0.15, 0.015), (0.08, 0.03)]).move(x=-0.12))
    return parts


def _bent_panel(width: float, tall: float, thick: float, bow: float) -> Piece:
    """An upright panel that faces x; its two ends come forward by `bow`."""
    rings = []
    for y in np.linspace(-width / 2, width / 2, 9 if bow else 2):
        forward = bow * (2 * y / width) ** 2
        section = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) * (thick / 2, tall / 2)
        x, z = section.T
        rings.append(np.column_stack([x + forward, np.full(4, y), z]))
    return loft(rings)
