"""What is learned on real data: which, how long, and by whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from task_study.setting import CODES, Measure, Setting

from nvc3d.checkpoint import Run
from nvc3d.tasks import TASKS

from . import layouts
from .plain import REFERENCES, Reference

ENCODERS = ("pointnet", "pointnet2", "dgcnn")
FOR_AS_LONG = ", for as long"
"""Of programs: a plain network that learns for as many seconds as nvc3d's default, not steps, by
what both take for a batch."""
SOONER = ", a quarter of the steps"
"""Of programs: nvc3d's default, to see what it has learned when it stops early."""


@dataclass(frozen=True)
class Row(Setting):
    """A data set, as one learns on it. Its config holds what is seen and how much: what the task
    does with it is the task's own."""

    lay: Callable[[Path, int, Path], None] = layouts.whole
    """see `layouts`"""
    published: str = ""
    """what others report, to look at beside"""
    encoders: tuple[str, ...] = ()
    """those that the task can be asked for"""
    plain: Mapping[str, Any] = field(default_factory=lambda: {"augment": False})
    """what is changed in the config where a plain network learns: it augments by itself"""
    augmented: bool = False
    """whether plain networks have the points they learn from turned, scaled and jittered: where
    that was found to serve them"""
    slow: tuple[str, ...] = ()
    """plain networks that do not get ten batches into nvc3d's time: run where all are asked for"""
    damaged: bool = False
    """measure on damaged clouds too, see `damage`"""

    def own(self, every: bool) -> list[str]:
        """What nvc3d offers: its default network, plain and for fewer steps too, or with every code
        and encoder."""
        default = self.default
        if not every:
            return [default, "plain", default + SOONER]
        codes = [default, *(code for code in CODES if code != default)]
        return [*codes, default + SOONER] + [
            f"{default}, {encoder}"
            for encoder in self.encoders
            if encoder != TASKS[self.task].config().encoder
        ]

    def references(self, every: bool) -> list[str]:
        """The plain networks, for as long as nvc3d's default, or for as many steps too."""
        found = [name for name in REFERENCES[self.task] if every or name not in self.slow]
        return [*(found if every else ()), *(name + FOR_AS_LONG for name in found)]

    def reference(self, program: str) -> Reference | None:
        """The plain network that a program is, if it is one."""
        return REFERENCES[self.task].get(program.removesuffix(FOR_AS_LONG))

    @property
    def default(self) -> str:
        """The code that the task has where nobody asks for one."""
        return str(TASKS[self.task].config().bottleneck)

    def run_of(self, program: str, seed: int, data: Path | None, quick: bool = False) -> Run:
        """The run of a program; of a plain network, of the data that it sees."""
        more, code = self.plain, self.default
        if self.reference(program) is None:
            code, _, encoder = program.removesuffix(SOONER).partition(", ")
            more = {"encoder": encoder} if encoder else {}
        run = replace(self, config={**self.config, **more}).run(code, seed, data, quick)
        if program.endswith(SOONER):
            steps = max(1, run.training.steps // 4)
            run = replace(run, training=replace(run.training, steps=steps, save_every=steps))
        return run


def _training(steps: int, batch_size: int) -> dict[str, int]:
    return {"steps": steps, "batch_size": batch_size, "save_every": steps}


_CATEGORIES = tuple(
    Measure("classification", name, 3)
    for name in ("accuracy", "mean class accuracy", "weighted F1")
)
_LABELS = tuple(Measure("blocks", name, 3) for name in ("mIoU", "accuracy", "mean accuracy"))
_CLOUDS = (
    Measure("completion", "CD-L1", 2, less_is_better=True),
    Measure("completion", "CD-L2", 2, less_is_better=True),
    Measure("completion", "F-score@1%", 3),
)

ROWS: dict[str, Row] = {
    "modelnet10": Row(
        "ModelNet10, 60 shapes a category, a fifth of them held out",
        "classification",
        {"points": 1024},
        _training(700, 16),
        _CATEGORIES,
        "modelnet10_1024",
        lay=layouts.categories,
        encoders=ENCODERS,
        slow=("DGCNN",),
        damaged=True,
    ),
    "sydney": Row(
        "Sydney Urban Objects, a fold held out",
        "classification",
        {"points": 128},
        _training(1500, 16),
        _CATEGORIES,
        "sydney_urban",
        lay=layouts.folds,
        encoders=ENCODERS,
        augmented=True,
        published="weighted F1 of four folds: VoxNet 0.73, ORION 0.78",
    ),
    "tabletop": Row(
        "tables with objects, depth camera, a scene held out",
        "segmentation",
        {"points": 1024, "block": 0.5, "scenes": True},
        _training(200, 16),
        _LABELS,
        "mosd_tabletop",
        lay=layouts.tables,
        encoders=ENCODERS[:2],
    ),
    "lidar": Row(
        "SemanticKITTI, three frames, one held out",
        "segmentation",
        {"points": 2048, "block": 12.0},
        _training(300, 8),
        _LABELS,
        "semantickitti",
        lay=layouts.frames,
        encoders=ENCODERS[:2],
        augmented=True,
    ),
    "chairs": Row(
        "chairs of 32³ voxels from one view, the last 100 held out",
        "voxel_completion",
        {"category": "chair", "test_last": 100},
        _training(450, 8),
        (Measure("completion", "IoU", 4),),
        "modelnet10_voxels",
        plain={},
    ),
    "household": Row(
        "scanned household objects from one view, a third of them held out",
        "completion",
        {"input_points": 512, "points": 2048},
        _training(400, 16),
        _CLOUDS,
        "ycb_points",
        lay=layouts.objects,
        plain={},
    ),
}
