"""Where the data of runs lie on this machine: kept apart, so that no run folder names a folder of
its owner, and a run can be resumed and measured all the same."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from nvc3d.atomic import atomic_write

_KEPT = 1000  # runs, the last ones


def remember(run: str, data: str) -> None:
    """Note the data folder of a run, by the run's id. Where nothing can be written, nothing is
    noted: the folder has to be given again then."""
    known = _known()
    known.pop(run, None)
    known[run] = data
    last = dict(list(known.items())[-_KEPT:])
    with suppress(OSError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(_file()) as file:
            file.write(json.dumps(last, indent=2).encode())


def recall(run: str) -> str | None:
    """The data folder that a run was last trained on here, if that is known."""
    return _known().get(run)


def _file() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "nvc3d" / "data-of-runs.json"


def _known() -> dict[str, str]:
    with suppress(OSError, ValueError, RuntimeError):  # no home, no file, no JSON
        values = json.loads(_file().read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return {k: v for k, v in values.items() if isinstance(v, str)}
    return {}
