"""Tables, beds, shelves and dressers."""

from __future__ import annotations

from nvc3d.shapes.draw import Draw
from nvc3d.shapes.primitives import (
    Parts,
    Piece,
    ball,
    box,
    circle,
    cylinder,
    lathe,
    prism,
    rod,
    rounded_box,
    rounded_rectangle,
)


def table(draw: Draw) -> Parts:
    parts = Parts("top", "leg", "apron", "shelf")
    kind = draw.choice(("dining", "dining", "side", "coffee"))
    if kind == "coffee":
        depth, width, height = (
            draw.between(0.5, 0.7),
            draw.between(0.8, 1.3),
            draw.between(0.3, 0.45),
        )
    elif kind == "side":
        depth = width = draw.between(0.4, 0.6)
        height = draw.between(0.5, 0.75)
    else:
        depth, width, height = draw.between(0.7, 1), draw.between(0.9, 1.9), draw.between(0.7, 0.8)
    thickness = draw.between(0.02, 0.06)
    under = height - thickness
    outline = draw.choice(("square", "rounded", "round"))
    if outline == "round":
        top = prism(circle(32) * (depth / 2, width / 2), thickness)
    elif outline == "rounded":
        top = prism(rounded_rectangle(depth, width, 0.25 * depth, 6), thickness)
    else:
        top = box((depth, width, thickness), (0, 0, thickness / 2))
    parts.add("top", top.move(z=under))
    inset = 0.34 if outline == "round" else 0.44
    x, y = inset * depth, inset * width
    style = draw.choice(("legs", "legs", "legs", "pedestal", "trestle", "panel", "cross"))
    thick = draw.between(0.02, 0.045)
    if style == "pedestal":
        radius = draw.between(0.25, 0.36) * depth
        knob = draw.between(1, 2.2) * thick
        profile = [
            *((radius, 0), (radius, 0.02), (0.5 * radius, 0.05), (1.4 * thick, 0.1)),
            *((knob, 0.4 * under), (1.2 * thick, 0.6 * under), (1.2 * thick, 0.93 * under)),
            (0.5 * radius, under),
        ]
        posts = (-0.27 * width, 0.27 * width) if width > 1.7 * depth else (0,)
        parts.add("leg", *(lathe(profile).move(y=at) for at in posts))
        return parts
    if style in ("trestle", "panel"):
        for at in (-0.38 * width, 0.38 * width):
            if style == "panel":
                parts.add("leg", box((0.8 * depth, 1.5 * thick, under), (0, at, under / 2)))
                continue
            spread, lean = 0.38 * depth, draw.choice((0.0, 0.3)) * depth
            for side in (-1, 1):
                foot, head = (side * spread, at, 0), (side * (spread - lean), at, under)
                parts.add("leg", rod(foot, head, thick, segments=4))
            parts.add("leg", rod((-spread, at, thick), (spread, at, thick), thick, segments=4))
        z = draw.between(0.3, 0.7) * under
        parts.add("apron", box((1.2 * thick, 0.76 * width, 0.1), (0, 0, z)))
        return parts
    if style == "cross":
        for at in (-0.36 * width, 0.36 * width):
            for side in (-1, 1):
                foot, head = (side * 0.42 * depth, at, 0), (-side * 0.42 * depth, at, under)
                parts.add("leg", rod(foot, head, thick, segments=4))
        parts.add("apron", rod((0, -0.36 * width, under / 2), (0, 0.36 * width, under / 2), 0.02))
        return parts
    splay, thin = draw.choice((0.0, 0.0, 0.12)), draw.between(0.5, 1)
    segments = draw.choice((4, 4, 12))
    for sx in (-1, 1):
        for sy in (-1, 1):
            foot = (sx * (x + splay * under), sy * (y + splay * under), 0)
            head = (sx * x, sy * y, under)
            parts.add("leg", rod(foot, head, thin * thick, thick, segments))
    if draw.chance(0.5):
        deep = draw.between(0.05, 0.12)
        for side in (-1, 1):
            parts.add("apron", box((2 * x, 0.02, deep), (0, side * y, under - deep / 2)))
            parts.add("apron", box((0.02, 2 * y, deep), (side * x, 0, under - deep / 2)))
    if draw.chance(0.5 if kind != "dining" else 0.1):
        z = draw.between(0.2, 0.5)
        shift = splay * under * (1 - z)
        parts.add("shelf", box((2 * (x + shift), 2 * (y + shift), 0.02), (0, 0, z * under)))
    return parts


def bed(draw: Draw) -> Parts:
    parts = Parts("frame", "mattress", "headboard", "footboard", "leg", "pillow")
    width, length = draw.between(0.9, 2.0), draw.between(1.9, 2.15)
    if width < 1.25 and draw.chance(0.4):
        return _bunk_bed(draw, parts, width, length)
    foot, rail = draw.between(0.05, 0.28), draw.between(0.1, 0.25)
    puff = draw.between(0.15, 0.28)
    level = foot + rail + puff - 0.06
    parts.add("frame", box((length, width, rail), (0, 0, foot + rail / 2)))
    _bedding(draw, parts, width, length, foot + rail - 0.06, puff)
    high = level + draw.between(0.3, 0.75)
    headboard = _board(draw, width, high, foot)
    parts.add("headboard", *(p.move(x=-length / 2 - 0.02) for p in headboard))
    if draw.chance(0.5):
        low = draw.between(foot + rail, level + 0.3)
        footboard = _board(draw, width, low, foot)
        parts.add("footboard", *(p.move(x=length / 2 + 0.02) for p in footboard))
    posts = draw.chance(0.15)
    tall = draw.between(1.7, 2.1)
    for x in (-0.49 * length, 0.49 * length):
        for y in (-0.48 * width, 0.48 * width):
            parts.add("leg", rod((x, y, 0), (x, y, tall if posts else foot), 0.035, segments=4))
        if posts:
            parts.add("frame", rod((x, -0.48 * width, tall), (x, 0.48 * width, tall), 0.03))
    for y in (-0.48 * width, 0.48 * width) if posts else ():
        parts.add("frame", rod((-0.49 * length, y, tall), (0.49 * length, y, tall), 0.03))
    return parts


def shelf(draw: Draw) -> Parts:
    parts = Parts("side", "board", "back", "book", "leg")
    width, depth = draw.between(0.5, 1.4), draw.between(0.24, 0.4)
    height, thick = draw.between(0.8, 2.1), draw.between(0.018, 0.035)
    rows, columns = draw.whole(3, 6), draw.whole(1, 3) if width > 0.8 else 1
    foot = draw.choice((0.0, 0.0, 0.1))
    inner = height - foot
    open_frame = draw.chance(0.3)
    if open_frame:
        for x in (-0.46 * depth, 0.46 * depth):
            for y in (-0.49 * width, 0.49 * width):
                parts.add("side", rod((x, y, 0), (x, y, height), 0.018, segments=4))
    else:
        for i in range(columns + 1):
            y = (width - thick) * (i / columns - 0.5)
            parts.add("side", box((depth, thick, inner), (0, y, foot + inner / 2)))
        if draw.chance(0.6):
            size = (0.01, width, inner)
            parts.add("back", box(size, (-depth / 2 - 0.005, 0, foot + inner / 2)))
        for x in (-0.4 * depth, 0.4 * depth) if foot else ():
            for y in (-0.46 * width, 0.46 * width):
                parts.add("leg", rod((x, y, 0), (x, y, foot), 0.02))
    pitch = (inner - thick) / rows
    for i in range(rows + 1):
        z = foot + thick / 2 + pitch * i
        parts.add("board", box((depth, width, thick), (0, 0, z)))
    if draw.chance(0.6):
        bay = (width - (columns + 1) * thick) / (1 if open_frame else columns)
        for row in range(rows):
            for column in range(1 if open_frame else columns):
                if draw.chance(0.6):
                    y = -width / 2 + thick + column * (bay + thick)
                    floor = foot + thick + pitch * row
                    parts.add("book", *_books(draw, bay, pitch - thick, depth, y, floor))
    return parts


def dresser(draw: Draw) -> Parts:
    parts = Parts("body", "drawer", "handle", "leg", "top")
    width, depth, height = draw.between(0.5, 1.5), draw.between(0.4, 0.55), draw.between(0.5, 1.2)
    foot = draw.between(0.04, 0.18)
    inner = height - foot
    parts.add("body", box((depth, width, inner), (0, 0, foot + inner / 2)))
    over = draw.between(0.0, 0.03)
    parts.add("top", box((depth + 2 * over, width + 2 * over, 0.03), (0, 0, height + 0.015)))
    rows = draw.whole(2, 5)
    columns = draw.whole(1, 3) if width > 0.9 else 1
    doors = draw.chance(0.25)
    if doors:
        rows, columns = 1, 2
    tall, wide = inner / rows, width / columns
    grip = draw.choice(("knob", "knobs", "bar"))
    for row in range(rows):
        for column in range(columns):
            y, z = wide * (column + 0.5) - width / 2, foot + tall * (row + 0.5)
            parts.add("drawer", box((0.02, wide - 0.03, tall - 0.03), (depth / 2 + 0.01, y, z)))
            front = depth / 2 + 0.02
            if doors:
                y += (0.5 - column) * 0.8 * wide
                parts.add("handle", *_handle(grip, front, y, z, 0.3 * tall, upright=True))
            else:
                parts.add("handle", *_handle(grip, front, y, z, 0.4 * wide))
    if draw.chance(0.25):
        parts.add("leg", box((0.9 * depth, 0.94 * width, foot), (0, 0, foot / 2)))
    else:
        for x in (-0.44 * depth, 0.44 * depth):
            for y in (-0.46 * width, 0.46 * width):
                parts.add("leg", rod((x, y, 0), (x, y, foot), 0.018, 0.028))
    return parts


def _bunk_bed(draw: Draw, parts: Parts, width: float, length: float) -> Parts:
    tall, rail, puff = draw.between(1.5, 1.8), 0.1, 0.15
    for x in (-length / 2, length / 2):
        for y in (-width / 2, width / 2):
            parts.add("leg", rod((x, y, 0), (x, y, tall), 0.035, segments=4))
    for floor in (0.3, draw.between(1.1, 1.25)):
        parts.add("frame", box((length, width, rail), (0, 0, floor)))
        _bedding(draw, parts, width, length, floor + 0.03, puff)
        for part, x in (("headboard", -length / 2), ("footboard", length / 2)):
            parts.add(part, box((0.03, width, 0.22), (x, 0, floor + rail + 0.16)))
    side = draw.choice((-1, 1)) * (width / 2 + 0.03)
    at = length / 2 - draw.between(0.1, 0.3)
    for x in (at, at - 0.4):
        parts.add("frame", rod((x, side, 0), (x, side, tall), 0.02, segments=4))
    for i in range(5):
        z = 0.25 + 0.25 * i
        parts.add("frame", rod((at, side, z), (at - 0.4, side, z), 0.018, segments=6))
    parts.add("frame", box((0.6 * length, 0.025, 0.12), (-0.2 * length, side, tall - 0.1)))
    return parts


def _bedding(
    draw: Draw, parts: Parts, width: float, length: float, floor: float, puff: float
) -> None:
    size = (0.97 * length, 0.95 * width, puff)
    parts.add("mattress", rounded_box(size, (0, 0, floor + puff / 2), 0.35 * puff))
    pillows = 2 if width > 1.3 else 1
    deep, high = draw.between(0.35, 0.5), draw.between(0.1, 0.16)
    for i in range(pillows):
        y = width * ((i + 0.5) / pillows - 0.5)
        size = (deep, 0.8 * width / pillows, high)
        at = (-0.46 * length + deep / 2, y, floor + puff + 0.3 * high)
        parts.add("pillow", rounded_box(size, at, 0.5 * high))


def _board(draw: Draw, width: float, high: float, foot: float) -> list[Piece]:
    """The board at one end of a bed, upright in the plane x = 0."""
    style = draw.choice(("solid", "padded", "slats", "arched"))
    if style == "padded":
        return [rounded_box((0.1, width, high - foot), (0, 0, (high + foot) / 2), 0.045)]
    if style == "solid":
        return [box((0.05, width, high - foot), (0, 0, (high + foot) / 2))]
    if style == "arched":
        bow = circle(32)[:17] * (width / 2, 0.35 * (high - foot)) + (0, foot + 0.65 * (high - foot))
        outline = [*bow, (-width / 2, foot), (width / 2, foot)]
        # The prism rises along z; stood up, it is as thick along x as the board.
        return [prism(outline, 0.05).turn("x", 90).turn("z", 90).move(x=-0.025)]
    posts = [rod((0, y, 0), (0, y, high), 0.03) for y in (-0.48 * width, 0.48 * width)]
    rails = [
        rod((0, -0.48 * width, z), (0, 0.48 * width, z), 0.022) for z in (high - 0.04, foot + 0.2)
    ]
    count = draw.whole(5, 11)
    bars = []
    for i in range(count):
        y = 0.96 * width * ((i + 1) / (count + 1) - 0.5)
        bars.append(rod((0, y, foot + 0.2), (0, y, high - 0.04), 0.012, segments=6))
    return [*posts, *rails, *bars]


def _books(
    draw: Draw, room: float, tall: float, depth: float, y: float, floor: float
) -> list[Piece]:
    books: list[Piece] = []
    end = y + room * draw.between(0.4, 1)
    while True:
        thick = draw.between(0.025, 0.06)
        if y + thick > end:
            return books
        high, deep = tall * draw.between(0.65, 0.95), depth * draw.between(0.6, 0.8)
        at = (-depth / 2 + deep / 2 + 0.01, y + thick / 2, floor + high / 2)
        books.append(box((deep, 0.92 * thick, high), at))
        y += thick


def _handle(
    grip: str, x: float, y: float, z: float, length: float, upright: bool = False
) -> list[Piece]:
    if grip == "bar":
        size = (0.02, 0.02, length) if upright else (0.02, length, 0.02)
        return [box(size, (x + 0.02, y, z)), box((0.02, 0.015, 0.015), (x + 0.005, y, z))]
    places = [y] if grip == "knob" or upright else [y - 0.6 * length, y + 0.6 * length]
    knob = [ball(0.02, 8).move(x=0.03), cylinder(0.008, 0.03, 6).turn("y", 90)]
    return [piece.move(x, at, z) for at in places for piece in knob]
