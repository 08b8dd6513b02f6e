// The gradient of neighbour distances on CUDA.
//
// What a point of x receives comes from its own choices, in their order. What a point of y receives
// comes from all choices of it, and every sum is formed in their order, too, in every run.
//
// Where there are few choices a point, each goes into one of 16 slots of the point it chose, in any
// order, and the slots are put in order when they are summed; points with more choices are listed,
// and their choices are looked for among all of the cloud. Where there are many choices a point,
// all are sorted by the chosen point. Where many choose the same few points, each sum is cut into
// the same parts in every run.
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

// Choices by the point of y they chose: the number of its choices and, in its slots, the first of
// them that came, by position. Points with more choices than slots are listed besides.
struct Slots {
  static constexpr int each = 16;
  int32_t* count;     // (B * M + 1): the last one counts the list
  int32_t* position;  // (B * M, 16); nullptr where choices are to be sorted
  int32_t* list;      // of points of y, in any order
};

// A coordinate of a point of x is the work of a thread. An index outside of y gives NaN: whoever
// calls this operator by hand learns of it without the device being waited for.
template <class T>
__global__ void pull_from_own(Choices<T> choices, CloudsView<T> x, CloudsView<T> y, T* grad_x,
                              Slots slots) {
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
      if (!slots.position || d > 0 || !inside) continue;
      const int64_t to = b * y.size + chosen;
      const int32_t place = atomicAdd(&slots.count[to], 1);
      if (place < Slots::each)
        slots.position[to * Slots::each + place] = static_cast<int32_t>(j);
      else if (place == Slots::each)
        slots.list[atomicAdd(&slots.count[y.points()], 1)] = static_cast<int32_t>(to);
    }
  }
  grad_x[at] = sum;
}

// A point of y is the work of `width` neighbouring threads: each takes every width-th coordinate.
template <class T>
__global__ void pull_from_slots(Choices<T> choices, CloudsView<T> x, CloudsView<T> y, Slots slots,
                                int width, T* grad_y) {
  const int64_t row = (int64_t{blockIdx.x} * threads + threadIdx.x) / width;
  if (row >= y.points()) return;
  const int32_t count = slots.count[row];
  if (count > Slots::each) return;
  const int32_t* const position = slots.position + row * Slots::each;
  for (int64_t d = threadIdx.x % width; d < y.dim; d += width) {
    const T mine = y.data[row * y.dim + d];
    T sum = 0;
    int32_t j = -1;
    for (int32_t done = 0; done < count; ++done) {
      int32_t next = no_index;  // the first after j
      for (int32_t i = 0; i < count; ++i) {
        const int32_t other = position[i];
        if (other > j && other < next) next = other;
      }
      j = next;
      sum -= choices.grad[j] * slope(x.data[j / choices.k * x.dim + d] - mine, choices.norm);
    }
    grad_y[row * y.dim + d] = sum;
  }
}

// The points of y in the list, a block each: it looks at all choices of the cloud in their order.
constexpr int list_threads = 256;
template <class T>
__global__ void __launch_bounds__(list_threads)
    pull_listed(Choices<T> choices, CloudsView<T> x, CloudsView<T> y, Slots slots, int64_t blocks,
                T* grad_y) {
  constexpr int each = 8;         // choices of a thread, one after the other
  constexpr int coordinates = 8;  // at a time
  constexpr int warps = list_threads / warp;
  __shared__ int before_warp[warps + 1];
  __shared__ int32_t found[list_threads * each];
  __shared__ T pull[coordinates][list_threads + 1];
  const int mine = static_cast<int>(threadIdx.x), lane = lane_number();
  for (int64_t listed = blockIdx.x; listed < slots.count[y.points()]; listed += blocks) {
    const int64_t row = slots.list[listed];
    const int64_t b = row / y.size, chosen = row % y.size;
    const int64_t end = (b * x.size + x.count(b)) * choices.k;
    for (int64_t d = mine; d < y.dim; d += list_threads) grad_y[row * y.dim + d] = 0;
    int32_t left = slots.count[row];
    for (int64_t start = b * x.size * choices.k; left > 0 && start < end;
         start += list_threads * each) {
      const int64_t first = start + mine * each;
      unsigned hits = 0;
#pragma unroll
      for (int i = 0; i < each; ++i)
        hits |= unsigned{first + i < end && choices.index[first + i] == chosen} << i;
      // The places of this thread's hits: after those of the threads before it.
      int up_to = __popc(hits);
      for (int step = 1; step < warp; step *= 2) {
        const int other = __shfl_up_sync(all_lanes, up_to, step);
        if (lane >= step) up_to += other;
      }
      __syncthreads();
      if (lane == warp - 1) before_warp[mine / warp + 1] = up_to;
      if (mine == 0) before_warp[0] = 0;
      __syncthreads();
      int place = up_to - __popc(hits), total = 0;
      for (int w = 0; w <= warps; ++w) {
        if (w <= mine / warp) place += before_warp[w];
        total += before_warp[w];
      }
      for (; hits; hits &= hits - 1) found[place++] = static_cast<int32_t>(first + __ffs(hits) - 1);
      left -= total;
      for (int begin = 0; begin < total; begin += list_threads) {
        const int count = total - begin < list_threads ? total - begin : list_threads;
        for (int64_t d = 0; d < y.dim; d += coordinates) {
          const int width = static_cast<int>(y.dim - d < coordinates ? y.dim - d : coordinates);
          __syncthreads();
          if (mine < count) {
            const int64_t j = found[begin + mine];
            const T* const from = x.data + j / choices.k * x.dim + d;
            const T* const to = y.data + row * y.dim + d;
            for (int c = 0; c < width; ++c)
              pull[c][mine] = choices.grad[j] * slope(from[c] - to[c], choices.norm);
          }
          __syncthreads();
          if (mine >= width) continue;
          T& result = grad_y[row * y.dim + d + mine];
          T sum = result;
          for (int i = 0; i < count; ++i) sum -= pull[mine][i];
          result = sum;
        }
      }
    }
  }
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

// So many neighbouring threads share a point that each has few coordinates.
inline int threads_of_point(int64_t dim) {
  int width = 1;
  while (width < threads && width < dim) width *= 2;
  return width;
}

template <class T>
void pull_own(const Device& device, const Choices<T>& choices, const Clouds<T>& x,
              const Clouds<T>& y, T* grad_x, const Slots& slots) {
  device.launch(pull_from_own<T>, pieces(x.points() * x.dim, threads), threads, choices, x.view(),
                y.view(), grad_x, slots);
}

template <class T>
void pull_by_slots(const Device& device, const Choices<T>& choices, const Clouds<T>& x,
                   const Clouds<T>& y, T* grad_x, T* grad_y) {
  const Tensor& like = x.points_tensor;
  const Memory<int32_t> count(like, y.points() + 1), position(like, y.points() * Slots::each),
      list(like, x.points() * choices.k / (Slots::each + 1) + 1);
  device.fill(count.data, 0, count.bytes);
  const Slots slots{count.data, position.data, list.data};
  pull_own(device, choices, x, y, grad_x, slots);
  const int width = threads_of_point(y.dim);
  device.launch(pull_from_slots<T>, pieces(y.points() * width, threads), threads, choices, x.view(),
                y.view(), slots, width, grad_y);
  const int64_t blocks = 2 * device.processors();
  device.launch(pull_listed<T>, blocks, list_threads, choices, x.view(), y.view(), slots, blocks,
                grad_y);
}

template <class T>
void pull_by_sorting(const Device& device, const Choices<T>& choices, const Clouds<T>& x,
                     const Clouds<T>& y, T* grad_x, T* grad_y) {
  pull_own(device, choices, x, y, grad_x, Slots{});
  KeysAndValues unsorted(x.points_tensor, x.points() * choices.k);
  device.launch(number_choices<T>, pieces(unsorted.count, threads), threads, choices, x.view(),
                y.view(), unsorted.keys.data, unsorted.values.data);
  const KeysAndValues order = sorted(device, std::move(unsorted), bits_for(y.points() + 1));

  const int width = threads_of_point(y.dim);
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

// Whether choices are few enough for slots: up to four a point, and no more in a cloud than are
// soon looked at when a point is listed.
template <class T>
bool few(const Choices<T>& choices, const Clouds<T>& x, const Clouds<T>& y) {
  const int64_t count = x.points() * choices.k;
  return count <= 4 * y.points() && std::max(count, y.points()) <= INT32_MAX &&
         x.size * choices.k <= 1 << 22;
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
    const auto pull = few(choices, from, to) ? pull_by_slots<T> : pull_by_sorting<T>;
    pull(device, choices, from, to, pointer<T>(grad_x), pointer<T>(grad_y));
    return std::make_tuple(grad_x, grad_y);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) {
  if (!nvc3d::cuda_usable()) return;
  m.impl("distance_backward", TORCH_BOX(&nvc3d::distance_backward));
}
