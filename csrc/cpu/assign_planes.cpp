// The nearest planes around points, on the CPU.
#include "../core/assign_planes.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

Tensor nearest_planes(Tensor points, Tensor index, Tensor region, Tensor normal, Tensor offset,
                      Tensor reach) {
  require_planes(points, index, region, normal, offset, reach);
  return with_type(points, [&](auto type) {
    using T = decltype(type);
    const Tensor at = torch::stable::contiguous(points);      // (N, 3)
    const Tensor chosen = torch::stable::contiguous(index);   // (N, K)
    const Tensor given = torch::stable::contiguous(region);   // (M,)
    const Tensor across = torch::stable::contiguous(normal);  // (P, 3)
    const Tensor away = torch::stable::contiguous(offset);    // (P,)
    const Tensor far = torch::stable::contiguous(reach);      // (P,)
    const int64_t n = at.size(0);
    Tensor found = new_index(points, {n});  // (N,)
    for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
      assign_planes(pointer<T>(at), pointer<int64_t>(chosen), n, chosen.size(1),
                    pointer<int64_t>(given), pointer<T>(across), pointer<T>(away), pointer<T>(far),
                    pointer<int64_t>(found), parallel);
    });
    return found;
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("assign_planes", TORCH_BOX(&nvc3d::nearest_planes));
}
