// The planes that neighbours share, on the CPU.
#include "../core/shared_planes.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor, Tensor> shared(Tensor points, Tensor index) {
  require_some_neighbourhoods(points, index);
  return with_type(points, [&](auto type) {
    using T = decltype(type);
    const Tensor at = torch::stable::contiguous(points);     // (N, 3)
    const Tensor chosen = torch::stable::contiguous(index);  // (M, K)
    const int64_t m = chosen.size(0), k = chosen.size(1);
    Tensor normal = torch::stable::new_empty(points, {m, 3});
    Tensor width = torch::stable::new_empty(points, {m});
    Tensor score = torch::stable::new_empty(points, {m});
    for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
      shared_planes(pointer<T>(at), pointer<int64_t>(chosen), m, k, pointer<T>(normal),
                    pointer<T>(width), pointer<T>(score), parallel);
    });
    return std::make_tuple(normal, width, score);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) { m.impl("shared_planes", TORCH_BOX(&nvc3d::shared)); }
