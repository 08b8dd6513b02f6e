"""Chairs, stools, benches and sofas."""

from __future__ import annotations

import numpy as np

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.primitives import (
    Parts,
    Piece,
    arc,
    ball,
    box,
    curve,
    cylinder,
    lathe,
    rod,
    rounded_box,
    torus,
    tube,
)


def chair(draw: Draw) -> Parts:
    parts = Parts("seat", "back", "leg", "arm")
    width, depth = draw.between(0.4, 0.56), draw.between(0.4, 0.54)
    height, thickness = draw.between(0.4, 0.5), draw.between(0.025, 0.07)
    under = height - thickness
    base = draw.choice(("legs", "legs", "legs", "splayed", "star", "sled", "cantilever"))
    seat_centre = (0, 0, height - thickness / 2)
    if draw.chance(0.5):
        parts.add("seat", rounded_box((depth, width, thickness), seat_centre, thickness / 2))
    else:
        parts.add("seat", box((depth, width, thickness), seat_centre))

    if base == "star":
        parts.add("leg", *_star(draw, under, draw.between(0.24, 0.3)))
    elif base == "sled":
        parts.add("leg", *_sled(under, 0.46 * width, 0.44 * depth))
    elif base == "cantilever":
        parts.add("leg", *_cantilever(under, 0.46 * width, 0.46 * depth))
    else:
        splay = draw.between(0.04, 0.1) if base == "splayed" else 0
        parts.add("leg", *_four_legs(draw, under, 0.46 * width, 0.45 * depth, splay))

    tall = draw.between(0.32, 0.65)
    lean = draw.between(3, 16)
    back = _back(draw, width, tall)
    parts.add("back", *(p.turn("y", -lean).move(-0.46 * depth, 0, height) for p in back))
    if draw.chance(0.4):
        rise = draw.between(0.16, 0.26)
        parts.add("arm", *_arms(draw, width, depth, height, min(rise, 0.8 * tall), lean))
    return parts


def stool(draw: Draw) -> Parts:
    parts = Parts("seat", "leg", "rest")
    height, radius = draw.between(0.4, 0.8), draw.between(0.15, 0.21)
    thickness = draw.between(0.03, 0.09)
    under = height - thickness
    if draw.chance(0.7):
        edge = thickness * draw.between(0.1, 0.5)
        corner = np.add(arc(edge, -90, 90, 7), (radius - edge, 0))
        corner[:, 1] += np.where(corner[:, 1] > 0, thickness - edge, edge)
        parts.add("seat", lathe(corner).move(z=under))
    else:
        size = (2 * radius, draw.between(1.9, 2.6) * radius, thickness)
        parts.add("seat", rounded_box(size, (0, 0, under + thickness / 2), 0.4 * thickness))

    if draw.chance(0.3):
        foot = draw.between(0.75, 1.1) * radius
        parts.add("leg", cylinder(0.03, under), *_disc_foot(foot))
        rest = draw.between(0.25, 0.45) * under
        parts.add("rest", torus(0.7 * radius, 0.012).move(z=rest))
        parts.add("rest", rod((0, -0.7 * radius, rest), (0, 0.7 * radius, rest), 0.01))
        return parts
    count, splay = draw.whole(3, 4), draw.between(0, 0.35)
    thick, thin = draw.between(0.014, 0.025), draw.between(0.5, 1)
    rest = draw.between(0.25, 0.5)
    at_rest = 0.72 * radius * (1 + splay * (1 - rest))
    turn = np.pi / count if count == 4 else np.pi
    angles = [turn + 2 * np.pi * i / count for i in range(count)]
    corners = [(float(np.cos(a)), float(np.sin(a))) for a in angles]
    for x, y in corners:
        inner, outer = 0.72 * radius, 0.72 * radius * (1 + splay)
        leg = rod((outer * x, outer * y, 0), (inner * x, inner * y, under), thin * thick, thick)
        parts.add("leg", leg)
    if draw.chance(0.4):
        parts.add("rest", torus(at_rest, 0.6 * thick).move(z=rest * under))
    elif draw.chance(0.75):
        for (x, y), (u, v) in zip(corners, corners[1:] + corners[:1], strict=True):
            start = (at_rest * x, at_rest * y, rest * under)
            parts.add("rest", rod(start, (at_rest * u, at_rest * v, rest * under), 0.6 * thick))
    return parts


def bench(draw: Draw) -> Parts:
    parts = Parts("seat", "back", "leg", "arm")
    width, depth = draw.between(1.1, 2.0), draw.between(0.36, 0.5)
    height, thickness = draw.between(0.4, 0.48), draw.between(0.025, 0.05)
    slats = draw.whole(1, 5)
    pitch = depth / slats
    for i in range(slats):
        size = (pitch * (0.82 if slats > 1 else 1), width, thickness)
        parts.add("seat", box(size, (-depth / 2 + pitch * (i + 0.5), 0, height - thickness / 2)))
    backed = draw.chance(0.65)
    end = draw.between(0.36, 0.47) * width
    bar = draw.between(0.02, 0.035)
    under = height - thickness
    style = draw.choice(("posts", "panel", "x", "arch"))
    for y in (-end, end):
        if style == "panel":
            parts.add("leg", box((0.9 * depth, 2 * bar, under), (0, y, under / 2)))
        elif style == "x":
            for side in (-1, 1):
                bottom, top = (side * 0.45 * depth, y, 0), (-side * 0.45 * depth, y, under)
                parts.add("leg", rod(bottom, top, bar, segments=4))
        elif style == "arch":
            path = np.array([(-0.48, 0), (-0.4, 0.6), (0, 0.98), (0.4, 0.6), (0.48, 0)])
            bent = curve(path * (depth, under - 0.01), 4)
            parts.add("leg", tube(_upright(bent, y), bar, (0, 1, 0), 6))
        else:
            for x in (-0.4 * depth, 0.4 * depth):
                parts.add("leg", rod((x, y, 0), (x, y, under), bar, segments=4))
    if draw.chance(0.4):
        parts.add("leg", rod((0, -end, 0.3 * under), (0, end, 0.3 * under), 0.8 * bar))
    if backed:
        tall, lean = draw.between(0.32, 0.5), draw.between(5, 16)
        rows = draw.whole(1, 4)
        back: list[Piece] = []
        if draw.chance(0.3):
            columns = draw.whole(7, 14)
            for i in range(columns):
                y = width * ((i + 0.5) / columns - 0.5)
                back.append(box((thickness, 0.035, 0.9 * tall), (0, y, 0.45 * tall)))
            back.append(box((1.3 * thickness, width, 0.14 * tall), (0, 0, 0.93 * tall)))
        else:
            for i in range(rows):
                z = tall * (0.25 + 0.75 * (i + 0.5) / rows)
                back.append(box((thickness, width, 0.6 * tall / rows), (0, 0, z)))
            back += [box((bar, 2 * bar, tall), (-bar, y, tall / 2)) for y in (-end, end)]
        parts.add("back", *(p.turn("y", -lean).move(-depth / 2, 0, height) for p in back))
    if draw.chance(0.6 if backed else 0.15):
        rise = draw.between(0.18, 0.26)
        for y in (-end, end):
            parts.add("arm", rod((0.42 * depth, y, height), (0.42 * depth, y, height + rise), bar))
            parts.add("arm", box((1.02 * depth, 3 * bar, bar), (0, y, height + rise)))
            if not backed:
                parts.add(
                    "arm", rod((-0.42 * depth, y, height), (-0.42 * depth, y, height + rise), bar)
                )
    return parts


def sofa(draw: Draw) -> Parts:
    parts = Parts("base", "cushion", "back", "arm", "leg")
    seats = draw.whole(1, 4)
    width = seats * draw.between(0.55, 0.75)
    depth, height = draw.between(0.75, 0.95), draw.between(0.38, 0.48)
    foot = draw.between(0.03, 0.14)
    puff = draw.between(0.12, 0.2)
    soft = draw.between(0.03, 0.08)
    thick = draw.between(0.16, 0.26)
    rise, lean = draw.between(0.32, 0.55), draw.between(4, 14)
    arm = draw.between(0.12, 0.26)
    base = height - puff - foot
    chaise = draw.chance(0.25) and seats > 1
    reach = draw.between(0.5, 0.75) if chaise else 0
    side = draw.choice((-1, 1))
    parts.add("base", box((depth, width, base), (0, 0, foot + base / 2)))
    each = width / seats
    for i in range(seats):
        y = -width / 2 + each * (i + 0.5)
        long = reach if chaise and i == (0 if side < 0 else seats - 1) else 0
        size = (depth - 0.7 * thick + long, 0.98 * each, puff)
        parts.add(
            "cushion", rounded_box(size, ((0.7 * thick + long) / 2, y, height - puff / 2), soft)
        )
        if long:
            parts.add("base", box((long, each, base), (depth / 2 + long / 2, y, foot + base / 2)))
    cushions = draw.choice((1, seats))
    for i in range(cushions):
        y = width * ((i + 0.5) / cushions - 0.5)
        pad = rounded_box((thick, 0.98 * width / cushions, rise), (0, 0, rise / 2), soft)
        parts.add("back", pad.turn("y", -lean).move(-depth / 2 + 0.6 * thick, y, height - 0.02))
    parts.add(
        "back",
        box((0.5 * thick, width, height + 0.6 * rise - foot)).move(
            -depth / 2 + 0.1 * thick, 0, foot + (height + 0.6 * rise - foot) / 2
        ),
    )
    style = draw.choice(("block", "rolled", "slope", "none"))
    top = height + draw.between(0.12, 0.24)
    for y in (-1, 1) if style != "none" else ():
        at = y * (width / 2 + arm / 2)
        if style == "rolled":
            tall = top - foot - arm / 2
            parts.add("arm", box((depth, 0.8 * arm, tall), (0, at, foot + tall / 2)))
            roll = cylinder(0.6 * arm, depth).turn("y", 90).move(-depth / 2, at, top - 0.4 * arm)
            parts.add("arm", roll)
        elif style == "slope":
            tall = top - foot
            piece = rounded_box((depth, arm, tall), (0, 0, tall / 2), 0.4 * soft)
            piece.vertices[:, 2] *= 1 - 0.35 * (piece.vertices[:, 0] / depth + 0.5)
            parts.add("arm", piece.move(0, at, foot))
        else:
            tall = top - foot
            parts.add("arm", rounded_box((depth, arm, tall), (0, at, foot + tall / 2), soft))
    for x in (-0.44 * depth, 0.44 * depth):
        for y in (-0.46 * width, 0.46 * width):
            parts.add("leg", rod((x, y, 0), (x, y, foot), 0.02, 0.03))
    return parts


def _upright(path: np.ndarray, y: float) -> np.ndarray:
    """A path (K, 2) of x and z put at one y."""
    return np.column_stack([path[:, 0], np.full(len(path), y), path[:, 1]])


def _four_legs(
    draw: Draw, under: float, half_width: float, half_depth: float, splay: float
) -> list[Piece]:
    thick, thin = draw.between(0.016, 0.03), draw.between(0.5, 1)
    segments = draw.choice((4, 4, 10))
    legs = []
    for x in (-half_depth, half_depth):
        for y in (-half_width, half_width):
            out = 1 + splay / half_width
            legs.append(rod((out * x, out * y, 0), (x, y, under), thin * thick, thick, segments))
    if draw.chance(0.4):
        z, out = draw.between(0.2, 0.45) * under, 1 + 0.6 * splay / half_width
        x, y = out * half_depth, out * half_width
        legs += [rod((-x, s, z), (x, s, z), 0.5 * thick, segments=segments) for s in (-y, y)]
        if draw.chance(0.5):
            legs.append(rod((0, -y, z), (0, y, z), 0.5 * thick, segments=segments))
        else:
            legs += [rod((s, -y, z), (s, y, z), 0.5 * thick, segments=segments) for s in (-x, x)]
    return legs


def _star(draw: Draw, under: float, reach: float) -> list[Piece]:
    """A swivel column on spokes with castors, or on a round plate."""
    if draw.chance(0.25):
        return [cylinder(0.03, under), *_disc_foot(reach)]
    spokes = draw.whole(4, 5)
    legs = [rod((0, 0, 0.07), (0, 0, under), 0.032, 0.024)]
    for i in range(spokes):
        spoke = rod((0, 0, 0.11), (reach, 0, 0.07), 0.026, 0.016, 6)
        castor = ball(0.033, 8).move(reach, 0, 0.033)
        legs += [piece.turn("z", 360 * i / spokes + 36) for piece in (spoke, castor)]
    return legs


def _disc_foot(radius: float) -> list[Piece]:
    return [lathe([(radius, 0), (radius, 0.012), (0.4 * radius, 0.03), (0.03, 0.06)])]


def _sled(under: float, half_width: float, half_depth: float) -> list[Piece]:
    x, r = half_depth, 0.014
    path = [(-x, under), (-x, 0.03), (-x + 0.03, r), (x - 0.03, r), (x, 0.03), (x, under)]
    return [tube(_upright(np.array(path), y), r, segments=8) for y in (-half_width, half_width)]


def _cantilever(under: float, half_width: float, half_depth: float) -> list[Piece]:
    x, r = half_depth, 0.015
    path = [
        (-x, under - r),
        (x - 0.04, under - r),
        (x, under - 0.05),
        (x, 0.05),
        (x - 0.04, r),
        (-x, r),
    ]
    sides = [tube(_upright(np.array(path), y), r, segments=8) for y in (-half_width, half_width)]
    return [*sides, rod((-x, -half_width, r), (-x, half_width, r), r)]


def _back(draw: Draw, width: float, tall: float) -> list[Piece]:
    """A back that stands on the origin, before it leans."""
    style = draw.choice(("solid", "padded", "ladder", "slats", "spindles", "hoop", "frame"))
    thick = draw.between(0.018, 0.035)
    if style == "solid":
        gap = draw.choice((0.0, 0.0, 0.3)) * tall
        size = (thick, width, tall - gap)
        back = [rounded_box(size, (0, 0, gap + size[2] / 2), 0.4 * thick)]
        if gap:
            back += [rod((0, y, 0), (0, y, gap), thick / 2) for y in (-0.3 * width, 0.3 * width)]
        return back
    if style == "padded":
        gap = draw.between(0, 0.25) * tall
        size = (2.5 * thick, draw.between(0.8, 1) * width, tall - gap)
        pad = rounded_box(size, (0, 0, gap + size[2] / 2), 1.1 * thick)
        return [pad, rod((-thick, 0, -0.03), (-thick, 0, tall / 2), thick, segments=4)]
    if style == "hoop":
        hoop = arc(1, 0, 180, 17) * (0.47 * width, 0.55 * tall) + (0, 0.45 * tall)
        ends = np.array([(0.44 * width, 0), (-0.44 * width, 0)])
        hoop = np.concatenate([ends[:1], hoop, ends[1:]])
        path = np.column_stack([np.zeros(len(hoop)), hoop])
        back = [tube(path, thick / 2, (1, 0, 0), 8)]
        count = draw.whole(3, 7)
        for i in range(count):
            u = (i + 1) / (count + 1) * 2 - 1
            top = 0.45 * tall + 0.55 * tall * float(np.sqrt(1 - u * u))
            back.append(
                rod((0, 0.4 * width * u, 0), (0, 0.47 * width * u, top), 0.3 * thick, segments=6)
            )
        return back
    post = draw.between(0.02, 0.032)
    edge = (width - post) / 2
    back = [box((post, post, tall), (0, y, tall / 2)) for y in (-edge, edge)]
    rail = draw.between(0.05, 0.12) * tall / 0.5
    back.append(box((thick, width, rail), (0, 0, tall - rail / 2)))
    if style == "ladder":
        rows = draw.whole(2, 4)
        for i in range(rows):
            z = (tall - rail) * (i + 0.7) / (rows + 0.3)
            back.append(box((0.8 * thick, width - post, 0.5 * (tall - rail) / rows), (0, 0, z)))
        return back
    low = draw.choice((0.0, 0.0, 0.2)) * tall
    if low:
        back.append(box((thick, width, 0.04), (0, 0, low)))
    if style == "frame":
        size = (0.6 * thick, 0.8 * width, tall - low - 1.2 * rail)
        back.append(box(size, (0, 0, low + size[2] / 2)))
        return back
    count = draw.whole(3, 5) if style == "slats" else draw.whole(5, 8)
    for i in range(count):
        y = (width - post) * ((i + 1) / (count + 1) - 0.5)
        if style == "slats":
            size = (0.7 * thick, 0.55 * width / count, tall - rail - low)
            back.append(box(size, (0, y, low + size[2] / 2)))
        else:
            back.append(rod((0, y, low), (0, y, tall - rail), 0.3 * thick, segments=6))
    return back


def _arms(
    draw: Draw, width: float, depth: float, height: float, rise: float, lean: float
) -> list[Piece]:
    style = draw.choice(("post", "panel", "loop"))
    thick = draw.between(0.02, 0.05)
    rear = -0.46 * depth - float(np.tan(np.radians(lean))) * rise
    front = draw.between(0.2, 0.45) * depth
    arms: list[Piece] = []
    for y in (-width / 2, width / 2):
        middle, length = (rear + front) / 2, front - rear
        if style == "panel":
            size = (length - 0.03, thick, rise + 0.05)
            arms.append(rounded_box(size, (middle, y, height + rise / 2 - 0.025), 0.4 * thick))
        elif style == "loop":
            path = np.array(
                [(rear, rise), (front - 0.05, rise), (front, rise - 0.05), (front - 0.03, -0.02)]
            )
            arms.append(tube(_upright(np.add(path, (0, height)), y), 0.014, segments=8))
        else:
            arms.append(box((length, 0.05, 0.6 * thick), (middle, y, height + rise)))
            arms.append(
                rod((front - 0.04, y, height - 0.02), (front - 0.04, y, height + rise), 0.013)
            )
    return arms
