// Regions on planes on the CPU.
#include "../core/grow_planes.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

Tensor regions(Tensor points, Tensor index, Tensor normal, Tensor tolerance, Tensor seeds,
               double cosine, int64_t least) {
  require_neighbourhoods(points, index);
  require_growth(points, normal, tolerance, seeds);
  return with_type(points, [&](auto type) {
    using T = decltype(type);
    const Tensor at = torch::stable::contiguous(points);      // (N, 3)
    const Tensor chosen = torch::stable::contiguous(index);   // (N, K)
    const Tensor across = torch::stable::contiguous(normal);  // (N, 3)
    const Tensor far = torch::stable::contiguous(tolerance);  // (N,)
    const Tensor order = torch::stable::contiguous(seeds);    // (S,)
    const int64_t n = at.size(0);
    const PlaneGraph<T> graph{
        pointer<T>(at), pointer<T>(across), pointer<T>(far), pointer<int64_t>(chosen), n,
        chosen.size(1)};
    Tensor seed = new_index(points, {n});  // (N,)
    for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
      grow_planes(graph, pointer<int64_t>(order), order.size(0), cosine, least,
                  pointer<int64_t>(seed), parallel);
    });
    return seed;
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) { m.impl("grow_planes", TORCH_BOX(&nvc3d::regions)); }
