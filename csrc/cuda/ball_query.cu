// Points within a radius, on CUDA: a warp a centre looks at 32 points at a time, in their order.
#include <torch/csrc/stable/library.h>

#include "values.cuh"
#include "warp.cuh"

namespace nvc3d {
namespace {

constexpr int threads = 128;
constexpr int warps = threads / warp;

template <class T>
__device__ T squared_distance(const T* a, const T* b, int64_t dim) {
  T sum = 0;
  for (int64_t d = 0; d < dim; ++d) sum = SquaredL2::add(sum, a[d] - b[d]);
  return sum;
}

template <class T>
__global__ void first_within(CloudsView<T> x, CloudsView<T> y, T squared_radius, int64_t k,
                             T* distance_out, int64_t* index_out) {
  const int64_t row = int64_t{blockIdx.x} * warps + threadIdx.x / warp;
  if (row >= x.points()) return;
  const int64_t b = row / x.size, i = row % x.size;
  const int64_t m = i < x.count(b) ? y.count(b) : 0;
  const T* const point = x.cloud(b) + i * x.dim;
  T* const distances = distance_out + row * k;
  int64_t* const indices = index_out + row * k;
  const int lane = lane_number();
  int64_t found = 0;
  for (int64_t start = 0; start < m && found < k; start += warp) {
    const int64_t j = start + lane;
    const T d = j < m ? squared_distance(point, y.cloud(b) + j * y.dim, x.dim) : infinity<T>;
    const unsigned within = __ballot_sync(all_lanes, j < m && d < squared_radius);
    const int64_t place = found + __popc(within & ((1u << lane) - 1));
    if (within >> lane & 1 && place < k) {
      distances[place] = d;
      indices[place] = j;
    }
    found += __popc(within);
  }
  for (int64_t place = found + lane; place < k; place += warp) {
    distances[place] = 0;
    indices[place] = -1;
  }
}

std::tuple<Tensor, Tensor> ball_query(Tensor x, Tensor y, int64_t k, double squared_radius,
                                      std::optional<Tensor> x_lengths,
                                      std::optional<Tensor> y_lengths, bool check_finite) {
  require_two_clouds(x, y, x_lengths, y_lengths);
  require_ball(k, squared_radius);
  const Device device(x, "ball_query");
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, y_lengths);
    ValueChecks checks(device, x, check_finite);
    checks.lengths(x_lengths, from.size, "x");
    checks.lengths(y_lengths, to.size, "y");
    checks.finite(from, "x");
    checks.finite(to, "y");
    checks.send();
    const Tensor distance = new_values(x, from.batch, from.size, k);  // (B, N, k)
    const Tensor index = new_index(x, from.batch, from.size, k);      // (B, N, k)
    device.launch(first_within<T>, pieces(from.points(), warps), threads, from.view(), to.view(),
                  static_cast<T>(squared_radius), k, pointer<T>(distance), pointer<int64_t>(index));
    checks.raise();
    return std::make_tuple(distance, index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) { m.impl("ball_query", TORCH_BOX(&nvc3d::ball_query)); }
