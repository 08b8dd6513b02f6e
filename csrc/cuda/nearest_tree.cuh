// Nearest neighbours by a search of the other cloud's tree.
#pragma once

#include "tree.cuh"

namespace nvc3d {

// The nearest point met so far: its distance and, until its index is asked for, only the block of
// 8 sites that it lies in. Looking at a site then takes a distance and a minimum.
template <class T, class Norm>
class NearestFound {
 public:
  // `sites` are the cloud's. A lane without a query asks for nothing.
  __device__ NearestFound(const Site<T>* sites, const Packet<T>& packet, bool valid)
      : sites_(sites),
        at_{packet.at[0], packet.at[1], packet.at[2]},
        best_(valid ? infinity<T> : -1),
        index_(valid ? no_index : 0) {}

  __device__ T away(const Box<T>& box, const T* lower, const T* upper) const {
    return box_distance<Norm>(box, lower, upper);
  }
  __device__ T worst() const { return best_; }
  __device__ int32_t worst_index() const { return index_ < 0 ? no_index : index_; }

  __device__ void look(const Packet<T>&, const Site<T>* leaf, int32_t number, unsigned) {
#pragma unroll 1  // the code for ties is long
    for (int block = 0; block < warp / block_sites; ++block) {
      const Site<T>* const sites = leaf + block * block_sites;
      T least = infinity<T>;  // fmin passes NaN over
#pragma unroll
      for (int i = 0; i < block_sites; ++i) least = fmin(least, distance(sites[i]));
      if (least < best_) {
        best_ = least;
        index_ = ~(number * (warp / block_sites) + block);
      } else if (least == best_) {
        settle();
        const int32_t other = lowest(sites);
        if (other < index_) index_ = other;
      }
    }
  }

  // Afterwards, worst_index() is the index found, no longer a bound for it.
  __device__ void settle() {
    if (index_ < 0) index_ = lowest(sites_ + int64_t{~index_} * block_sites);
  }

 private:
  static constexpr int block_sites = 8;

  __device__ T distance(const Site<T>& site) const {
    return distance3<Norm>(at_[0] - site.at.x, at_[1] - site.at.y, at_[2] - site.at.z);
  }
  // The lowest index in a block that is as far as the best.
  __device__ int32_t lowest(const Site<T>* sites) const {
    int32_t index = no_index;
#pragma unroll
    for (int i = 0; i < block_sites; ++i) {
      if (distance(sites[i]) == best_ && sites[i].index < index) index = sites[i].index;
    }
    return index;
  }

  const Site<T>* sites_;
  T at_[3];
  T best_;
  int32_t index_;  // ~block where only the block is known
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
  const Packet<T> packet(queries.site, queries.valid);
  NearestFound<T, Norm> found(y.site + queries.b * y.leaves * warp, packet, queries.valid);
  search(y, queries.b, packet, leaf[threadIdx.x / warp], found);
  if (!queries.valid) return;
  found.settle();
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
