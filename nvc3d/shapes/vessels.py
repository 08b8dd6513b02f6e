"""Mugs, bottles, vases, teapots and goblets."""

from __future__ import annotations

import numpy as np

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.primitives import (
    Floats,
    Parts,
    Piece,
    arc,
    ball,
    curve,
    cylinder,
    lathe,
    level,
    loft,
    rounded_rectangle,
    torus,
    tube,
)


def mug(draw: Draw) -> Parts:
    parts = Parts("body", "handle")
    radius, wall = draw.between(0.035, 0.05), draw.between(0.003, 0.005)
    height = radius * draw.between(1.7, 3)
    form = draw.choice(("straight", "tapered", "belly", "waist", "bowl"))
    shape = {
        "straight": [(1, 0), (1, 0.5), (1, 1)],
        "tapered": [(draw.between(0.65, 0.85), 0), (0.9, 0.5), (1, 1)],
        "belly": [(0.7, 0), (draw.between(1.05, 1.2), 0.4), (0.95, 1)],
        "waist": [(1, 0), (draw.between(0.78, 0.9), 0.55), (1, 1)],
        "bowl": [(0.45, 0), (0.85, 0.25), (1, 1)],
    }[form]
    outer = curve(np.array(shape) * (radius, height), 6)
    parts.add("body", _open_vessel(outer, wall, 32))

    low, high = draw.between(0.1, 0.25), draw.between(0.75, 0.92)
    reach = radius * draw.between(0.55, 0.9)
    style = draw.choice(("arc", "arc", "ear", "square"))
    half, middle = (high - low) / 2 * height, (high + low) / 2 * height
    if style == "arc":
        path = arc(1, -90, 90, 13) * (reach, half)
    elif style == "ear":
        path = curve(np.array([(0, -1), (0.5, -0.75), (1, 0.35), (0.75, 0.95), (0, 0.9)]), 4) * (
            reach,
            half,
        )
    else:
        path = np.array([(0, -1), (0.8, -1), (1, -0.8), (1, 0.8), (0.8, 1), (0, 1)]) * (reach, half)
    path[:, 1] += middle
    # The ends are sunk into the middle of the wall, wherever the wall is at their height.
    ends = path[[0, -1], 1]
    path[:, 0] += np.interp(path[:, 1], ends, np.interp(ends, *outer.T[::-1]) - wall / 2)
    bar = np.column_stack([np.zeros(len(path)), path])
    thick = radius * draw.between(0.1, 0.16)
    parts.add("handle", tube(bar, thick, (1, 0, 0), 10, draw.between(1, 1.7)))
    return parts


def bottle(draw: Draw) -> Parts:
    parts = Parts("body", "neck", "cap")
    radius = draw.between(0.032, 0.048)
    neck = radius * draw.between(0.28, 0.45)
    form = draw.choice(("wine", "burgundy", "beer", "water", "square", "flask"))
    body = radius * draw.between(3.2, 5)
    slope = radius * draw.between(0.4, 0.9)
    long = radius * draw.between(1.2, 2.4)
    if form == "burgundy":
        slope, body = radius * draw.between(1.8, 2.6), radius * draw.between(2.6, 3.6)
    elif form == "water":
        long = radius * draw.between(0.3, 0.6)
    elif form == "flask":
        body, slope = radius * draw.between(0.4, 0.9), radius * draw.between(1.3, 2)
    elif form == "beer":
        body, slope, long = radius * 2.6, radius * draw.between(1, 1.4), 0.9 * long
    shoulder = [(radius, 0.0), (0.88 * radius, 0.35), (0.5 * (radius + neck), 0.68), (neck, 1.0)]
    if form == "flask":
        shoulder = [(radius, 0.0), (0.97 * radius, 0.25), (0.6 * radius, 0.7), (neck, 1.0)]
    top = curve([(r, body + t * slope) for r, t in shoulder], 4)
    straight = [(0.9 * radius, 0), (radius, 0.1 * radius), (radius, 0.5 * body)]
    if form == "water":
        # Grooves around the belly, as thin plastic needs them.
        z = np.linspace(0.15 * body, 0.8 * body, 25)
        ripple = radius * (1 - 0.05 * (1 - np.cos(z / body * 12 * np.pi)) / 2)
        straight = [(0.85 * radius, 0), (radius, 0.05 * body), *zip(ripple, z, strict=True)]
    profile = np.concatenate([straight, top])
    if form == "square":
        outline = rounded_rectangle(2, 2, 0.5, 5)
        parts.add("body", loft(np.stack([level(outline * r, z) for r, z in profile])))
    else:
        parts.add("body", lathe(profile, 28))
    rim = body + slope
    parts.add("neck", cylinder(neck, long).move(z=rim))
    parts.add("neck", torus(neck, 0.12 * neck).move(z=rim + 0.85 * long))
    end = rim + long
    if draw.chance(0.75):
        wide = neck * draw.between(1.1, 1.35)
        tall = draw.between(0.5, 1.4) * neck
        parts.add(
            "cap",
            lathe([(wide, 0), (wide, tall), (0.9 * wide, 1.1 * tall)]).move(z=end - 0.1 * tall),
        )
    return parts


def vase(draw: Draw) -> Parts:
    parts = Parts("body", "foot", "handle")
    height = 1.0
    widths = [
        draw.between(0.15, 0.3),
        draw.between(0.2, 0.45),
        draw.between(0.2, 0.5),
        draw.between(0.1, 0.3),
        draw.between(0.12, 0.38),
    ]
    levels = [0, draw.between(0.18, 0.3), draw.between(0.45, 0.6), draw.between(0.75, 0.85), height]
    outer = curve(np.column_stack([widths, levels]), 6)
    style = draw.choice(("round", "round", "round", "fluted", "faceted", "twisted"))
    if style in ("round", "faceted"):
        segments = 32 if style == "round" else draw.whole(4, 8)
        parts.add("body", _open_vessel(outer, 0.025, segments))
    else:
        count = draw.whole(5, 8)
        angle = np.arange(56) * (2 * np.pi / 56)
        deep = draw.between(0.04, 0.1)
        turn = draw.between(0.4, 1.1) if style == "twisted" else 0.0
        wall = _wall(outer, 0.025)
        phase = angle + turn * wall[:, 1:]  # (K, 56)
        around = wall[:, :1] * (1 + deep * np.cos(count * phase))
        rings = np.stack(
            [around * np.cos(angle), around * np.sin(angle), 0 * angle + wall[:, 1:]], -1
        )
        parts.add("body", loft(rings))
    if draw.chance(0.4):
        foot = widths[0]
        parts.add("foot", lathe([(1.3 * foot, -0.08), (1.3 * foot, -0.05), (0.9 * foot, 0.01)]))
    if style == "round" and draw.chance(0.4):
        low, high = draw.between(0.4, 0.55), draw.between(0.8, 0.92)
        at = np.interp([low, high], outer[:, 1], outer[:, 0]) - 0.012
        out = max(at) + draw.between(0.08, 0.18)
        path = curve(
            [(at[0], low), (out, 0.6 * high + 0.4 * low), (0.9 * out, high), (at[1], high)], 5
        )
        bar = np.column_stack([np.zeros(len(path)), path])
        handle = tube(bar, draw.between(0.018, 0.03), (1, 0, 0), 8)
        parts.add("handle", *handle.both_sides())
    return parts


def teapot(draw: Draw) -> Parts:
    parts = Parts("body", "lid", "spout", "handle")
    radius = 1.0
    tall = draw.between(1.1, 1.9)
    rim = draw.between(0.45, 0.65)
    foot = draw.between(0.5, 0.7)
    fat = draw.between(0.35, 0.55) * tall
    outer = curve(
        [(foot, 0), (0.93, 0.55 * fat), (radius, fat), (0.85, 0.8 * tall), (rim, tall)], 5
    )
    parts.add("body", lathe(outer, 32))
    dome = draw.between(0.12, 0.35)
    cover = curve([(rim + 0.03, tall), (0.75 * rim, tall + 0.7 * dome), (0.1, tall + dome)], 4)
    parts.add("lid", lathe(cover, 28))
    knob = draw.between(0.1, 0.16)
    parts.add("lid", ball(knob, 12).move(z=tall + dome + 0.6 * knob))

    reach, mouth = draw.between(1.6, 1.95), draw.between(0.85, 1.1) * tall
    start = np.interp(0.35 * tall, outer[:, 1], outer[:, 0]) - 0.15
    if draw.chance(0.6):
        knots = [(start, 0.3 * tall), (1.25, 0.42 * tall), (1.4, 0.72 * tall), (reach, mouth)]
        path = curve(knots, 5)
    else:
        path = np.linspace((start, 0.4 * tall), (reach, mouth), 6)
    radii = np.linspace(draw.between(0.24, 0.34), draw.between(0.09, 0.14), len(path))
    spout = np.column_stack([path[:, 0], np.zeros(len(path)), path[:, 1]])
    parts.add("spout", tube(spout, radii, (0, 1, 0), 12))

    thick = draw.between(0.07, 0.11)
    style = draw.choice(("side", "side", "side", "top"))
    if style == "side":
        half, out = draw.between(0.28, 0.36) * tall, draw.between(0.55, 0.8)
        inner = np.interp([0.25 * tall, 0.8 * tall], outer[:, 1], outer[:, 0]) - 0.06
        bow = arc(1, 90, 270, 13) * (out, half) + (0, 0.52 * tall)
        x = np.linspace(inner[1], inner[0], 13)
        path = np.column_stack([bow[:, 0] - x, np.zeros(13), bow[:, 1]])
    else:
        high = tall + dome + draw.between(0.5, 0.9)
        points = [
            (-0.8, 0.75 * tall),
            (-0.85, high - 0.4),
            (0, high),
            (0.85, high - 0.4),
            (0.8, 0.75 * tall),
        ]
        bent = curve(points, 5)
        path = np.column_stack([bent[:, 0], np.zeros(len(bent)), bent[:, 1]])
    parts.add("handle", tube(path, thick, (0, 1, 0), 10))
    return parts


def goblet(draw: Draw) -> Parts:
    parts = Parts("bowl", "stem", "foot")
    radius, deep = draw.between(0.03, 0.045), draw.between(0.05, 0.1)
    stem = draw.between(0.05, 0.11)
    form = draw.choice(("tulip", "flute", "coupe", "cone", "ball"))
    shape = {
        "tulip": [(0.1, 0), (0.85, 0.25), (1, 0.5), (0.72, 1)],
        "flute": [(0.1, 0), (0.5, 0.15), (0.62, 0.5), (0.6, 1)],
        "coupe": [(0.1, 0), (0.9, 0.2), (1.2, 0.42), (1.25, 0.6)],
        "cone": [(0.08, 0), (0.5, 0.28), (0.95, 0.55), (1.35, 0.8)],
        "ball": [(0.1, 0), (0.9, 0.2), (1.15, 0.55), (0.85, 1)],
    }[form]
    outer = curve(np.array(shape) * (radius, deep), 5)
    parts.add("bowl", _open_vessel(outer, 0.002, 28).move(z=stem))
    thin = draw.between(0.003, 0.006)
    waist = [(1.6 * thin, 0), (thin, 0.2 * stem), (thin, 0.85 * stem), (1.6 * thin, stem)]
    parts.add("stem", lathe(waist, 12))
    if draw.chance(0.3):
        parts.add("stem", ball(2.2 * thin, 12).move(z=draw.between(0.3, 0.8) * stem))
    base = draw.between(0.8, 1.05) * radius
    parts.add("foot", lathe([(base, 0), (base, 0.002), (0.4 * base, 0.006), (thin, 0.014)], 28))
    return parts


def _wall(outer: Floats, wall: float) -> Floats:
    """Profile (K, 2) of a vessel: up its outer side and down its inner side to the floor."""
    inner = outer[::-1] - (wall, 0)
    inner = inner[inner[:, 1] > wall]
    inner[:, 0] = np.maximum(inner[:, 0], wall / 2)
    return np.concatenate([outer, inner, [(inner[-1, 0], wall)]])


def _open_vessel(outer: Floats, wall: float, segments: int) -> Piece:
    return lathe(_wall(outer, wall), segments)
