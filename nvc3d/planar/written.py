"""What is written of planes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nvc3d.atomic import atomic_write
from nvc3d.files import write_cloud
from nvc3d.files.glb import Face, write_faces
from nvc3d.geometry.mesh import Cloud
from nvc3d.geometry.outlines import Outline
from nvc3d.geometry.plan import floor_plan
from nvc3d.geometry.planes import Planes
from nvc3d.geometry.upright import to_y_up, upright_frame, upward
from nvc3d.viz.floor_plan import draw_floor_plan
from nvc3d.viz.palette import instance_colours
from nvc3d.viz.planes import draw_planes

BACK = np.array([0.0, 0.0, -1.0])
"""From what a camera sees to the camera."""
ASIDE = 35.0
"""Degrees, by which pictures are seen from the side."""


def write_all(
    path: Path, cloud: Cloud, planes: Planes, outlines: Sequence[Outline], axis: str
) -> list[Path]:
    """Write PATH.json, .ply, .svg, .png and .glb of the planes of a cloud; gives their paths."""
    ends = [".json", ".ply", ".svg", ".png"]
    to_json, to_ply, to_svg, to_png = (path.with_name(path.name + end) for end in ends)
    frame = upright_frame(planes, upward(planes, axis))
    told = _told(planes, outlines, frame[2].tolist(), cloud.unit)
    with atomic_write(to_json) as file:
        file.write(_indented(told).encode() + b"\n")
    write_cloud(to_ply, cloud)
    draw_floor_plan(to_svg, floor_plan(planes, outlines, frame), cloud.unit)
    # From the side of the camera, if there was one.
    right, forward = frame[:2] @ BACK if axis == "camera" else (1.0, 0.0)
    azimuth = math.degrees(math.atan2(forward, right)) + ASIDE
    draw_planes(to_png, cloud.points, planes.instance, outlines, frame, azimuth)
    colours = instance_colours(np.arange(len(outlines))).tolist()
    faces = [
        Face(f"plane {number}", outline.polygons, tuple(colours[number]))
        for number, outline in enumerate(outlines)
        if outline.polygons
    ]
    written = [to_json, to_ply, to_svg, to_png]
    if faces:
        written.append(path.with_name(f"{path.name}.glb"))
        write_faces(written[-1], faces, to_y_up(axis) * (cloud.unit or 1.0))
    return written


def _told(
    planes: Planes, outlines: Sequence[Outline], up: list[float], unit: float | None
) -> dict[str, Any]:
    return {
        "unit": unit,
        "up": up,
        "points": len(planes.instance),
        "on_no_plane": int((planes.instance < 0).sum()),
        "planes": [
            {
                "normal": planes.normal[number].tolist(),
                "offset": float(planes.offset[number]),
                "points": int(planes.points[number]),
                "rms": float(planes.rms[number]),
                "extent": planes.extent[number].tolist(),
                "area": outline.area,
                "outline": [[ring.tolist() for ring in rings] for rings in outline.polygons],
            }
            for number, outline in enumerate(outlines)
        ],
    }


def _indented(told: dict[str, Any]) -> str:
    """JSON with a line for each plane: lists of corners are long."""
    planes = ",\n  ".join(json.dumps(plane) for plane in told["planes"])
    head = json.dumps({**told, "planes": []}, indent=1)
    return head.replace(
        '"planes": []', f'"planes": [\n  {planes}\n ]' if planes else '"planes": []'
    )
