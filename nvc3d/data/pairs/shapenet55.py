"""ShapeNet-55 and ShapeNet-34: whole shapes, a part of each of which is cut away."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nvc3d import ops
from nvc3d.data.balls import in_unit_ball
from nvc3d.data.pairs.base import Clouds, StoredPairs, Views
from nvc3d.data.pairs.synsets import category
from nvc3d.data.registry import DataSet, Wanted
from nvc3d.data.stored import as_cloud, present, read_from
from nvc3d.files import PathLike

VIEWPOINTS = np.array(
    [
        [1, 1, 1],
        [1, 1, -1],
        [1, -1, 1],
        [-1, 1, 1],
        [-1, -1, 1],
        [-1, 1, -1],
        [1, -1, -1],
        [-1, -1, -1],
    ],
    np.float32,
) / np.sqrt(np.float32(3))
"""From where the test shapes are cut (8, 3)."""

MISSING = {"simple": 1 / 4, "moderate": 1 / 2, "hard": 3 / 4}
"""Which part of a test shape's points is cut away, by difficulty."""


class ShapeNet55(StoredPairs):
    """The data set of PoinTr (Yu, Rao, Wang, Liu, Lu, Zhou, "PoinTr: Diverse Point Cloud Completion
    with Geometry-Aware Transformers", ICCV 2021).

        shapenet_pc/<synset>-<id>.npy       8,192 points
        ShapeNet-55/train.txt, test.txt     a line "<synset>-<id>.npy" for each shape; the same for
                                            ShapeNet-34 and ShapeNet-Unseen21

    Shapes are moved to their centroid and scaled into the unit ball. Then the points nearest to a
    viewpoint on the unit sphere are cut away, and of the rest the farthest points are the partial
    cloud. In training the viewpoint and the share that is cut away (1/4 to 3/4) are drawn at
    random; otherwise each shape is an item for each of the 8 viewpoints.

    Args:
        root: the folder that holds shapenet_pc.
        listing: the list of shapes, e.g. "ShapeNet-55/test.txt", from `root`.
        training: whether viewpoints are random.
        difficulty: "simple", "moderate" or "hard"; of no effect in training.
        partial_points, complete_points, seed: see StoredPairs.

    Raises:
        FileNotFoundError: there is no such list.
        ValueError: a difficulty unknown, a list of another form, or no shape there.
    """

    def __init__(
        self,
        root: PathLike,
        listing: PathLike,
        training: bool,
        difficulty: str = "moderate",
        partial_points: int = 2048,
        complete_points: int = 8192,
        seed: int = 0,
    ) -> None:
        super().__init__(partial_points, complete_points, seed, training)
        if difficulty not in MISSING:
            raise ValueError(f"difficulty must be one of {', '.join(MISSING)}, got {difficulty!r}")
        self._missing = MISSING[difficulty]
        self._folder = Path(root) / "shapenet_pc"
        named = read_from(Path(root) / listing, _names)
        self._names = present(
            Path(root) / listing, named, lambda name: (self._folder / name).is_file()
        )
        self.categories = tuple(sorted({_category(name) for name in self._names}))
        self._views = 1 if training else len(VIEWPOINTS)

    def __len__(self) -> int:
        return len(self._names) * self._views

    def name(self, index: int) -> str:
        stem = self._names[index // self._views].removesuffix(".npy")
        return stem if self.training else f"{stem}/{index % self._views}"

    def label(self, index: int) -> int:
        return self.categories.index(_category(self._names[index // self._views]))

    def stored(self, index: int) -> Views:
        return [], partial(_points, self._folder / self._names[index // self._views])

    def load(self, index: int, rng: np.random.Generator) -> Clouds:
        complete = self.stored(index)[1]()
        viewpoint, missing = VIEWPOINTS[index % self._views], self._missing
        if self.training:
            viewpoint, missing = rng.normal(size=3), rng.uniform(1 / 4, 3 / 4)
        rest = cut(complete, viewpoint, missing)
        if len(rest) <= self.partial_points:
            return rest, complete
        picks = ops.farthest_point_sampling(torch.from_numpy(rest)[None], self.partial_points)
        return rest[picks[0].numpy()], complete


def _points(path: Path) -> NDArray[np.float32]:
    return in_unit_ball(as_cloud(path, read_from(path, np.load)))[0]


def cut(
    points: NDArray[np.float32], viewpoint: NDArray[np.floating], missing: float
) -> NDArray[np.float32]:
    """Points (N, 3) without that share of them that is nearest to a viewpoint (3,), which is first
    scaled to length 1; farther ones come later.

    Raises ValueError unless 0 <= missing < 1.
    """
    if not 0 <= missing < 1:
        raise ValueError(f"missing must be at least 0 and below 1, got {missing}")
    away = viewpoint / max(float(np.linalg.norm(viewpoint)), 1e-12)
    distance = np.linalg.norm(points - away, axis=1)
    kept = np.argsort(distance, kind="stable")[int(len(points) * missing) :]
    return np.ascontiguousarray(points[kept], np.float32)


def _category(name: str) -> str:
    return category(name.partition("-")[0])


def _names(path: Path) -> list[str]:
    names = path.read_text().split()
    if odd := [name for name in names if "-" not in name or not name.endswith(".npy")]:
        raise ValueError(f"expected lines <synset>-<id>.npy, got {odd[0]!r}")
    return names


def _lists(root: Path) -> Path | None:
    """Where the lists of the split are; a folder with both is taken as ShapeNet-55."""
    folders = (root / name for name in ("ShapeNet-55", "ShapeNet-34"))
    return next((folder for folder in folders if folder.is_dir()), None)


def _open(root: Path, training: bool, wanted: Wanted) -> ShapeNet55:
    lists = _lists(root)
    assert lists is not None
    listing = f"{lists.name}/{'train' if training else 'test'}.txt"
    sizes = wanted.partial_points, wanted.points
    return ShapeNet55(root, listing, training, wanted.difficulty, *sizes, wanted.seed)


DATA_SETS = (
    DataSet(
        name="ShapeNet-55, -34",
        gives="pairs",
        told_by="`shapenet_pc/` beside `ShapeNet-55/` or `ShapeNet-34/`",
        holds=lambda path: (path / "shapenet_pc").is_dir() and _lists(path) is not None,
        open=_open,
        split="1/4 to 3/4 cut away at random; 8 fixed viewpoints, `--difficulty simple`, "
        "`moderate` or `hard`: 1/4, 1/2 or 3/4 cut away",
    ),
)
