// Nearest neighbours by a search of the other cloud's tree.
#pragma once

#include "tree.cuh"

namespace nvc3d {

template <class T>
class NearestFound {
 public:
  // A lane without a query asks for nothing.
  explicit __device__ NearestFound(bool valid)
      : best_(valid ? infinity<T> : -1), index_(valid ? no_index : 0) {}

  __device__ T worst() const { return best_; }
  __device__ int32_t worst_index() const { return index_; }
  __device__ void offer(T distance, int32_t index) {
    if (!comes_first(distance, index, best_, index_)) return;
    best_ = distance;
    index_ = index;
  }

 private:
  T best_;
  int32_t index_;
};

constexpr int search_threads = 128;
constexpr int search_warps = search_threads / warp;

// The cloud and the leaf whose points are this warp's queries, a lane each.
template <class T>
struct Queries {
  int64_t b;
  Site<T> site;
  bool valid;

  __device__ explicit Queries(const TreeView<T>& x) {
    const int64_t number = int64_t{blockIdx.x} * search_warps + threadIdx.x / warp;
    b = number / x.leaves;
    valid = b < x.batch;
    if (!valid) return;
    site = x.site[number * warp + lane_number()];
    valid = site.index != no_index;
  }
  // Whether any lane has a query: the first ones have them.
  __device__ bool any() const { return __any_sync(all_lanes, valid); }
};

template <class T, class Norm>
__global__ void __launch_bounds__(search_threads)
    nearest_by_tree(TreeView<T> x, TreeView<T> y, int64_t size, T* distance, int64_t* index) {
  __shared__ Site<T> leaf[search_warps][warp];
  const Queries<T> queries(x);
  if (!queries.any()) return;
  NearestFound<T> found(queries.valid);
  const Packet<T> packet(queries.site, queries.valid);
  search<Norm>(y, queries.b, packet, leaf[threadIdx.x / warp], found);
  if (!queries.valid) return;
  const int64_t at = queries.b * size + queries.site.index;
  distance[at] = found.worst();
  index[at] = found.worst_index() == no_index ? 0 : found.worst_index();
}

// size is the number of points, with padding, of each x.
template <class T, class Norm>
void nearest_tree(const Device& device, const Tree<T>& x, const Tree<T>& y, int64_t size,
                  T* distance, int64_t* index) {
  device.launch(nearest_by_tree<T, Norm>, pieces(x.batch * x.leaves, search_warps), search_threads,
                x.view(), y.view(), size, distance, index);
}

}  // namespace nvc3d
