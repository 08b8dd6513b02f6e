// Optimal matching on the CPU.
#include "../core/optimal_matching.h"

#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor> match_clouds(Tensor x, Tensor y, std::optional<Tensor> lengths,
                                        double tolerance, bool check_finite) {
  require_clouds(x, lengths, "x");
  require_clouds(y, lengths, "y");
  require_pair(x, y, "x", "y");
  require(x.size(1) == y.size(1), "x and y must have the same number of points, got ", shape(x),
          " and ", shape(y));
  require(tolerance >= 0, "tolerance must not be negative, got ", tolerance);
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, lengths), to(y, lengths);
    if (check_finite) {
      require_finite(from, "x");
      require_finite(to, "y");
    }
    Tensor index = new_index(x, {from.batch, from.size});      // (B, N)
    Tensor error = torch::stable::new_empty(x, {from.batch});  // (B,)
    const CostRows& rows = cost_rows(active().name);
    // A cloud is one thread's work: bids follow one upon the other.
    for_each_cloud(from.batch, [&](int64_t b, const Parallel& parallel) {
      pointer<T>(error)[b] =
          optimal_matching(from.cloud(b), to.cloud(b), from.count(b), from.dim, tolerance,
                           pointer<int64_t>(index) + b * from.size, rows, parallel);
    });
    clear_padding(from, pointer<int64_t>(index), 1);
    return std::make_tuple(index, error);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("optimal_matching", TORCH_BOX(&nvc3d::match_clouds));
}
