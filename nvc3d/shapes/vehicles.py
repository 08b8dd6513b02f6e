"""Cars, skateboards and sailing boats."""

from __future__ import annotations

import numpy as np

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.primitives import (
    Parts,
    Piece,
    arc,
    box,
    cylinder,
    lathe,
    level,
    loft,
    rod,
    rounded_box,
    rounded_rectangle,
    sheet,
)


def car(draw: Draw) -> Parts:
    parts = Parts("body", "cabin", "wheel", "light")
    kind = draw.choice(("sedan", "hatchback", "wagon", "coupe", "pickup", "van", "suv"))
    length, width = draw.between(4, 4.9), draw.between(1.7, 1.95)
    radius, clear = draw.between(0.29, 0.35), draw.between(0.16, 0.24)
    belt, roof = draw.between(0.85, 0.98), draw.between(1.38, 1.52)
    # Where the glass starts and ends, on the belt line and on the roof, from the rear (0) to the
    # front (1).
    glass = {
        "sedan": (0.14, 0.72, 0.28, 0.54),
        "hatchback": (0.02, 0.72, 0.1, 0.54),
        "wagon": (0.01, 0.72, 0.05, 0.54),
        "coupe": (0.08, 0.66, 0.33, 0.5),
        "pickup": (0.36, 0.74, 0.4, 0.58),
        "van": (0.0, 0.9, 0.01, 0.74),
        "suv": (0.01, 0.74, 0.06, 0.6),
    }[kind]
    if kind in ("van", "suv", "pickup"):
        clear, radius, roof = clear + 0.1, radius + 0.05, draw.between(1.65, 1.85)
        belt += 0.12
    if kind == "van":
        length, roof = draw.between(4.6, 5.6), draw.between(1.95, 2.4)
    if kind == "coupe":
        belt, roof = belt - 0.08, draw.between(1.22, 1.34)
    nose, tail = draw.between(0.7, 0.9), draw.between(0.85, 1)
    hood = belt * draw.between(0.94, 1)

    # The body: upright sections along the length, from the rear to the front.
    places = np.array([0, 0.03, 0.12, 0.35, 0.6, 0.75, 0.93, 0.985, 1])
    tops = np.array([0.8 * tail, tail, 1, 1, 1, 1, nose, 0.9 * nose, 0.72 * nose]) * belt
    tops[5] = min(hood, tops[5])
    sides = np.array([0.86, 0.95, 1, 1, 1, 1, 0.95, 0.88, 0.8]) * width
    rings = []
    for place, top, side in zip(places, tops, sides, strict=True):
        outline = rounded_rectangle(side, top - clear, 0.22 * (top - clear), 3)
        x = np.full(len(outline), (place - 0.5) * length)
        rings.append(np.column_stack([x, outline[:, 0], outline[:, 1] + (top + clear) / 2]))
    parts.add("body", loft(rings))

    narrow = draw.between(0.74, 0.84)
    cabin = []
    for share, rise in ((0, 0), (0.5, 0.55), (0.9, 0.96), (1, 1)):
        rear = glass[0] + (glass[2] - glass[0]) * share
        front = glass[1] + (glass[3] - glass[1]) * share
        if share == 1:
            rear, front = rear + 0.02, front - 0.02
        wide = width * (0.94 + (narrow - 0.94) * share)
        outline = rounded_rectangle((front - rear) * length, wide, 0.12 * wide, 3)
        z = belt - 0.03 + (roof - belt + 0.03) * rise
        cabin.append(level(np.add(outline, (((front + rear) / 2 - 0.5) * length, 0)), z))
    parts.add("cabin", loft(cabin))
    if kind == "pickup":
        end, high = (0.36 - 0.5) * length, draw.between(0.12, 0.22)
        long = end + length / 2
        for y in (-0.43 * width, 0.43 * width):
            parts.add(
                "body", box((long - 0.08, 0.1, high), (end - long / 2 + 0.04, y, belt + high / 2))
            )
        parts.add("body", box((0.1, 0.8 * width, high), (-length / 2 + 0.08, 0, belt + high / 2)))

    tread = draw.between(0.18, 0.24)
    wheel = _wheel(radius, tread).move(-length / 2, width / 2 - 0.8 * tread, radius)
    for place in (draw.between(0.17, 0.21), draw.between(0.8, 0.83)):
        parts.add("wheel", *wheel.move(place * length).both_sides())
    lamp_z = clear + 0.68 * (nose * belt - clear)
    mirror = ((glass[1] - 0.55) * length, 0.53 * width, belt + 0.06)
    lamps = [
        rounded_box((0.12, 0.3, 0.14), (0.49 * length, 0.33 * width, lamp_z), 0.05),
        box((0.06, 0.2, 0.18), (-0.49 * length, 0.33 * width, 0.75 * belt)),
    ]
    for lamp in lamps:
        parts.add("light", *lamp.both_sides())
    parts.add("body", *rounded_box((0.1, 0.16, 0.12), mirror, 0.04).both_sides())
    return parts


def skateboard(draw: Draw) -> Parts:
    parts = Parts("deck", "truck", "wheel")
    length, width = draw.between(0.7, 1.05), draw.between(0.18, 0.25)
    thick, kick = draw.between(0.01, 0.016), draw.between(0.03, 0.08)
    form = draw.choice(("popsicle", "cruiser", "pintail"))
    t = np.linspace(-1, 1, 25)
    power = {"popsicle": 8, "cruiser": 4, "pintail": 2.2}[form]
    half = width / 2 * np.sqrt(np.maximum(1 - np.abs(t) ** power, 0.02))
    if form != "popsicle":
        half *= 1 + 0.15 * t
    front = kick if form == "popsicle" else 0.3 * kick
    rise = np.where(t > 0, front, kick) * np.maximum((np.abs(t) - 0.6) / 0.4, 0) ** 1.5
    height = draw.between(0.09, 0.12)
    rings = []
    for x, y, z in zip(t * length / 2, half, rise + height, strict=True):
        rim = np.array(
            [(-y, -thick), (0, -1.3 * thick), (y, -thick), (y, 0), (0, -0.3 * thick), (-y, 0)]
        )
        rings.append(np.column_stack([np.full(6, x), np.add(rim, (0, z))]))
    parts.add("deck", loft(rings))
    radius, tread = draw.between(0.026, 0.036), draw.between(0.035, 0.05)
    axle = 0.42 * width
    for x in (-draw.between(0.27, 0.33) * length, draw.between(0.27, 0.33) * length):
        parts.add("truck", rod((x, -axle, radius), (x, axle, radius), 0.012))
        under = height - 1.3 * thick
        parts.add("truck", rod((x, 0, radius), (x, 0, under), 0.014, 0.03, 8))
        parts.add("truck", box((0.08, 0.055, 0.008), (x, 0, under - 0.004)))
        for y in (-axle, axle):
            roll = cylinder(radius, tread, 16).move(z=-tread / 2).turn("x", 90)
            parts.add("wheel", roll.move(x, y, radius))
    return parts


def boat(draw: Draw) -> Parts:
    parts = Parts("hull", "mast", "sail", "keel")
    length, beam = draw.between(4, 6), draw.between(1.3, 2.1)
    deep, full = draw.between(0.6, 0.9), draw.between(1.6, 3)
    stern = draw.between(0.55, 0.85)
    t = np.linspace(0, 1, 13)
    ahead = np.maximum(t - 0.4, 0) / 0.6
    taper = np.sqrt(np.maximum(1 - ahead**full, 1e-3))
    half = beam / 2 * taper * np.interp(t, [0, 0.4], [stern, 1])
    floor = deep * (1 - 0.75 * np.maximum((t - 0.5) / 0.5, 0) ** 2 - 0.25 * (1 - t) ** 3)
    sheer = 0.25 * deep * np.maximum((t - 0.3) / 0.7, 0) ** 2
    section = arc(1, 180, 360, 11)
    section = np.sign(section) * np.abs(section) ** 0.7
    rings = []
    for x, y, z, up in zip((t - 0.45) * length, half, floor, sheer, strict=True):
        deck = np.array([(0.5 * y, up + 0.02), (-0.5 * y, up + 0.02)])
        rim = np.concatenate([section * (y, z + up) + np.array((0, up)), deck])
        rings.append(np.column_stack([np.full(len(rim), x), rim]))
    parts.add("hull", loft(rings))
    tall, step = length * draw.between(0.95, 1.3), draw.between(0.05, 0.14) * length
    parts.add("mast", rod((step, 0, 0), (step, 0, tall), 0.06, 0.03))
    low, boom = 0.5, draw.between(0.38, 0.5) * length
    parts.add("mast", rod((step, 0, low), (step - boom, 0, low), 0.035))
    parts.add(
        "sail",
        _sail((step, low + 0.05), (step - 0.05, 0.97 * tall), (step - boom, low + 0.05), 0.25),
    )
    if draw.chance(0.7):
        bow, head = 0.54 * length, tall * draw.between(0.7, 0.95)
        parts.add("sail", _sail((bow, 0.3), (step + 0.05, head), (step + 0.1, 0.45), 0.2))
    if draw.chance(0.35):
        parts.add(
            "hull", rounded_box((0.3 * length, 0.55 * beam, 0.3), (-0.05 * length, 0, 0.12), 0.08)
        )
    fin = [
        (-0.1 * length, -0.5 * deep),
        (0.12 * length, -0.5 * deep),
        (0.04 * length, -1.7 * deep),
        (-0.06 * length, -1.7 * deep),
    ]
    parts.add("keel", _fin(np.array(fin), 0.08))
    helm = [
        (-0.44 * length, -0.1),
        (-0.38 * length, -0.1),
        (-0.39 * length, -1.2 * deep),
        (-0.45 * length, -1.2 * deep),
    ]
    parts.add("keel", _fin(np.array(helm), 0.05))
    return parts


def _sail(
    tack: tuple[float, float], head: tuple[float, float], clew: tuple[float, float], belly: float
) -> Piece:
    """A three-cornered sail (x, z) that the wind fills to the left."""
    rows = []
    for up in np.linspace(0, 1, 9):
        start = np.add(tack, up * np.subtract(head, tack))
        end = np.add(clew, up * np.subtract(head, clew))
        line = np.linspace(start, end, 7)  # (7, 2)
        bulge = (
            belly * np.sin(np.linspace(0, np.pi, 7)) * np.sin(np.pi * (0.25 + 0.75 * up)) * (1 - up)
        )
        rows.append(np.column_stack([line[:, 0], bulge, line[:, 1]]))
    return sheet(np.stack(rows))


def _fin(outline: np.ndarray, thick: float) -> Piece:
    """A flat upright plate from its corners (x, z)."""
    sides = [
        np.column_stack([outline[:, 0], np.full(len(outline), y), outline[:, 1]])
        for y in (-thick / 2, thick / 2)
    ]
    return loft(sides)


def _wheel(radius: float, tread: float) -> Piece:
    """A tyre with its hub sunk in, on the y axis, its outer side to the left."""
    profile = [
        *((0.9 * radius, 0), (radius, 0.1 * tread), (radius, 0.85 * tread)),
        *((0.9 * radius, tread), (0.62 * radius, tread), (0.58 * radius, 0.85 * tread)),
        *((0.15 * radius, 0.85 * tread), (0.12 * radius, 0.95 * tread)),
    ]
    return lathe(profile, 24).turn("x", -90)
