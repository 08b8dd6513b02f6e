"""The numbers by which each field judges its answers, as its reference code computes them."""

from nvc3d.metrics.clusters import clusters
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
from nvc3d.metrics.depth import DepthErrors, depth_errors
from nvc3d.metrics.detection import auroc
from nvc3d.metrics.generation import Generated, compare_sets
from nvc3d.metrics.hand_pose import (
    auc_0_50,
    auc_20_50,
    frames_max_within,
    frames_mean_within,
    joint_errors_mm,
    mean_error_mm,
    pa_mm,
    pa_reflect_mm,
    procrustes_aligned,
    root_aligned,
    root_relative_mm,
)
from nvc3d.metrics.plane_recall import (
    PlaneRecall,
    plane_average_precision,
    plane_recall_by_depth,
    plane_recall_by_normal,
    pooled_recall,
)
from nvc3d.metrics.planes import Agreement, plane_agreement
from nvc3d.metrics.retrieval import average_precision, mean_average_precision
from nvc3d.metrics.segmentation import Confusion, PartScores, confined_argmax, part_ious

__all__ = [
    "Agreement",
    "Comparison",
    "Confusion",
    "DepthErrors",
    "Generated",
    "PartScores",
    "PlaneRecall",
    "auc_0_50",
    "auc_20_50",
    "auroc",
    "average_precision",
    "best_of",
    "cd_l1",
    "cd_l2",
    "clusters",
    "compare",
    "compare_sets",
    "confined_argmax",
    "consistency",
    "depth_errors",
    "emd",
    "f_score",
    "fidelity",
    "frames_max_within",
    "frames_mean_within",
    "joint_errors_mm",
    "mean_average_precision",
    "mean_error_mm",
    "minimal_matching_distance",
    "pa_mm",
    "pa_reflect_mm",
    "part_ious",
    "plane_agreement",
    "plane_average_precision",
    "plane_recall_by_depth",
    "plane_recall_by_normal",
    "pooled_recall",
    "procrustes_aligned",
    "root_aligned",
    "root_relative_mm",
    "total_mutual_difference",
    "voxel_iou",
]
