// Points within a radius, on the CPU.
#include <torch/csrc/stable/library.h>

#include "trees.h"

namespace nvc3d {
namespace {

// `tree`: nullptr, or the one of y, which was checked when that was built.
std::tuple<Tensor, Tensor> find(const Tensor& x, const Tensor& y, const Tensor* tree, int64_t k,
                                double squared_radius, const std::optional<Tensor>& x_lengths,
                                const std::optional<Tensor>& y_lengths, bool check_finite) {
  require_two_clouds(x, y, x_lengths, y_lengths);
  require_ball(k, squared_radius);
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, y_lengths);
    const Trees<T> trees(tree, to);
    if (check_finite) {
      require_finite(from, "x");
      if (tree == nullptr) require_finite(to, "y");
    }
    Tensor distance = torch::stable::new_empty(x, {from.batch, from.size, k});  // (B, N, k)
    Tensor index = new_index(x, {from.batch, from.size, k});                    // (B, N, k)
    for_each_cloud(from.batch, [&](int64_t b, const Parallel& parallel) {
      const int64_t offset = b * from.size * k;
      kernels<T>().ball_query(from.cloud(b), from.count(b), to.cloud(b), to.count(b), from.dim,
                              static_cast<T>(squared_radius), k, trees.tree(b),
                              pointer<T>(distance) + offset, pointer<int64_t>(index) + offset,
                              parallel);
    });
    clear_padding(from, pointer<T>(distance), k);
    auto* rows = pointer<int64_t>(index);
    for (int64_t b = 0; b < from.batch; ++b)
      std::fill(rows + (b * from.size + from.count(b)) * k, rows + (b + 1) * from.size * k, -1);
    return std::make_tuple(distance, index);
  });
}

std::tuple<Tensor, Tensor> ball_query(Tensor x, Tensor y, int64_t k, double squared_radius,
                                      std::optional<Tensor> x_lengths,
                                      std::optional<Tensor> y_lengths, bool check_finite) {
  return find(x, y, nullptr, k, squared_radius, x_lengths, y_lengths, check_finite);
}

std::tuple<Tensor, Tensor> ball_query_in_tree(Tensor x, Tensor y, Tensor tree, int64_t k,
                                              double squared_radius,
                                              std::optional<Tensor> x_lengths,
                                              std::optional<Tensor> y_lengths, bool check_finite) {
  return find(x, y, &tree, k, squared_radius, x_lengths, y_lengths, check_finite);
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("ball_query", TORCH_BOX(&nvc3d::ball_query));
  m.impl("ball_query_in_tree", TORCH_BOX(&nvc3d::ball_query_in_tree));
}
