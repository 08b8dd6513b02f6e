"""What a result depends on, as text to be hashed: its config, and the code behind it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from results import code

import nvc3d
from nvc3d.checkpoint import Run
from nvc3d.config import to_dict
from nvc3d.tasks import ADAPTED, TASKS

_ROOT = Path(nvc3d.__file__).parent
_SHARED = ("nebula", "encoders", "tasks/bottleneck")
# A task of an adapter stands on the whole of the adapter.
_HOMES = {
    task: "/".join(ADAPTED[task].split(".")[1:3]) if task in ADAPTED else f"tasks/{task}"
    for task in TASKS
}
_PARTS = (*_SHARED, *dict.fromkeys(_HOMES.values()))
# Read beside the import: a file edited while this runs must not lend its hash to the results.
_CODE = {
    part: [
        code(path) for path in sorted([*_ROOT.glob(f"{part}/**/*.py"), *_ROOT.glob(f"{part}.py")])
    ]
    for part in _PARTS
}
_OWN = {path: code(path) for path in Path(__file__).parent.glob("*.py")}


def depends(run: Run, folder: str | None, *functions: Callable[..., Any] | None) -> list[str]:
    """What the result of a run depends on, but for where its data lie, and the code of functions
    that have a part in it."""
    config: dict[str, Any] = {**to_dict(run.config), "data": folder}
    texts = [repr(sorted(config.items())), repr(sorted(to_dict(run.training).items()))]
    for part in (*_SHARED, _HOMES[run.task.name]):
        texts += _CODE[part]
    for function in functions:
        if isinstance(function, partial):
            texts.append(repr((function.args, function.keywords)))
            function = function.func
        if function is not None:
            texts.append(_OWN[Path(inspect.getfile(function))])
    return texts
