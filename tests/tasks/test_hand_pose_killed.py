"""A training of hand pose that is killed goes on as if it had not been."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from test_processes import Launch
from test_train import contents
from torch.utils.data import Subset

from nvc3d.checkpoint import Run, load_state
from nvc3d.config import TrainConfig
from nvc3d.tasks import TASKS, Splits
from nvc3d.train import train

KILLED = f"""
import sys
from pathlib import Path
sys.path[:0] = {sys.path!r}
from test_hand_pose_killed import RUN, signal, train
from test_train import interrupt_at
train(interrupt_at(5, signal.SIGKILL, of=RUN), Path(sys.argv[1]), progress=False)
"""


def few(config: Any) -> Splits:
    """Its data, measured on a batch alone."""
    own = TASKS["hand_pose"].data(config)
    return replace(own, val=Subset(own.val, range(4)))


# Of frames that err, with arms: all that is drawn for one. An epoch has two steps.
RUN = Run(
    replace(TASKS["hand_pose"], data=few),
    tiny.config("hand_pose", encoder="pointnet", frames=8, noise=0.5, arm=0.5),
    TrainConfig(steps=6, batch_size=4, save_every=3),
)


@pytest.mark.slow
def test_a_killed_hand_pose_has_the_same_bits(tmp_path: Path) -> None:
    """Killed at step 5, it goes on from step 3, in the middle of an epoch."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    launch = Launch(KILLED, tmp_path, killed, count=1)
    assert launch.end()[0] == -signal.SIGKILL
    assert load_state(killed / "state.pt")["step"] == 3
    train(RUN, killed, resume=True, progress=False)
    train(RUN, whole, progress=False)
    one, two = contents(killed), contents(whole)
    assert all(torch.equal(one[name], two[name]) for name in two)
