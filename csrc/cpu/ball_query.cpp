// Points within a radius, on the CPU.
#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor> ball_query(Tensor x, Tensor y, int64_t k, double squared_radius,
                                      std::optional<Tensor> x_lengths,
                                      std::optional<Tensor> y_lengths, bool check_finite) {
  require_two_clouds(x, y, x_lengths, y_lengths);
  require_ball(k, squared_radius);
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, y_lengths);
    if (check_finite) {
      require_finite(from, "x");
      require_finite(to, "y");
    }
    Tensor distance = torch::stable::new_empty(x, {from.batch, from.size, k});  // (B, N, k)
    Tensor index = new_index(x, {from.batch, from.size, k});                    // (B, N, k)
    for_each_cloud(from.batch, [&](int64_t b, const Parallel& parallel) {
      const int64_t offset = b * from.size * k;
      kernels<T>().ball_query(from.cloud(b), from.count(b), to.cloud(b), to.count(b), from.dim,
                              static_cast<T>(squared_radius), k, pointer<T>(distance) + offset,
                              pointer<int64_t>(index) + offset, parallel);
    });
    clear_padding(from, pointer<T>(distance), k);
    auto* rows = pointer<int64_t>(index);
    for (int64_t b = 0; b < from.batch; ++b)
      std::fill(rows + (b * from.size + from.count(b)) * k, rows + (b + 1) * from.size * k, -1);
    return std::make_tuple(distance, index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) { m.impl("ball_query", TORCH_BOX(&nvc3d::ball_query)); }
