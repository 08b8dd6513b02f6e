// The compiled API: every operator's schema. They stand here, and not in Python alone, for programs
// that load this library without Python; a test holds them against the plain definition of each in
// nvc3d/ops/reference.py, which gives the arguments their meaning. The kernels lie in core/ and
// cuda/; cpu/ binds those of core/, a file per operator.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(nvc3d, m) {
  m.def(
      "nearest(Tensor x, Tensor y, Tensor? x_lengths, Tensor? y_lengths, int norm, "
      "bool check_finite) -> (Tensor squared, Tensor index)");
  m.def(
      "nearest_both(Tensor x, Tensor y, Tensor? x_lengths, Tensor? y_lengths, int norm, "
      "bool check_finite) "
      "-> (Tensor x_squared, Tensor x_index, Tensor y_squared, Tensor y_index)");
  m.def(
      "knn(Tensor x, Tensor y, SymInt k, Tensor? x_lengths, Tensor? y_lengths, int norm, "
      "bool check_finite, float? limit=None) -> (Tensor squared, Tensor index)");
  m.def(
      "distance_backward(Tensor grad, Tensor x, Tensor y, Tensor index, Tensor? x_lengths, "
      "int norm) -> (Tensor x_grad, Tensor y_grad)");
  m.def(
      "farthest_point_sampling(Tensor points, SymInt k, Tensor? lengths, Tensor start, "
      "bool check_finite) -> Tensor picks");
  m.def(
      "ball_query(Tensor x, Tensor y, SymInt k, float squared_radius, Tensor? x_lengths, "
      "Tensor? y_lengths, bool check_finite) -> (Tensor squared, Tensor index)");
  // Trees of clouds that are searched more than once: for the CPU alone, without plain definitions.
  m.def("build_tree(Tensor y, Tensor? y_lengths, bool check_finite) -> Tensor tree");
  m.def(
      "knn_in_tree(Tensor x, Tensor y, Tensor tree, SymInt k, Tensor? x_lengths, "
      "Tensor? y_lengths, int norm, bool check_finite, float? limit=None) "
      "-> (Tensor squared, Tensor index)");
  m.def(
      "ball_query_in_tree(Tensor x, Tensor y, Tensor tree, SymInt k, float squared_radius, "
      "Tensor? x_lengths, Tensor? y_lengths, bool check_finite) -> (Tensor squared, Tensor index)");
  m.def(
      "optimal_matching(Tensor x, Tensor y, Tensor? lengths, float tolerance, "
      "bool check_finite) -> (Tensor match, Tensor error)");
  m.def(
      "assign_anchors(Tensor latents, Tensor anchors, bool check_finite) "
      "-> (Tensor squared, Tensor index)");
  m.def(
      "pool_neighbours(Tensor values, Tensor index) "
      "-> (Tensor maximum, Tensor total, Tensor which)");
  m.def(
      "pool_neighbours_backward(Tensor maximum_grad, Tensor total_grad, Tensor index, "
      "Tensor which, SymInt size) -> Tensor values_grad");
  m.def("local_planes(Tensor points, Tensor index) -> (Tensor normal, Tensor variance)");
  m.def(
      "grow_planes(Tensor points, Tensor index, Tensor normal, Tensor tolerance, Tensor seeds, "
      "float cosine, SymInt least) -> Tensor seed");
  m.def(
      "shared_planes(Tensor points, Tensor index) "
      "-> (Tensor normal, Tensor width, Tensor score)");
  m.def(
      "assign_planes(Tensor points, Tensor index, Tensor region, Tensor normal, Tensor offset, "
      "Tensor reach) -> Tensor plane");
  m.def(
      "plane_moments(Tensor points, Tensor region, SymInt regions) "
      "-> (Tensor size, Tensor centre, Tensor scatter)");
  m.def("region_borders(Tensor index, Tensor region) -> (Tensor one, Tensor other)");
}
