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
    ".expansion_penalty_module": "expansion_penalty_module",
    ".MDS_module": "MDS_module",
    "MDS": "compiled.MDS",
    ".ball_query_ext": "compiled.mmdet3d",
    ".furthest_point_sample_ext": "compiled.mmdet3d",
    ".gather_points_ext": "compiled.mmdet3d",
    ".group_points_ext": "compiled.mmdet3d",
    ".interpolate_ext": "compiled.mmdet3d",
    ".knn_ext": "compiled.mmdet3d",
    "chamfer": "compiled.chamfer",
    "chamfer_2D": "compiled.chamfer_3D",
    "chamfer_3D": "compiled.chamfer_3D",
    "chamfer_5D": "compiled.chamfer_3D",
    "chamfer_6D": "compiled.chamfer_3D",
    "cubic_feature_sampling": "compiled.cubic_feature_sampling",
    "emd_cuda": "compiled.emd_cuda",
    "emd_ext": "compiled.emd_cuda",
    "expansion_penalty": "compiled.expansion_penalty",
    "gridding": "compiled.gridding",
    "gridding_distance": "compiled.gridding_distance",
    ".knn_pytorch": "compiled.knn_pytorch",
    "point_utils_cuda": "compiled.point_utils_cuda",
    "pointnet2_batch_cuda": "compiled.pointnet2_batch_cuda",
    "pointnet2_cuda": "compiled.pointnet2_batch_cuda",
    ".pointnet2_batch.pointnet2_cuda": "compiled.pointnet2_batch_cuda",
    "_pvcnn_backend": "compiled.pvcnn",
    "pointops_cuda": "compiled.pointops_cuda",
    "pointops2_cuda": "compiled.pointops_cuda",
    "geotransformer.ext": "compiled.kpconv",
    ".cpp_neighbors.radius_neighbors": "compiled.kpconv",
    ".cpp_subsampling.grid_subsampling": "compiled.kpconv",
    "pointops._C": "compiled.pointops_cuda",
}

# These stand in where a name is not found; None is a package, or lacks all that the peer has.
LAST = {
    "extensions": None,
    "extensions.emd": None,
    "chamfer2D": None,
    "chamfer3D": None,
    "chamfer5D": None,
    "chamfer6D": None,
    "pointops": "pointops",
    "pointops2": "pointops2",
    "pointops2.pointops": "pointops2",
    "pointops2.functions.pointops": "pointops2",
    "torch_cluster": "torch_cluster",
    "torch_scatter": "torch_scatter",
    "pointnet2": None,
    "pytorch3d": None,
    "pytorch3d.ops": "pytorch3d",
    "pytorch3d.ops.ball_query": "pytorch3d",
    "pytorch3d.ops.knn": "pytorch3d",
    "pytorch3d.ops.sample_farthest_points": "pytorch3d",
    "pytorch3d.loss": "pytorch3d",
    "pytorch3d.loss.chamfer": "pytorch3d",
}

# What repositories import in any case, and need for some of their networks alone: a use raises.
LACKING = {"torch_cluster": ("graclus_cluster", "neighbor_sampler", "random_walk")}
