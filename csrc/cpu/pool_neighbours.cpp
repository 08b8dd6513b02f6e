// The greatest and the sum of the values of chosen neighbours on the CPU, and their gradient.
#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor, Tensor> pool_neighbours(Tensor values, Tensor index) {
  require_grouped(values, index);
  return with_type(values, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> given(values, std::nullopt);
    const Tensor chosen = torch::stable::contiguous(index);  // (B, M, K)
    const int64_t rows = index.size(1), k = index.size(2), outputs = rows * given.dim;
    Tensor maximum = torch::stable::new_empty(values, {given.batch, rows, given.dim});
    Tensor total = torch::stable::new_empty(values, {given.batch, rows, given.dim});
    Tensor which =
        torch::stable::new_empty(values, {given.batch, rows, given.dim}, ScalarType::Int);
    for_each_cloud(given.batch, [&](int64_t b, const Parallel& parallel) {
      kernels<T>().pool_neighbours(
          given.cloud(b), given.dim, pointer<int64_t>(chosen) + b * rows * k, rows, k,
          pointer<T>(maximum) + b * outputs, pointer<T>(total) + b * outputs,
          pointer<int32_t>(which) + b * outputs, parallel);
    });
    return std::make_tuple(maximum, total, which);
  });
}

Tensor pool_neighbours_backward(Tensor maximum_grad, Tensor total_grad, Tensor index, Tensor which,
                                int64_t size) {
  require_pooled(maximum_grad, total_grad, index, which, size);
  return with_type(maximum_grad, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> of_maximum(maximum_grad, std::nullopt), of_total(total_grad, std::nullopt);
    const Tensor chosen = torch::stable::contiguous(index);  // (B, M, K)
    const Tensor found = torch::stable::contiguous(which);   // (B, M, C)
    const int64_t rows = of_total.size, k = index.size(2), dim = of_total.dim;
    Tensor grad = torch::stable::new_empty(maximum_grad, {of_total.batch, size, dim});
    for_each_cloud(of_total.batch, [&](int64_t b, const Parallel& parallel) {
      kernels<T>().pool_neighbours_backward(of_maximum.cloud(b), of_total.cloud(b),
                                            pointer<int64_t>(chosen) + b * rows * k,
                                            pointer<int32_t>(found) + b * rows * dim, rows, k, dim,
                                            size, pointer<T>(grad) + b * size * dim, parallel);
    });
    return grad;
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("pool_neighbours", TORCH_BOX(&nvc3d::pool_neighbours));
  m.impl("pool_neighbours_backward", TORCH_BOX(&nvc3d::pool_neighbours_backward));
}
