"""Planes and rockets."""

from __future__ import annotations

import numpy as np

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.primitives import (
    Floats,
    Parts,
    Piece,
    ball,
    box,
    circle,
    curve,
    lathe,
    loft,
    rod,
    torus,
)


def plane(draw: Draw) -> Parts:
    parts = Parts("fuselage", "wing", "tail", "engine")
    style = draw.choice(
        (_airliner, _airliner, _airliner, _propeller_plane, _propeller_plane, _jet, _glider)
    )
    style(draw, parts)
    return parts


def rocket(draw: Draw) -> Parts:
    parts = Parts("body", "nose", "fin", "engine", "booster")
    radius = draw.between(0.3, 0.6)
    tall = draw.between(2.2, 4.2)
    bulge = draw.choice((1.0, 1.0, 1.35))
    waist = draw.choice((1.0, 1.0, 0.75))
    upper = radius * waist
    middle = draw.between(0.5, 0.75) * tall
    if bulge > 1:
        outline = curve(
            [
                (0.7 * radius, 0),
                (bulge * radius, 0.4 * tall),
                (radius, 0.85 * tall),
                (0.85 * radius, tall),
            ],
            6,
        )
        upper = 0.85 * radius
    else:
        outline = np.array(
            [(radius, 0), (radius, middle), (upper, middle + radius - upper), (upper, tall)]
        )
    parts.add("body", lathe(outline, 28))
    form = draw.choice(("ogive", "ogive", "cone", "round"))
    long = upper * draw.between(1.5, 3.2)
    t = np.linspace(0, 1, 9)
    taper = {"ogive": 1 - t**2, "cone": 1 - t, "round": np.sqrt(1 - t**2)}[form]
    if form == "round":
        long = upper * draw.between(1, 1.8)
    parts.add("nose", lathe(np.column_stack([upper * taper, tall + long * t]), 28))
    if draw.chance(0.25):
        parts.add("nose", rod((0, 0, tall + 0.9 * long), (0, 0, tall + 1.6 * long), 0.03))

    count = draw.whole(3, 4)
    deep, out = draw.between(0.6, 1.3), draw.between(0.5, 1.0)
    drop, sweep = draw.between(-0.2, 0.6), draw.between(0.2, 0.8)
    inner = (0.7 if bulge > 1 else 1.0) * radius - 0.03
    fin = [
        (inner, 0.05),
        (inner + out, -drop),
        (inner + out, -drop + deep * (1 - sweep)),
        (inner, deep + 0.05),
    ]
    plate = _plate(np.array(fin), 0.06)
    parts.add("fin", *(plate.turn("z", 360 * i / count) for i in range(count)))
    engines = draw.choice((1, 1, 3, 4))
    size = inner * (0.75 if engines == 1 else 0.36)
    bell = curve([(size, -0.9 * size), (0.75 * size, -0.4 * size), (0.45 * size, 0)], 4)
    for i in range(engines):
        angle = 2 * np.pi * i / engines
        off = 0 if engines == 1 else 0.55 * inner
        parts.add(
            "engine", lathe(bell, 20, cap=False).move(off * np.cos(angle), off * np.sin(angle))
        )
    if draw.chance(0.3):
        thick, high = draw.between(0.35, 0.55) * radius, draw.between(0.45, 0.7) * tall
        profile = [
            (thick, 0),
            (thick, high),
            (0.6 * thick, high + 0.9 * thick),
            (0, high + 1.6 * thick),
        ]
        for i in range(count):
            booster = lathe(profile, 18).move(x=inner + thick)
            parts.add("booster", booster.turn("z", 360 * (i + 0.5) / count))
    return parts


def _airliner(draw: Draw, parts: Parts) -> None:
    radius, length = draw.between(0.3, 0.42), draw.between(6, 8)
    _fuselage(parts, radius, length, draw.between(0.06, 0.1), draw.between(0.3, 0.4), 0.7)
    span, root = draw.between(0.42, 0.52) * length, draw.between(1.2, 1.7)
    sweep, rise = draw.between(22, 38), draw.between(3, 8)
    at, low = draw.between(0.0, 0.5), -0.55 * radius
    tip = draw.between(0.25, 0.4)
    wing = _wing(span, root, tip, sweep, rise, 0.1)
    parts.add("wing", *wing.move(at, 0.4 * radius, low).both_sides())
    if draw.chance(0.4):
        end = _wing(0.35, tip * root, 0.5, 40, 0, 0.1).turn("x", 80)
        x, z = at - span * np.tan(np.radians(sweep)), low + span * np.sin(np.radians(rise))
        parts.add("wing", *end.move(x, 0.4 * radius + span, z).both_sides())
    high = draw.chance(0.25)
    _tail(draw, parts, radius, -0.47 * length, 0.32 * span, 0.5 * root, high)
    power = draw.between(0.15, 0.21)
    pod = np.array(
        [(0.75, -1.8), (0.9, -1.0), (1.05, 0.5), (1, 1), (0.85, 1), (0.8, 0.4), (0.1, 0.4)]
    )
    engine = lathe(pod * power, 18).turn("y", 90)
    if high:
        side = engine.move(-0.33 * length, radius + 0.7 * power, 0.3 * radius)
        parts.add("engine", *side.both_sides())
        return
    for share in ((0.34,), (0.3, 0.6))[draw.whole(0, 1)]:
        y = 0.4 * radius + share * span
        x = at + 0.3 * root - share * span * np.tan(np.radians(sweep))
        z = low - 1.05 * power + share * span * np.sin(np.radians(rise))
        parts.add("engine", *engine.move(x, y, z).both_sides())


def _propeller_plane(draw: Draw, parts: Parts) -> None:
    radius, length = draw.between(0.4, 0.52), draw.between(4.6, 6)
    _fuselage(parts, radius, length, 0.12, draw.between(0.45, 0.6), 0.35)
    span, root = draw.between(0.42, 0.6) * length, draw.between(0.9, 1.2)
    at = draw.between(0.5, 0.9)
    form = draw.choice(("high", "low", "two"))
    wing = _wing(span, root, draw.between(0.55, 1), draw.between(-2, 6), draw.between(0, 5), 0.13)
    above, below = 0.85 * radius, -0.6 * radius
    if form == "two":
        above = radius + draw.between(0.4, 0.6)
    for z in (above, below) if form == "two" else (above if form == "high" else below,):
        parts.add("wing", *wing.move(at, 0, z).both_sides())
    x = at - 0.4 * root
    if form == "two":
        for share in (0.12, 0.75):
            for dx in (0, 0.4 * root):
                strut = rod(
                    (x + dx, share * span, below), (x + dx, share * span, above), 0.025, segments=6
                )
                parts.add("wing", *strut.both_sides())
    elif form == "high":
        strut = rod((x, 0.3 * radius, below), (x, 0.5 * span, above), 0.03, segments=6)
        parts.add("wing", *strut.both_sides())
    parts.add(
        "fuselage", ball(0.62 * radius, 14).stretch(1.9, 0.75, 1).move(at - 0.3, 0, 0.75 * radius)
    )
    _tail(draw, parts, radius, -0.48 * length, 0.38 * span, 0.55 * root, False)
    nose, blade = length / 2, draw.between(0.6, 0.85)
    blades = draw.whole(2, 4)
    parts.add(
        "engine", lathe([(0.14, 0), (0.11, 0.12), (0, 0.25)], 12).turn("y", 90).move(x=nose - 0.02)
    )
    for i in range(blades):
        piece = box((0.03, 0.11, blade), (0, 0, blade / 2)).turn("z", 25)
        parts.add("engine", piece.turn("x", 360 * i / blades + 20).move(x=nose + 0.05))
    wheel = torus(0.13, 0.07, 16).turn("x", 90)
    ground = -radius - 0.45
    for y in (-0.55, 0.55):
        parts.add("fuselage", wheel.move(0.9, y, ground))
        parts.add(
            "fuselage", rod((0.8, 0.3 * y, -0.8 * radius), (0.9, y, ground), 0.03, segments=6)
        )


def _jet(draw: Draw, parts: Parts) -> None:
    radius, length = draw.between(0.32, 0.42), draw.between(5.5, 7)
    _fuselage(parts, radius, length, 0.3, 0.12, 0.2, end=0.75)
    sweep = draw.between(35, 55)
    wing = _wing(
        draw.between(1.4, 2.0), draw.between(2.2, 3), draw.between(0.1, 0.3), sweep, 0, 0.05
    )
    parts.add("wing", *wing.move(draw.between(0.2, 0.8), 0.5 * radius, -0.1 * radius).both_sides())
    plane = _wing(0.9, 0.9, 0.4, 40, 0, 0.06)
    parts.add("tail", *plane.move(-0.36 * length, 0.6 * radius, 0).both_sides())
    fin = _wing(draw.between(0.9, 1.2), 1.2, 0.4, 45, 0, 0.06).turn("x", 90)
    if draw.chance(0.5):
        twin = fin.turn("x", -18).move(-0.28 * length, 0.7 * radius, 0.4 * radius)
        parts.add("tail", *twin.both_sides())
    else:
        parts.add("tail", fin.move(-0.28 * length, 0, 0.6 * radius))
    canopy = ball(0.6 * radius, 14).stretch(2.6, 0.8, 1)
    parts.add("fuselage", canopy.move(0.22 * length, 0, 0.75 * radius))
    intake = box((0.35 * length, 0.6 * radius, 1.1 * radius)).move(0, 1.05 * radius, -0.15 * radius)
    parts.add("engine", *intake.both_sides())
    nozzle = lathe([(0.7 * radius, 0), (0.62 * radius, 0.35)], 18, cap=False).turn("y", -90)
    parts.add("engine", nozzle.move(x=-length / 2 + 0.02))


def _glider(draw: Draw, parts: Parts) -> None:
    radius, length = draw.between(0.26, 0.32), draw.between(5.5, 6.5)
    _fuselage(parts, radius, length, 0.2, 0.75, 0.3, thin=0.22)
    wing = _wing(draw.between(4, 5.5), draw.between(0.6, 0.8), 0.4, 2, draw.between(2, 6), 0.12)
    parts.add("wing", *wing.move(0.9, 0, 0.55 * radius).both_sides())
    parts.add("fuselage", ball(0.75 * radius, 14).stretch(2.6, 0.8, 1).move(1.5, 0, 0.5 * radius))
    _tail(draw, parts, radius, -0.48 * length, 0.75, 0.45, draw.chance(0.8))


def _fuselage(
    parts: Parts,
    radius: float,
    length: float,
    nose: float,
    tail: float,
    lift: float,
    thin: float = 0.12,
    end: float = 0,
) -> None:
    """A round body along x; nose and tail are shares of its length, the tail is lifted."""
    t = np.linspace(0, 1, 8)
    end = max(end, thin)
    behind = np.column_stack([t * tail, end + (1 - end) * np.sin(t * np.pi / 2)])
    before = np.column_stack([1 - nose + nose * t, np.sqrt(1 - t**2)])
    stations = np.concatenate([behind, before])  # (16, 2): place, radius
    x = (stations[:, 0] - 0.5) * length
    up = lift * radius * np.maximum(1 - stations[:, 0] / tail, 0) ** 1.5
    ring = circle(20)  # (20, 2)
    sections = stations[:, 1, None, None] * radius * ring
    rings = np.concatenate([np.broadcast_to(x[:, None, None], (16, 20, 1)), sections], -1)
    rings[..., 2] += up[:, None]
    parts.add("fuselage", loft(rings))


def _tail(
    draw: Draw, parts: Parts, radius: float, x: float, span: float, root: float, high: bool
) -> None:
    tall = draw.between(0.9, 1.2) * span
    fin = _wing(tall, 1.25 * root, 0.5, draw.between(25, 42), 0, 0.1).turn("x", 90)
    parts.add("tail", fin.move(x + 1.25 * root, 0, 0.5 * radius))
    plane = _wing(span, root, 0.5, draw.between(5, 32), 3, 0.1)
    if high:
        back = x + 1.25 * root - tall * 0.6
        parts.add("tail", *plane.move(back + 0.1, 0, 0.5 * radius + 0.96 * tall).both_sides())
    else:
        parts.add("tail", *plane.move(x + 1.1 * root, 0.1 * radius, 0.55 * radius).both_sides())


def _wing(span: float, root: float, tip: float, sweep: float, rise: float, thick: float) -> Piece:
    """The left wing with its leading edge at the origin.

    `tip` is the chord at the end as a share of `root`; sweep and rise are in degrees.
    """
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    section: Floats = np.column_stack(
        [-0.5 + 0.5 * np.cos(angle), thick / 2 * np.sin(angle) * (0.75 + 0.45 * np.cos(angle))]
    )
    rings = []
    for share in (0.0, 0.5, 0.97, 1.0):
        chord = root * (1 + (tip - 1) * share) * (1 if share < 1 else 0.7)
        y = span * share
        x = section[:, 0] * chord - y * np.tan(np.radians(sweep))
        z = section[:, 1] * chord + y * np.sin(np.radians(rise))
        rings.append(np.column_stack([x, np.full(12, y), z])[::-1])
    return loft(rings)


def _plate(outline: Floats, thick: float) -> Piece:
    """A flat plate in the x-z plane from its corners."""
    sides = (thick / 2, -thick / 2)
    return loft(
        [np.column_stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]]) for y in sides]
    )
