// The planes of neighbourhoods on the CPU.
#include "../core/local_planes.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor> planes_of(Tensor points, Tensor index) {
  require_neighbourhoods(points, index);
  return with_type(points, [&](auto type) {
    using T = decltype(type);
    const Tensor at = torch::stable::contiguous(points);     // (N, 3)
    const Tensor chosen = torch::stable::contiguous(index);  // (N, K)
    const int64_t n = at.size(0), k = chosen.size(1);
    Tensor normal = torch::stable::new_empty(points, {n, 3});
    Tensor variance = torch::stable::new_empty(points, {n, 3});
    for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
      local_planes(pointer<T>(at), pointer<int64_t>(chosen), n, k, pointer<T>(normal),
                   pointer<T>(variance), parallel);
    });
    return std::make_tuple(normal, variance);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) { m.impl("local_planes", TORCH_BOX(&nvc3d::planes_of)); }
