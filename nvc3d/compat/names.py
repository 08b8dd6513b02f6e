"""Which module of ours stands under which name of a peer.

A name that begins with a dot stands at the end of any path: repositories keep copies of peers in
folders of their own, as in `models.pointnet2_ops_lib.pointnet2_ops`.
"""

from __future__ import annotations

# These go before what a repository or an environment holds, since that is what does not compile.
FIRST = {
    ".pointnet2_ops": "pointnet2_ops",
    ".pointnet2_ops._ext": "compiled.pointnet2_ext",
    ".pointnet2_ops.pointnet2_modules": "pointnet2_ops.pointnet2_modules",
    ".pointnet2_ops.pointnet2_utils": "pointnet2_ops.pointnet2_utils",
    ".pointnet2._ext": "compiled.pointnet2_ext",
    ".knn_cuda": "knn_cuda",
    ".dist_chamfer_2D": "dist_chamfer_2D",
    ".dist_chamfer_3D": "dist_chamfer_3D",
    ".dist_chamfer_5D": "dist_chamfer_5D",
    ".dist_chamfer_6D": "dist_chamfer_6D",
    ".chamfer_dist": "extensions.chamfer_dist",
    ".emd_module": "emd_module",
    ".emd.emd": "emd",
    "chamfer": "compiled.chamfer",
    "pointnet2_batch_cuda": "compiled.pointnet2_batch_cuda",
    "pointnet2_cuda": "compiled.pointnet2_batch_cuda",
    ".pointnet2_batch.pointnet2_cuda": "compiled.pointnet2_batch_cuda",
    "pointops": "pointops",
    "pointops2.pointops": "pointops2",
    "pointops2.functions.pointops": "pointops2",
    ".pointops.functions.pointops": "pointops2",
}

# These stand in where a name is not found; None is a package, or lacks all that the peer has.
LAST = {
    "MDS": None,
    "cubic_feature_sampling": None,
    "expansion_penalty": None,
    "gridding": None,
    "gridding_distance": None,
    "extensions": None,
    "extensions.emd": None,
    "chamfer2D": None,
    "chamfer3D": None,
    "chamfer5D": None,
    "chamfer6D": None,
    "pointops2": "pointops2",
    "torch_cluster": "torch_cluster",
    "pytorch3d": None,
    "pytorch3d.ops": "pytorch3d",
    "pytorch3d.ops.ball_query": "pytorch3d",
    "pytorch3d.ops.knn": "pytorch3d",
    "pytorch3d.ops.sample_farthest_points": "pytorch3d",
    "pytorch3d.loss": "pytorch3d",
    "pytorch3d.loss.chamfer": "pytorch3d",
}

# What repositories import in any case, and need for some of their networks alone: a use raises.
LACKING = {
    "MDS": ("gather_points", "gather_points_grad", "minimum_density_sampling"),
    "cubic_feature_sampling": ("forward", "backward"),
    "expansion_penalty": ("forward", "backward"),
    "gridding": ("forward", "backward", "rev_forward", "rev_backward"),
    "gridding_distance": ("forward", "backward"),
    "pointops": ("ball_query", "ball_query_and_group", "query_and_group", "random_ball_query"),
    "pointops2": (
        *("Divide2Patch", "attention_step1", "attention_step1_v2", "attention_step2"),
        *("attention_step2_v2", "attention_step2_with_rel_pos_value"),
        *("attention_step2_with_rel_pos_value_v2", "ballquery", "dot_prod_with_idx"),
        *("dot_prod_with_idx_v2", "dot_prod_with_idx_v3", "interpolation_v2", "querygroup"),
    ),
}
