// The gradient of neighbour distances on CUDA.
//
// What a point of x receives comes from its own choices, in their order. What a point of y receives
// comes from all choices of it: these are sorted by the chosen point, so that each point's choices
// stand together, in their order, and every sum is formed in one order, without atomics. Where many
// choose the same few points, each sum is cut into the same parts in every run.
#include <torch/csrc/stable/library.h>

#include "clouds.cuh"
#include "sort.cuh"
#include "warp.cuh"

namespace nvc3d {
namespace {

constexpr int threads = 128;

template <class T>
struct Choices {
  const T* grad;         // (B, N, K)
  const int64_t* index;  // (B, N, K)
  int64_t k;
  int norm;
};

template <class T>
__device__ T slope(T difference, int norm) {
  if (norm == 2) return 2 * difference;
  return static_cast<T>((difference > 0) - (difference < 0));
}

// A coordinate of a point of x is the work of a thread. An index outside of y gives NaN: whoever
// calls this operator by hand learns of it without the device being waited for.
template <class T>
__global__ void pull_from_own(Choices<T> choices, CloudsView<T> x, CloudsView<T> y, T* grad_x) {
  const int64_t at = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (at >= x.points() * x.dim) return;
  const int64_t row = at / x.dim, d = at % x.dim;
  const int64_t b = row / x.size, i = row % x.size;
  T sum = 0;
  if (i < x.count(b)) {
    for (int64_t j = row * choices.k; j < (row + 1) * choices.k; ++j) {
      const int64_t chosen = choices.index[j];
      const bool inside = 0 <= chosen && chosen < y.size;
      const T other = inside ? y.cloud(b)[chosen * y.dim + d] : 0;
      sum += inside ? choices.grad[j] * slope(x.data[at] - other, choices.norm) : not_a_number<T>;
    }
  }
  grad_x[at] = sum;
}

// Sorts choices by the point they chose, of the whole batch. Those of padding go past the end.
template <class T>
__global__ void number_choices(Choices<T> choices, CloudsView<T> x, CloudsView<T> y, uint64_t* keys,
                               int32_t* positions) {
  const int64_t j = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (j >= x.points() * choices.k) return;
  const int64_t row = j / choices.k, b = row / x.size;
  const int64_t chosen = choices.index[j];
  const bool counts = row % x.size < x.count(b) && 0 <= chosen && chosen < y.size;
  keys[j] = static_cast<uint64_t>(counts ? b * y.size + chosen : y.points());
  positions[j] = static_cast<int32_t>(j);
}

// The first position whose key is not below the given one.
inline __device__ int64_t lower_bound(const uint64_t* keys, int64_t count, uint64_t key) {
  int64_t begin = 0;
  while (begin < count) {
    const int64_t middle = begin + (count - begin) / 2;
    if (keys[middle] < key) {
      begin = middle + 1;
    } else {
      count = middle;
    }
  }
  return begin;
}

// A point of y, and one of the `parts` of its choices, is the work of `width` neighbouring threads
// of a block: each takes every width-th coordinate. `to` is (parts, B, M, D).
template <class T>
__global__ void pull_from_choosers(Choices<T> choices, CloudsView<T> x, CloudsView<T> y,
                                   const uint64_t* keys, const int32_t* positions, int width,
                                   int64_t parts, T* to) {
  const int64_t number = (int64_t{blockIdx.x} * threads + threadIdx.x) / width;
  const int64_t row = number / parts, part = number % parts;
  if (row >= y.points()) return;
  const int64_t total = x.points() * choices.k;
  const int64_t first = lower_bound(keys, total, static_cast<uint64_t>(row));
  const int64_t last = lower_bound(keys, total, static_cast<uint64_t>(row) + 1);
  const int64_t begin = first + (last - first) * part / parts;
  const int64_t end = first + (last - first) * (part + 1) / parts;
  for (int64_t d = threadIdx.x % width; d < y.dim; d += width) {
    const T mine = y.data[row * y.dim + d];
    T sum = 0;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t j = positions[i];
      sum -= choices.grad[j] * slope(x.data[j / choices.k * x.dim + d] - mine, choices.norm);
    }
    to[(part * y.points() + row) * y.dim + d] = sum;
  }
}

template <class T>
__global__ void add_parts(const T* from, int64_t count, int64_t parts, T* to) {
  const int64_t at = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (at >= count) return;
  T sum = 0;
  for (int64_t part = 0; part < parts; ++part) sum += from[part * count + at];
  to[at] = sum;
}

template <class T>
void fill_grad_y(const Device& device, const Choices<T>& choices, const Clouds<T>& x,
                 const Clouds<T>& y, T* grad_y) {
  KeysAndValues unsorted(x.points_tensor, x.points() * choices.k);
  device.launch(number_choices<T>, pieces(unsorted.count, threads), threads, choices, x.view(),
                y.view(), unsorted.keys.data, unsorted.values.data);
  const KeysAndValues order = sorted(device, std::move(unsorted), bits_for(y.points() + 1));

  int width = 1;
  while (width < threads && width < y.dim) width *= 2;
  const int64_t values = y.points() * y.dim;
  // About 256 choices a sum, as long as that keeps the GPU busy.
  const int64_t parts = std::clamp<int64_t>(order.count / std::max<int64_t>(1, y.points()) / 256, 1,
                                            std::max<int64_t>(1, (1 << 20) / values));
  std::optional<Memory<T>> memory;
  if (parts > 1) memory.emplace(x.points_tensor, parts * values);
  device.launch(pull_from_choosers<T>, pieces(y.points() * parts * width, threads), threads,
                choices, x.view(), y.view(), order.keys.data, order.values.data, width, parts,
                parts > 1 ? memory->data : grad_y);
  if (parts > 1)
    device.launch(add_parts<T>, pieces(values, threads), threads, memory->data, values, parts,
                  grad_y);
}

std::tuple<Tensor, Tensor> distance_backward(Tensor grad, Tensor x, Tensor y, Tensor index,
                                             std::optional<Tensor> x_lengths, int64_t norm) {
  require_choices(grad, x, y, index, x_lengths);
  require_norm(norm);
  const Device device(x, "distance_backward");
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, std::nullopt);
    const Tensor slopes = torch::stable::contiguous(grad);   // (B, N, K)
    const Tensor chosen = torch::stable::contiguous(index);  // (B, N, K)
    const Choices<T> choices{pointer<T>(slopes), pointer<int64_t>(chosen), index.size(2),
                             static_cast<int>(norm)};
    const Tensor grad_x = new_values(x, from.batch, from.size, from.dim);
    const Tensor grad_y = new_values(y, to.batch, to.size, to.dim);
    device.launch(pull_from_own<T>, pieces(from.points() * from.dim, threads), threads, choices,
                  from.view(), to.view(), pointer<T>(grad_x));
    if (from.points() * choices.k > 0) {
      fill_grad_y<T>(device, choices, from, to, pointer<T>(grad_y));
    } else {
      device.fill(grad_y.data_ptr(), 0, to.points() * to.dim * static_cast<int64_t>(sizeof(T)));
    }
    return std::make_tuple(grad_x, grad_y);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) {
  m.impl("distance_backward", TORCH_BOX(&nvc3d::distance_backward));
}
