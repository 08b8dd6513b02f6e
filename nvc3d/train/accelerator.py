"""What a training computes on: devices, precision and processes, by Accelerate."""

from __future__ import annotations

from typing import Any

import torch

from nvc3d import processes
from nvc3d.config import TrainConfig
from nvc3d.extras import require

PRECISIONS = {"float32": "no", "float16": "fp16", "bfloat16": "bf16"}  # ours: Accelerate's


def accelerator(training: TrainConfig) -> Any:
    """The Accelerator of a training.

    Raises ValueError where there is no such precision here, and where the processes are not those
    that the environment tells of.
    """
    accelerate = require("accelerate", "to train")
    if training.precision == "float16" and not torch.cuda.is_available():
        raise ValueError("precision float16 needs a GPU: on a CPU use float32 or bfloat16")
    # Else a second run in the same process would have the precision and the processes of the
    # first.
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    made = accelerate.Accelerator(
        cpu=not torch.cuda.is_available(),
        mixed_precision=PRECISIONS[training.precision],
        kwargs_handlers=[
            accelerate.DistributedDataParallelKwargs(
                # A model may leave parameters idle for a while, as anchors that have not
                # started.
                find_unused_parameters=True,
                # What a process remembers of its own share, as a nebula does, is its own.
                broadcast_buffers=False,
            )
        ],
    )
    if made.num_processes != processes.count():
        raise ValueError(
            f"there is a group of {processes.count()} processes, and the environment says "
            f"{made.num_processes}: start them with torchrun or accelerate launch"
        )
    return made
