// The moments of regions on the CPU.
#include "../core/plane_moments.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor, Tensor> moments(Tensor points, Tensor region, int64_t regions) {
  require_regions(points, region, regions);
  return with_type(points, [&](auto type) {
    using T = decltype(type);
    const Tensor at = torch::stable::contiguous(points);  // (N, 3)
    const Tensor of = torch::stable::contiguous(region);  // (N,)
    Tensor size = new_index(points, {regions});
    Tensor centre = torch::stable::new_empty(points, {regions, 3});
    Tensor scatter = torch::stable::new_empty(points, {regions, 3, 3});
    const int64_t rows = moment_pieces(at.size(0), regions) * regions;
    std::vector<double> sums(9 * rows);
    std::vector<int64_t> counts(rows), first(regions);
    for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
      plane_moments(pointer<T>(at), pointer<int64_t>(of), at.size(0), regions, sums.data(),
                    counts.data(), first.data(), pointer<int64_t>(size), pointer<T>(centre),
                    pointer<T>(scatter), parallel);
    });
    return std::make_tuple(size, centre, scatter);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) { m.impl("plane_moments", TORCH_BOX(&nvc3d::moments)); }
