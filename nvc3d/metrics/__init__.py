"""The numbers by which each field judges its answers, as its reference code computes them."""

from nvc3d.metrics.completion import (
    Comparison,
    best_of,
    cd_l1,
    cd_l2,
    compare,
    consistency,
    emd,
    f_score,
    fidelity,
    minimal_matching_distance,
    total_mutual_difference,
    voxel_iou,
)
from nvc3d.metrics.retrieval import average_precision, mean_average_precision
from nvc3d.metrics.segmentation import Confusion, PartScores, confined_argmax, part_ious

__all__ = [
    "Comparison",
    "Confusion",
    "PartScores",
    "average_precision",
    "best_of",
    "cd_l1",
    "cd_l2",
    "compare",
    "confined_argmax",
    "consistency",
    "emd",
    "f_score",
    "fidelity",
    "mean_average_precision",
    "minimal_matching_distance",
    "part_ious",
    "total_mutual_difference",
    "voxel_iou",
]
