// Nearest anchors on the CPU.
#include <torch/csrc/stable/library.h>

#include "clouds.h"

namespace nvc3d {
namespace {

std::tuple<Tensor, Tensor> assign_anchors(Tensor latents, Tensor anchors, bool check_finite) {
  require_anchors(latents, anchors);
  return with_type(latents, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> rows(torch::stable::unsqueeze(latents, 0), std::nullopt);
    const Clouds<T> centres(torch::stable::unsqueeze(anchors, 0), std::nullopt);
    if (check_finite) require_finite(centres, "anchors", 2);
    Tensor distance = torch::stable::new_empty(latents, {rows.size});  // (N,)
    Tensor index = new_index(latents, {rows.size});                    // (N,)
    for_each_cloud(1, [&](int64_t, const Parallel& parallel) {
      kernels<T>().assign_anchors(rows.data, rows.size, centres.data, centres.size, rows.dim,
                                  pointer<int64_t>(index), pointer<T>(distance), parallel);
      // A latent that is not finite is at no finite distance from any anchor: looking at the
      // distances spares a read of the latents, which is slow where they are many.
      int64_t first = -1;
      if (check_finite && kernels<T>().count_nonfinite(pointer<T>(distance), rows.size, &first) > 0)
        require_finite(rows, "latents", 2);
    });
    return std::make_tuple(distance, index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CPU, m) {
  m.impl("assign_anchors", TORCH_BOX(&nvc3d::assign_anchors));
}
