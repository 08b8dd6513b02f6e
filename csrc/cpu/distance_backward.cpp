// The gradient of neighbour distances on the CPU.
#include "../core/distance_backward.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor> distance_backward(Tensor grad, Tensor x, Tensor y, Tensor index,
                                             std::optional<Tensor> x_lengths, int64_t norm) {
  require_choices(grad, x, y, index, x_lengths);
  require_norm(norm);
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, std::nullopt);
    const Tensor slopes = torch::stable::contiguous(grad);   // (B, N, K)
    const Tensor chosen = torch::stable::contiguous(index);  // (B, N, K)
    const int64_t k = index.size(2), choices = from.size * k;
    const auto* rows = pointer<int64_t>(chosen);
    for (int64_t j = 0; j < from.batch * choices; ++j)
      require(0 <= rows[j] && rows[j] < to.size, "index must be from 0 to ", to.size - 1, ", got ",
              rows[j]);
    Tensor grad_x = torch::stable::new_empty(x, {from.batch, from.size, from.dim});
    Tensor grad_y = torch::stable::new_empty(y, {to.batch, to.size, to.dim});
    for_each_cloud(from.batch, [&](int64_t b, const Parallel& parallel) {
      accumulate_gradients(pointer<T>(slopes) + b * choices, from.cloud(b), from.count(b),
                           to.cloud(b), to.size, rows + b * choices, k, from.dim,
                           static_cast<int>(norm), pointer<T>(grad_x) + b * from.size * from.dim,
                           pointer<T>(grad_y) + b * to.size * to.dim, parallel);
    });
    clear_padding(from, pointer<T>(grad_x), from.dim);
    return std::make_tuple(grad_x, grad_y);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("distance_backward", TORCH_BOX(&nvc3d::distance_backward));
}
