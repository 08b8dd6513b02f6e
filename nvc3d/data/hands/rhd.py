"""RHD: rendered people, with both hands in colour and depth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nvc3d.data.hands.base import HandFrame, Side
from nvc3d.data.hands.listed import Listed, ListedHands, pinhole
from nvc3d.data.registry import DataSet
from nvc3d.data.stored import read_from, require_split
from nvc3d.files import PathLike, pickles
from nvc3d.files.depth import read_packed_depth

SIZE = 320
SPLITS = ("training", "evaluation")
STEP = 5 / 65535
"""Metres of a step of depth."""
ROWS: tuple[tuple[Side, slice], ...] = (("left", slice(0, 21)), ("right", slice(21, 42)))


class RHD(ListedHands):
    """The data set of Zimmermann, Brox, "Learning to Estimate 3D Hand Pose from Single RGB Images",
    ICCV 2017.

        <split>/anno_<split>.pickle     {number: {xyz (42, 3) m, uv_vis (42, 3), K (3, 3)}}
        <split>/depth/00000.png         256 red + green, steps of 5 m / 65535
        <split>/color/00000.png

    An item is a hand of which a joint at least is seen: one or two of a picture.

    Args:
        root: the folder.
        split: "training" or "evaluation".
        points, seed: see Hands.

    Raises:
        FileNotFoundError: there is no such pickle.
        ValueError: it is of another form, holds what is no data, or no frame is there.
    """

    def __init__(self, root: PathLike, split: str, points: int = 1024, seed: int = 0) -> None:
        require_split(split, SPLITS)
        path = Path(root) / split / f"anno_{split}.pickle"
        super().__init__(path, read_from(path, _frames), points, seed, split == "training")

    def read(self, index: int) -> HandFrame:
        frame = self._frames[index]
        depth = read_packed_depth(frame.path, "red", "green", STEP) * np.float32(1000)
        image = frame.path.parent.with_name("color") / frame.path.name
        return HandFrame(frame.joints, "rhd", frame.camera, depth, frame.side, image=image)


def _frames(path: Path) -> list[Listed]:
    found = pickles.read(path)
    if not isinstance(found, dict):
        raise ValueError(f"expected a dict of frames, got {type(found).__name__}")
    return [hand for number, told in found.items() for hand in _hands(path, number, told)]


def _hands(path: Path, number: int, told: dict[str, np.ndarray]) -> Iterator[Listed]:
    try:
        joints, seen = np.asarray(told["xyz"], np.float64), np.asarray(told["uv_vis"])
        camera = pinhole(told["K"], SIZE, SIZE)
    except (TypeError, KeyError) as error:
        raise ValueError(f"frame {number}: expected xyz, uv_vis and K") from error
    if joints.shape != (42, 3) or seen.shape != (42, 3):
        raise ValueError(
            f"frame {number}: expected xyz and uv_vis (42, 3), got {joints.shape} and {seen.shape}"
        )
    image = path.parent / "depth" / f"{number:05d}.png"
    for side, rows in ROWS:
        if seen[rows, 2].any():
            name = f"{path.parent.name}/{number:05d}/{side}"
            yield Listed(name, side, image, 1000 * joints[rows], camera, side)


DATA_SETS = (
    DataSet(
        name="RHD",
        gives="hands",
        told_by="`training/anno_training.pickle` or `evaluation/anno_evaluation.pickle`",
        holds=lambda path: any((path / s / f"anno_{s}.pickle").is_file() for s in SPLITS),
        open=lambda root, training, wanted: RHD(
            root, SPLITS[0 if training else 1], wanted.points, wanted.seed
        ),
        split="`training`, `evaluation`",
        labels="21 joints of each hand",
    ),
)
