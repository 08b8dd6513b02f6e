"""The settings of the tasks' own tables: the same network with each code between encoder and
decoder."""

from __future__ import annotations

from typing import Any

from . import planar, recipes, translating
from .poses import COLUMNS, NEAREST, beside_nearest, in_form
from .setting import CODES, Measure, Setting
from .uses import USES

CHAIRS = "modelnet10_voxels"

_ACCURACY = (
    Measure("classification", "accuracy", 3),
    Measure("classification", "retrieval mAP", 3),
)
_IOU = (
    Measure("completion", "IoU", 4),
    Measure("best of 8 answers", "IoU", 4),
    Measure("difference of answers", "IoU", 4),
)


def _labels(part: float, shown: str) -> Setting:
    """The built-in shapes in 23 categories, each seen twice, some of them labelled."""
    return Setting(
        f"built-in shapes, {shown} of the labels",
        "classification",
        {
            "labelled": part,
            "points": 256,
            "second_view": True,
            "anchors": 46,
            "nebula_weight": 0.1,
        },
        {"steps": 600, "batch_size": 16, "save_every": 600},
        _ACCURACY,
    )


def _recipe(shown: str, folder: str, points: int, steps: int, **config: Any) -> Setting:
    """All labels of a set, by the default and by one change of it at a time."""
    return Setting(
        shown,
        "classification",
        {"points": points, "holdout": 0.25, **config},
        {"steps": steps, "batch_size": 16, "save_every": steps},
        (Measure("classification", "accuracy", 3),),
        folder,
        columns=recipes.COLUMNS,
        change=recipes.changed,
    )


def _chairs(shown: str, **config: Any) -> Setting:
    """Chairs of 32³ voxels from a single view: all but the last 100 to learn from."""
    return Setting(
        f"chairs, {shown}",
        "voxel_completion",
        {
            "category": "chair",
            "test_last": 100,
            "second_view": True,
            "nebula_weight": 0.1,
            **config,
        },
        {"steps": 450, "batch_size": 8, "learning_rate": 2e-3, "save_every": 450},
        _IOU,
        CHAIRS,
    )


_CLOUDS = Setting(
    "clouds of built-in shapes",
    "completion",
    {"shapes": 460, "views": 1},
    {"steps": 400, "batch_size": 16, "learning_rate": 2e-3, "save_every": 400},
    (
        Measure("completion", "CD-L1", 2, less_is_better=True),
        Measure("completion", "CD-L2", 2, less_is_better=True),
        Measure("completion", "CD-L2, best of 8", 2, less_is_better=True),
        Measure("completion", "TMD", 2),
    ),
)


def _parts(shown: str, **config: Any) -> Setting:
    """The parts of built-in shapes, from the labels of two of each category."""
    return Setting(
        f"built-in parts, {shown}",
        "segmentation",
        {"labelled": 0.02, "points": 512, "anchors": 46, **config},
        {"steps": 800, "batch_size": 16, "learning_rate": 2e-3, "save_every": 800},
        (
            Measure("among its category's parts", "instance mIoU", 3),
            Measure("among its category's parts", "accuracy", 3),
        ),
    )


def _hands(shown: str, columns: tuple[str, ...] = CODES, **config: Any) -> Setting:
    """Built-in hands of people and in poses that are not learned from."""
    return Setting(
        f"built-in hands{shown}",
        "hand_pose",
        {"frames": 1800, **config},
        {"steps": 450, "batch_size": 16, "learning_rate": 2e-3, "save_every": 450},
        (
            Measure("hand pose", "mean_error_mm", 2, less_is_better=True),
            Measure("hand pose", "pa_mm", 2, less_is_better=True),
            Measure("hand pose", "auc_0_50", 3),
            Measure("hand pose", "best_of_8_mm", 2, less_is_better=True),
            Measure("hand pose", "spread_mm", 2),
            Measure("mean hand", "mean_error_mm", 2, less_is_better=True),
            Measure(NEAREST, "mean_error_mm", 2, less_is_better=True),
        ),
        columns=columns,
        change=in_form,
        measured=beside_nearest,
    )


def _planes(shown: str, **config: Any) -> Setting:
    """Built-in interiors that are not learned from, as sensors see them."""
    return Setting(
        f"built-in interiors{shown}",
        "planes",
        {"points": 512, "frames": 2000, **config},
        {"steps": 500, "batch_size": 4, "learning_rate": 3e-3, "save_every": 500},
        (
            *(
                measure
                for row in ("planes", "network alone", "geometry alone")
                for measure in (
                    Measure(row, "VOI flush", 3, less_is_better=True),
                    Measure(row, "VOI", 3, less_is_better=True),
                    Measure(row, "plane recall", 3),
                )
            ),
            Measure("network alone", "type accuracy", 3),
            Measure("network alone", "normal_deg", 2, less_is_better=True),
            Measure("network alone", "offset_cm", 2, less_is_better=True),
        ),
        columns=planar.COLUMNS,
        change=planar.in_form,
    )


def _captions(shown: str, steps: int, **config: Any) -> Setting:
    """Captions of photographs, from German to English."""
    return Setting(
        f"Multi30k{shown}",
        "translation",
        config,
        {"steps": steps, "batch_size": 1, "learning_rate": 3e-3, "save_every": steps},
        (
            Measure("translation", "BLEU", 2),
            Measure("translation", "chrF", 2),
            Measure("translation", "KL", 2, less_is_better=True),
            Measure("translation", "active units", 1),
            Measure("translation", "anchors used", 1),
        ),
        "multi30k",
        columns=translating.COLUMNS,
        change=translating.in_form,
        measured=translating.on_test,
    )


_ALL = {"batch_pieces": 1000, "dropout": 0.1}
_SMALL = {"pieces": 2000, "dropout": 0.3}

STUDIES: dict[str, tuple[Setting, ...]] = {
    "classification": (
        _labels(0.01, "1 %"),
        _labels(0.1, "10 %"),
    ),
    "recipes": (
        _recipe("ModelNet10, 512 points, 400 steps", "modelnet10_1024", 512, 400),
        _recipe("Sydney, 128 points, 600 steps", "sydney_urban", 128, 600),
    ),
    "completion": (
        _chairs("60 to learn from", train_first=60),
        _chairs("599, by the code alone", skips=False),
        _CLOUDS,
    ),
    "segmentation": (
        _parts("2 % of the labels"),
        _parts("2 % of the labels, codes of points", point_codes=True),
    ),
    "hand-pose": (
        _hands("", COLUMNS),
        _hands(", by the code alone", votes=False),
        _hands(", noise", noise=1.0),
        _hands(", forearms", arm=1.0),
        _hands(", holding something", object=1.0),
        _hands(", the other hand near", other=1.0),
    ),
    "planes": (
        _planes(""),
        _planes(", without colours", attributes=False),
    ),
    "translation": (
        _captions("", 9000, **_ALL),
        _captions(", codes of pieces", 9000, code="pieces", free_bits=1.0, latent_dim=32, **_ALL),
        _captions(", the code at each step", 9000, each_step=True, word_dropout=0.2, **_ALL),
        _captions(", 500 pairs", 800, train_first=500, **_SMALL),
        _captions(", 2,000 pairs", 1500, train_first=2000, **_SMALL),
        _captions(", 5,000 pairs", 3000, train_first=5000, **_SMALL),
    ),
    **USES,
}
