// Where regions meet, on the CPU.
#include "../core/region_borders.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor> borders(Tensor index, Tensor region) {
  require_borders(index, region);
  const Tensor chosen = torch::stable::contiguous(index);  // (N, K)
  const Tensor of = torch::stable::contiguous(region);     // (N,)
  const int64_t n = chosen.size(0), k = chosen.size(1);
  Interruptible call;
  std::vector<int64_t> before(border_blocks(n));
  int64_t pairs = 0;
  for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
    pairs = count_borders(pointer<int64_t>(chosen), pointer<int64_t>(of), n, k, before.data(),
                          parallel);
  });
  Tensor one = new_index(region, {pairs}), other = new_index(region, {pairs});
  for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
    region_borders(pointer<int64_t>(chosen), pointer<int64_t>(of), n, k, before.data(),
                   pointer<int64_t>(one), pointer<int64_t>(other), parallel);
  });
  if (call.interrupted()) {
    torch::stable::zero_(one);
    torch::stable::zero_(other);
  }
  return std::make_tuple(one, other);
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) { m.impl("region_borders", TORCH_BOX(&nvc3d::borders)); }
