#include "../core/hilbert.h"
#include "sort.cuh"
#include "tree.cuh"

namespace nvc3d {
namespace {

constexpr int threads = 128;
constexpr int warps = threads / warp;

// The bounding box of a cloud, in numbers with the order of the coordinates, so that atomics can
// widen it. Starts as zeros, below every such number.
struct Bounds {
  unsigned long long below[3], above[3];  // of minus the lower corner, of the upper corner
};

__device__ unsigned long long ordered(double value) {
  const auto bits = static_cast<unsigned long long>(__double_as_longlong(value));
  return bits >> 63 ? ~bits : bits | 1ull << 63;
}
__device__ double from_ordered(unsigned long long number) {
  return __longlong_as_double(
      static_cast<long long>(number >> 63 ? number & ~(1ull << 63) : ~number));
}

// Each cloud is the work of `parts` blocks.
template <class T>
__global__ void widen_bounds(CloudsView<T> clouds, int64_t parts, Bounds* bounds) {
  const int64_t b = blockIdx.x / parts, part = blockIdx.x % parts;
  const int32_t count = clouds.count(b);
  T below[3], above[3];
  for (int axis = 0; axis < 3; ++axis) below[axis] = above[axis] = -infinity<T>;
  for (int64_t i = part * threads + threadIdx.x; i < count; i += parts * threads) {
    const Point<T> point = Point<T>::load(clouds.cloud(b), i, clouds.dim);
    const T at[3] = {point.x, point.y, point.z};
    for (int axis = 0; axis < 3; ++axis) {
      below[axis] = fmax(below[axis], -at[axis]);
      above[axis] = fmax(above[axis], at[axis]);
    }
  }
  for (int axis = 0; axis < 3; ++axis) {
    below[axis] = warp_largest(below[axis]);
    above[axis] = warp_largest(above[axis]);
    if (lane_number() == 0) {
      atomicMax(&bounds[b].below[axis], ordered(below[axis]));
      atomicMax(&bounds[b].above[axis], ordered(above[axis]));
    }
  }
}

// A point's key: its cloud, then the number of its cell, `bits` bits each way. Padding comes last.
template <class T>
__global__ void number_points(CloudsView<T> clouds, const Bounds* bounds, int bits, uint64_t* keys,
                              int32_t* indices) {
  const int64_t at = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (at >= clouds.points()) return;
  const int64_t b = at / clouds.size, i = at % clouds.size;
  const uint64_t cells = uint64_t{1} << bits;
  uint64_t number = (uint64_t{1} << 3 * bits) - 1;
  if (i < clouds.count(b)) {
    const Point<T> point = Point<T>::load(clouds.cloud(b), i, clouds.dim);
    const T place[3] = {point.x, point.y, point.z};
    // All coordinates are taken a quarter as large, so that no difference overflows.
    double lower[3], extent = 0;
    for (int axis = 0; axis < 3; ++axis) {
      lower[axis] = -from_ordered(bounds[b].below[axis]) / 4;
      extent = fmax(extent, from_ordered(bounds[b].above[axis]) / 4 - lower[axis]);
    }
    int32_t cell[3];
    for (int axis = 0; axis < 3; ++axis) {
      const double part = (static_cast<double>(place[axis]) / 4 - lower[axis]) / extent;
      // What is not a number lies in the first cell.
      const double inside = part >= 0 ? part * static_cast<double>(cells) : 0;
      cell[axis] = static_cast<int32_t>(fmin(inside, static_cast<double>(cells - 1)));
    }
    number = hilbert_number(cell[0], cell[1], cell[2], bits);
  }
  keys[at] = static_cast<uint64_t>(b) << 3 * bits | number;
  indices[at] = static_cast<int32_t>(i);
}

// The box around what the lanes have: a part of it each.
template <class T>
__device__ void write_box(const T* lower, const T* upper, int32_t least_index, Box<T>* to) {
  Box<T> box;
  for (int axis = 0; axis < 3; ++axis) {
    box.lower[axis] = warp_least(lower[axis]);
    box.upper[axis] = warp_largest(upper[axis]);
  }
  box.least_index = __reduce_min_sync(all_lanes, least_index);
  if (lane_number() == 0) *to = box;
}

// A leaf, or an empty place for one, is the work of a warp.
template <class T>
__global__ void fill_leaves(CloudsView<T> clouds, const int32_t* order, int64_t leaves,
                            int64_t places, Site<T>* sites, Box<T>* boxes) {
  const int64_t number = int64_t{blockIdx.x} * warps + threadIdx.x / warp;
  if (number >= clouds.batch * places) return;
  const int64_t b = number / places, l = number % places;
  const int64_t at = l * warp + lane_number();
  Site<T> site{{infinity<T>, infinity<T>, infinity<T>}, no_index};
  T lower[3] = {infinity<T>, infinity<T>, infinity<T>};
  T upper[3] = {-infinity<T>, -infinity<T>, -infinity<T>};
  if (at < clouds.count(b)) {
    site.index = order[b * clouds.size + at];
    site.at = Point<T>::load(clouds.cloud(b), site.index, clouds.dim);
    lower[0] = upper[0] = site.at.x;
    lower[1] = upper[1] = site.at.y;
    lower[2] = upper[2] = site.at.z;
  }
  if (l < leaves) sites[(b * leaves + l) * warp + lane_number()] = site;
  write_box(lower, upper, site.index, boxes + number);
}

// A box around a group of the level below, or an empty place for one, is the work of a warp.
template <class T>
__global__ void fill_level(const Box<T>* below, int64_t groups, int64_t places, int64_t batch,
                           Box<T>* boxes) {
  const int64_t number = int64_t{blockIdx.x} * warps + threadIdx.x / warp;
  if (number >= batch * places) return;
  const int64_t b = number / places, g = number % places;
  Box<T> box{{infinity<T>, infinity<T>, infinity<T>},
             {-infinity<T>, -infinity<T>, -infinity<T>},
             no_index};
  if (g < groups) box = below[(b * groups + g) * warp + lane_number()];
  write_box(box.lower, box.upper, box.least_index, boxes + number);
}

}  // namespace

template <class T>
Tree<T>::Tree(const Device& device, const Clouds<T>& clouds) {
  const int64_t batch = clouds.batch, size = clouds.size;
  const Tensor& like = clouds.points_tensor;
  this->batch = batch;
  this->leaves = pieces(size, warp);

  const Memory<Bounds> bounds(like, batch);
  device.fill(bounds.data, 0, bounds.bytes);
  const int64_t parts = std::min<int64_t>(pieces(size, threads * 8), 256);
  device.launch(widen_bounds<T>, batch * parts, threads, clouds.view(), parts, bounds.data);

  const int bits = std::min(20, (64 - bits_for(batch)) / 3);
  KeysAndValues numbers(like, batch * size);
  device.launch(number_points<T>, pieces(numbers.count, threads), threads, clouds.view(),
                bounds.data, bits, numbers.keys.data, numbers.values.data);
  const KeysAndValues order = sorted(device, std::move(numbers), 3 * bits + bits_for(batch));

  const Memory<Site<T>> sites(like, batch * this->leaves * warp);
  this->site = sites.data;
  memory.push_back(sites.tensor);
  int64_t boxes = this->leaves;
  this->levels = 0;
  do {
    const int64_t groups = pieces(boxes, warp), places = groups * warp;
    const Memory<Box<T>> level(like, batch * places);
    memory.push_back(level.tensor);
    const int64_t blocks = pieces(batch * places, warps);
    if (this->levels == 0) {
      device.launch(fill_leaves<T>, blocks, threads, clouds.view(), order.values.data, this->leaves,
                    places, sites.data, level.data);
    } else {
      device.launch(fill_level<T>, blocks, threads, this->level[this->levels - 1].box, boxes,
                    places, batch, level.data);
    }
    this->level[this->levels++] = {level.data, places};
    boxes = groups;
  } while (boxes > 1);
}

template struct Tree<float>;
template struct Tree<double>;

}  // namespace nvc3d
