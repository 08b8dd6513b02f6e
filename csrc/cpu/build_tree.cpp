// Trees that outlive a call, on the CPU.
#include <torch/csrc/stable/library.h>

#include "trees.h"

namespace nvc3d {
namespace {

Tensor build_tree(Tensor y, std::optional<Tensor> y_lengths, bool check_finite) {
  require_clouds(y, y_lengths, "y");
  return with_type(y, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> clouds(y, y_lengths);
    if (check_finite) require_finite(clouds, "y");
    const int64_t bytes = kernels<T>().tree_bytes(clouds.size, clouds.dim);
    Tensor tree = torch::stable::new_empty(y, {clouds.batch, bytes}, ScalarType::Byte);
    if (bytes == 0) return tree;
    for_each_cloud(clouds.batch, [&](int64_t b, const Parallel& parallel) {
      kernels<T>().build_tree(clouds.cloud(b), clouds.count(b), clouds.dim,
                              pointer<char>(tree) + b * bytes, parallel);
    });
    return tree;
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) { m.impl("build_tree", TORCH_BOX(&nvc3d::build_tree)); }
