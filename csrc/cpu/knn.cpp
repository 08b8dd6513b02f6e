// k nearest neighbours on the CPU.
#include <torch/csrc/stable/library.h>

#include <limits>

#include "trees.h"

namespace nvc3d {
namespace {

// `tree`: nullptr, or the one of y, which was checked when that was built.
std::tuple<Tensor, Tensor> find(const Tensor& x, const Tensor& y, const Tensor* tree, int64_t k,
                                const std::optional<Tensor>& x_lengths,
                                const std::optional<Tensor>& y_lengths, int64_t norm,
                                bool check_finite, std::optional<double> limit) {
  require_two_clouds(x, y, x_lengths, y_lengths, k);
  require_norm(norm);
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, y_lengths);
    const Trees<T> trees(tree, to);
    if (check_finite) {
      require_finite(from, "x");
      if (tree == nullptr && !from.hold(to)) require_finite(to, "y");
    }
    Tensor distance = torch::stable::new_empty(x, {from.batch, from.size, k});  // (B, N, k)
    Tensor index = new_index(x, {from.batch, from.size, k});                    // (B, N, k)
    const T farthest = static_cast<T>(limit.value_or(std::numeric_limits<double>::infinity()));
    for_each_cloud(from.batch, [&](int64_t b, const Parallel& parallel) {
      const int64_t offset = b * from.size * k;
      kernels<T>().knn(from.cloud(b), from.count(b), to.cloud(b), to.count(b), from.dim, k,
                       static_cast<int>(norm), farthest, trees.tree(b),
                       pointer<T>(distance) + offset, pointer<int64_t>(index) + offset, parallel);
    });
    clear_padding(from, pointer<T>(distance), k);
    clear_padding(from, pointer<int64_t>(index), k);
    return std::make_tuple(distance, index);
  });
}

std::tuple<Tensor, Tensor> knn(Tensor x, Tensor y, int64_t k, std::optional<Tensor> x_lengths,
                               std::optional<Tensor> y_lengths, int64_t norm, bool check_finite,
                               std::optional<double> limit) {
  return find(x, y, nullptr, k, x_lengths, y_lengths, norm, check_finite, limit);
}

std::tuple<Tensor, Tensor> knn_in_tree(Tensor x, Tensor y, Tensor tree, int64_t k,
                                       std::optional<Tensor> x_lengths,
                                       std::optional<Tensor> y_lengths, int64_t norm,
                                       bool check_finite, std::optional<double> limit) {
  return find(x, y, &tree, k, x_lengths, y_lengths, norm, check_finite, limit);
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("knn", TORCH_BOX(&nvc3d::knn));
  m.impl("knn_in_tree", TORCH_BOX(&nvc3d::knn_in_tree));
}
