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

// Two batches, the second perhaps empty, whose trees are built side by side: every kernel works on
// both, and their clouds are numbered one after the other.
template <class T>
struct Both {
  CloudsView<T> first, second;

  __host__ __device__ int64_t batch() const { return first.batch + second.batch; }
  __host__ __device__ int64_t points() const { return first.points() + second.points(); }
};

// Each cloud is the work of `parts` blocks.
template <class T>
__global__ void widen_bounds(Both<T> both, int64_t parts, Bounds* bounds) {
  const int64_t number = blockIdx.x / parts, part = blockIdx.x % parts;
  const bool second = number >= both.first.batch;
  const CloudsView<T> clouds = second ? both.second : both.first;
  const int64_t b = second ? number - both.first.batch : number;
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
      atomicMax(&bounds[number].below[axis], ordered(below[axis]));
      atomicMax(&bounds[number].above[axis], ordered(above[axis]));
    }
  }
}

// A point's key: its cloud, then the number of its cell, `bits` bits each way. Padding comes last.
template <class T>
__global__ void number_points(Both<T> both, const Bounds* bounds, int bits, uint64_t* keys,
                              int32_t* indices) {
  const int64_t at = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (at >= both.points()) return;
  const bool second = at >= both.first.points();
  const CloudsView<T> clouds = second ? both.second : both.first;
  const int64_t row = second ? at - both.first.points() : at;
  const int64_t b = row / clouds.size, i = row % clouds.size;
  const int64_t of_both = second ? both.first.batch + b : b;
  const uint64_t cells = uint64_t{1} << bits;
  uint64_t number = (uint64_t{1} << 3 * bits) - 1;
  if (i < clouds.count(b)) {
    const Point<T> point = Point<T>::load(clouds.cloud(b), i, clouds.dim);
    const T place[3] = {point.x, point.y, point.z};
    // All coordinates are taken a quarter as large, so that no difference overflows.
    double lower[3], extent = 0;
    for (int axis = 0; axis < 3; ++axis) {
      lower[axis] = -from_ordered(bounds[of_both].below[axis]) / 4;
      extent = fmax(extent, from_ordered(bounds[of_both].above[axis]) / 4 - lower[axis]);
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
  keys[at] = static_cast<uint64_t>(of_both) << 3 * bits | number;
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
  box.least_index = warp_least(least_index);
  if (lane_number() == 0) *to = box;
}

// A level of the trees of one batch, to be filled: `filled` boxes a cloud and empty places after
// them. Of level 0, with its leaves' sites; above, from the boxes of the level below.
template <class T>
struct Filling {
  int64_t batch, filled, places;
  Site<T>* sites;
  const Box<T>* below;
  Box<T>* boxes;
};

// A leaf, or an empty place for one, is the work of a warp.
template <class T>
__global__ void fill_leaves(Both<T> both, const int32_t* order, Filling<T> first,
                            Filling<T> second) {
  int64_t number = int64_t{blockIdx.x} * warps + threadIdx.x / warp;
  const bool in_second = number >= first.batch * first.places;
  const CloudsView<T> clouds = in_second ? both.second : both.first;
  const Filling<T> filling = in_second ? second : first;
  if (in_second) {
    number -= first.batch * first.places;
    order += both.first.points();
  }
  if (number >= filling.batch * filling.places) return;
  const int64_t b = number / filling.places, l = number % filling.places;
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
  if (l < filling.filled) filling.sites[(b * filling.filled + l) * warp + lane_number()] = site;
  write_box(lower, upper, site.index, filling.boxes + number);
}

// A box around a group of the level below, or an empty place for one, is the work of a warp.
template <class T>
__global__ void fill_level(Filling<T> first, Filling<T> second) {
  int64_t number = int64_t{blockIdx.x} * warps + threadIdx.x / warp;
  const bool in_second = number >= first.batch * first.places;
  const Filling<T> filling = in_second ? second : first;
  if (in_second) number -= first.batch * first.places;
  if (number >= filling.batch * filling.places) return;
  const int64_t b = number / filling.places, g = number % filling.places;
  Box<T> box{{infinity<T>, infinity<T>, infinity<T>},
             {-infinity<T>, -infinity<T>, -infinity<T>},
             no_index};
  if (g < filling.filled) box = filling.below[(b * filling.filled + g) * warp + lane_number()];
  write_box(box.lower, box.upper, box.least_index, filling.boxes + number);
}

// Takes the memory of a tree.
template <class T>
void reserve(const Clouds<T>& clouds, Tree<T>& tree) {
  const auto memory = [&](auto& pointer, int64_t count) {
    using Item = std::remove_const_t<std::remove_reference_t<decltype(*pointer)>>;
    const Memory<Item> taken(clouds.points_tensor, count);
    pointer = taken.data;
    tree.memory.push_back(taken.tensor);
  };
  tree.batch = clouds.batch;
  tree.leaves = pieces(clouds.size, warp);
  memory(tree.site, clouds.batch * tree.leaves * warp);
  tree.levels = 0;
  for (int64_t boxes = tree.leaves; tree.levels == 0 || boxes > 1;) {
    boxes = pieces(boxes, warp);
    auto& level = tree.level[tree.levels++];
    level.boxes = boxes * warp;
    memory(level.box, clouds.batch * level.boxes);
  }
}

// What is to be done for a level of a tree: nothing where it has no such level.
template <class T>
Filling<T> filling(const Tree<T>& tree, int level) {
  if (level >= tree.levels) return {};
  const auto& mine = tree.level[level];
  return {tree.batch,
          level == 0 ? tree.leaves : tree.level[level - 1].boxes / warp,
          mine.boxes,
          const_cast<Site<T>*>(tree.site),
          level == 0 ? nullptr : tree.level[level - 1].box,
          const_cast<Box<T>*>(mine.box)};
}

// Builds the trees of two batches, the second perhaps empty.
template <class T>
void build(const Device& device, const Clouds<T>& like, const Both<T>& both, const Tree<T>& first,
           const Tree<T>& second) {
  const Memory<Bounds> bounds(like.points_tensor, both.batch());
  device.fill(bounds.data, 0, bounds.bytes);
  const int64_t largest = std::max(both.first.size, both.second.size);
  const int64_t parts = std::min<int64_t>(pieces(largest, threads * 8), 256);
  device.launch(widen_bounds<T>, both.batch() * parts, threads, both, parts, bounds.data);

  const int cloud_bits = bits_for(both.batch());
  // Sorting takes a pass for every eight bits: seven of them, and cells as small as they allow.
  const int bits = std::min(20, (56 - cloud_bits) / 3);
  KeysAndValues numbers(like.points_tensor, both.points());
  device.launch(number_points<T>, pieces(numbers.count, threads), threads, both, bounds.data, bits,
                numbers.keys.data, numbers.values.data);
  const KeysAndValues order = sorted(device, std::move(numbers), 3 * bits + cloud_bits);

  for (int level = 0; level < std::max(first.levels, second.levels); ++level) {
    const Filling<T> one = filling(first, level), two = filling(second, level);
    const int64_t blocks = pieces(one.batch * one.places + two.batch * two.places, warps);
    if (level == 0) {
      device.launch(fill_leaves<T>, blocks, threads, both, order.values.data, one, two);
    } else {
      device.launch(fill_level<T>, blocks, threads, one, two);
    }
  }
}

}  // namespace

template <class T>
Tree<T>::Tree(const Device& device, const Clouds<T>& clouds) {
  reserve(clouds, *this);
  build(device, clouds, {clouds.view(), {}}, *this, {});
}

template <class T>
Trees<T>::Trees(const Device& device, const Clouds<T>& x_clouds, const Clouds<T>& y_clouds) {
  reserve(x_clouds, x);
  reserve(y_clouds, y);
  build(device, x_clouds, {x_clouds.view(), y_clouds.view()}, x, y);
}

template struct Tree<float>;
template struct Tree<double>;
template struct Trees<float>;
template struct Trees<double>;

}  // namespace nvc3d
