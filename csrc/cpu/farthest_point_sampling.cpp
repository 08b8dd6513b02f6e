// Farthest point sampling on the CPU.
#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

Tensor farthest_point_sampling(Tensor points, int64_t k, std::optional<Tensor> lengths,
                               Tensor start, bool check_finite) {
  require_clouds(points, lengths, "points", k);
  require_starts(start, points);
  return with_type(points, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> clouds(points, lengths);
    const auto* first = pointer<int64_t>(start);
    const int64_t step = start.stride(0);
    for (int64_t b = 0; b < clouds.batch; ++b) require_start(first[b * step], b, clouds.count(b));
    if (check_finite) require_finite(clouds, "points");
    Tensor picks = new_index(points, {clouds.batch, k});  // (B, k)
    for_each_cloud(clouds.batch, [&](int64_t b, const Parallel& parallel) {
      kernels<T>().farthest_point_sampling(clouds.cloud(b), clouds.count(b), clouds.dim, k,
                                           first[b * step], pointer<int64_t>(picks) + b * k,
                                           parallel);
    });
    return picks;
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("farthest_point_sampling", TORCH_BOX(&nvc3d::farthest_point_sampling));
}
