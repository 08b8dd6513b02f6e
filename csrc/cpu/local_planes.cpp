// The planes of neighbourhoods on the CPU.
#include "../core/local_planes.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor> planes_of(Tensor points, Tensor index) {
  require_cloud(points);
  require(index.dim() == 2 && index.size(1) > 0, "index must be (M, K), got ", shape(index));
  require_long(index, points, "index");
  require_index(index, points.size(0), "index");
  return with_type(points, [&](auto type) {
    using T = decltype(type);
    const Tensor at = torch::stable::contiguous(points);     // (N, 3)
    const Tensor chosen = torch::stable::contiguous(index);  // (M, K)
    const int64_t m = chosen.size(0), k = chosen.size(1);
    Tensor normal = torch::stable::new_empty(points, {m, 3});
    Tensor variance = torch::stable::new_empty(points, {m, 3});
    for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
      local_planes(pointer<T>(at), pointer<int64_t>(chosen), m, k, pointer<T>(normal),
                   pointer<T>(variance), parallel);
    });
    return std::make_tuple(normal, variance);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) { m.impl("local_planes", TORCH_BOX(&nvc3d::planes_of)); }
