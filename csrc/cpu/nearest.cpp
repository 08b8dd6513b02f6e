// Nearest neighbours on the CPU, in one direction and in both.
#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor> nearest(Tensor x, Tensor y, std::optional<Tensor> x_lengths,
                                   std::optional<Tensor> y_lengths, int64_t norm,
                                   bool check_finite) {
  require_two_clouds(x, y, x_lengths, y_lengths);
  require_norm(norm);
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, y_lengths);
    if (check_finite) {
      require_finite(from, "x");
      require_finite(to, "y");
    }
    Tensor distance = torch::stable::new_empty(x, {from.batch, from.size});  // (B, N)
    Tensor index = new_index(x, {from.batch, from.size});                    // (B, N)
    for_each_cloud(from.batch, [&](int64_t b, const Parallel& parallel) {
      kernels<T>().nearest(from.cloud(b), from.count(b), to.cloud(b), to.count(b), from.dim,
                           static_cast<int>(norm), pointer<T>(distance) + b * from.size,
                           pointer<int64_t>(index) + b * from.size, parallel);
    });
    clear_padding(from, pointer<T>(distance), 1);
    clear_padding(from, pointer<int64_t>(index), 1);
    return std::make_tuple(distance, index);
  });
}

std::tuple<Tensor, Tensor, Tensor, Tensor> nearest_both(Tensor x, Tensor y,
                                                        std::optional<Tensor> x_lengths,
                                                        std::optional<Tensor> y_lengths,
                                                        int64_t norm, bool check_finite) {
  require_two_clouds(x, y, x_lengths, y_lengths);
  require_norm(norm);
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> xs(x, x_lengths), ys(y, y_lengths);
    if (check_finite) {
      require_finite(xs, "x");
      require_finite(ys, "y");
    }
    Tensor x_distance = torch::stable::new_empty(x, {xs.batch, xs.size});  // (B, N)
    Tensor x_index = new_index(x, {xs.batch, xs.size});                    // (B, N)
    Tensor y_distance = torch::stable::new_empty(y, {ys.batch, ys.size});  // (B, M)
    Tensor y_index = new_index(y, {ys.batch, ys.size});                    // (B, M)
    for_each_cloud(xs.batch, [&](int64_t b, const Parallel& parallel) {
      kernels<T>().nearest_both(
          xs.cloud(b), xs.count(b), ys.cloud(b), ys.count(b), xs.dim, static_cast<int>(norm),
          pointer<T>(x_distance) + b * xs.size, pointer<int64_t>(x_index) + b * xs.size,
          pointer<T>(y_distance) + b * ys.size, pointer<int64_t>(y_index) + b * ys.size, parallel);
    });
    clear_padding(xs, pointer<T>(x_distance), 1);
    clear_padding(xs, pointer<int64_t>(x_index), 1);
    clear_padding(ys, pointer<T>(y_distance), 1);
    clear_padding(ys, pointer<int64_t>(y_index), 1);
    return std::make_tuple(x_distance, x_index, y_distance, y_index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("nearest", TORCH_BOX(&nvc3d::nearest));
  m.impl("nearest_both", TORCH_BOX(&nvc3d::nearest_both));
}
