"""Folders of real data laid out anew, by links: what is learned from, and what is measured on.

Each function is (source, seed, target): from a folder as it is handed out it makes one that nvc3d's
readers take for a data set with a split. Seeds hold different parts out; after as many seeds as
there are parts, each item was measured on once.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nvc3d.files import read_shape
from nvc3d.geometry.mesh import Cloud

CLASSES = ("none", "supporting plane", "object")
"""Of the tables: what no one labelled, labels 1 to 9, and 10 and above."""
LOOKS = 8
"""From how many sides an object that is measured on is seen."""


def held_out(names: Sequence[str], seed: int, parts: int) -> set[str]:
    """A part of some names, another one for each of so many seeds from 1 on."""
    if len(names) < parts:
        raise ValueError(f"{len(names)} items cannot be dealt into {parts} parts")
    order = np.random.default_rng(0).permutation(len(names))
    return {sorted(names)[index] for index in order[(seed - 1) % parts :: parts]}


def categories(source: Path, seed: int, target: Path) -> None:
    """`<category>/[train/]<shape>.*`: a fifth of each category is held out; a folder with shapes in
    `<category>/test/` keeps its split."""
    if any(source.glob("*/test/*")):
        return target.symlink_to(source.resolve())
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        files = {path.name: path for path in folder.rglob("*") if path.is_file()}
        test = held_out(list(files), seed, 5)
        for name, path in files.items():
            link(path, target / ("test" if name in test else "train") / folder.name / name)
    return None


def folds(source: Path, seed: int, target: Path) -> None:
    """Sydney Urban Objects, measured on one of its folds: nvc3d does so on the last one."""
    lists = sorted((source / "folds").glob("fold*.txt"))
    test = lists.pop((seed - 1) % len(lists))
    for number, path in enumerate([*lists, test]):
        link(path, target / "folds" / f"fold{number}.txt")
    (target / "objects").symlink_to((source / "objects").resolve())


def tables(source: Path, seed: int, target: Path) -> None:
    """Scenes of a depth camera, one of them held out; z up and not along the view, and the labels
    of parts made three classes."""
    files = {path.name: path for path in source.rglob("*.pcd")}
    test = held_out(list(files), seed, len(files))
    target.mkdir(parents=True)
    (target / "classes.txt").write_text("\n".join(CLASSES))
    for name, path in files.items():
        cloud = read_shape(path)
        assert isinstance(cloud, Cloud) and cloud.labels is not None
        scene = target / ("test" if name in test else "train") / path.stem
        scene.mkdir(parents=True)
        x, down, ahead = cloud.points.T
        np.save(scene / "coord.npy", np.stack([x, ahead, -down], 1))
        np.save(scene / "segment.npy", np.digitize(cloud.labels, [1, 10]))
        if cloud.colors is not None:
            np.save(scene / "color.npy", cloud.colors)


def frames(source: Path, seed: int, target: Path) -> None:
    """SemanticKITTI's frames, a third of them held out: nvc3d measures on sequence 08."""
    files = {"/".join(path.parts[-3:]): path for path in source.glob("sequences/*/velodyne/*.bin")}
    test = held_out(list(files), seed, 3)
    for number, (name, path) in enumerate(sorted(files.items())):
        sequence = target / "sequences" / ("08" if name in test else "00")
        labels = path.parents[1] / "labels" / f"{path.stem}.label"
        link(path, sequence / "velodyne" / f"{number:06d}.bin")
        link(labels, sequence / "labels" / f"{number:06d}.label")


def whole(source: Path, seed: int, target: Path) -> None:
    """The folder as it is: the task's own config says what is held out."""
    target.symlink_to(source.resolve())


def objects(source: Path, seed: int, target: Path) -> None:
    """`models/<object>/points.xyz`: a third of the objects is held out, each seen from several
    sides."""
    files = {path.parent.name: path for path in source.glob("models/*/points.xyz")}
    test = held_out(list(files), seed, 3)
    for name, path in files.items():
        if name not in test:
            link(path, target / "train" / f"{name}.xyz")
            continue
        (target / "test").mkdir(parents=True, exist_ok=True)
        for look in range(LOOKS):  # copies: of links to one file, one is taken
            shutil.copyfile(path, target / "test" / f"{name}-{look}.xyz")


def link(path: Path, place: Path) -> None:
    """A link to a file, in a folder that is made."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(path.resolve())
