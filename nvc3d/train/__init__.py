"""Training: one loop for every task, on one process or many."""

from nvc3d.train.batches import evaluation_batches, to_device
from nvc3d.train.loop import Outcome, train
from nvc3d.train.optimiser import NonFiniteLoss, Objective
from nvc3d.train.rates import learning_rate, parameter_groups
from nvc3d.train.trainer import Rehearsal, Trainer

__all__ = [
    "NonFiniteLoss",
    "Objective",
    "Outcome",
    "Rehearsal",
    "Trainer",
    "evaluation_batches",
    "learning_rate",
    "parameter_groups",
    "to_device",
    "train",
]
