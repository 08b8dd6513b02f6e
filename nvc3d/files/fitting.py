"""Clouds in whatever kind of file is asked for, with what that has a place for."""

from __future__ import annotations

from pathlib import Path

from nvc3d.files.registry import writable
from nvc3d.files.shapes import write_cloud
from nvc3d.geometry.laid import COMPLETED
from nvc3d.geometry.mesh import Cloud


def write_columns(target: Path, cloud: Cloud) -> tuple[str, ...]:
    """Write a cloud with as many of its columns as the kind of file has a place for; gives the
    names of the others.

    An NPY file of coordinates alone, as most programs expect it, is one (N, 3) where nothing but
    `completed` is known. Raises what `write_cloud` raises.
    """
    kind = writable().get(target.suffix.lower())
    columns = dict(cloud.columns)
    if kind is not None and kind.keeps is not None:
        columns = {name: values for name, values in columns.items() if name in kind.keeps}
    if target.suffix.lower() == ".npy" and set(columns) == {COMPLETED}:
        columns = {}
    lost = [name for name in cloud.columns if name not in columns]
    names = cloud.label_names if "label" in columns else ()
    if names and kind is not None and not kind.names_fit(columns["label"], names):
        lost.append("the names of labels")
        names = ()
    write_cloud(target, Cloud(cloud.points, columns, names))
    return tuple(lost)
