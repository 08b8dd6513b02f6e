// Trees of boxes over the clouds of a batch, 32 to 1 at every step, and their search by warps.
//
// As in core/tree.h: points stand in the order of a Hilbert curve, each 32 of them are a leaf, and
// nothing points anywhere: box c of group g belongs to leaf (or group below) 32 g + c. A warp takes
// one leaf's points as its queries; its lanes compare the 32 boxes of a group with all of them at
// once, and at a leaf each lane looks for its own query.
#pragma once

#include "../core/box.h"
#include "../core/candidate.h"
#include "clouds.cuh"
#include "warp.cuh"

namespace nvc3d {

// A point and its index in the cloud. Past the cloud's end: at infinity, with no_index.
template <class T>
struct alignas(4 * sizeof(T)) Site {
  Point<T> at;
  int32_t index;
};

template <class T>
struct TreeView {
  static constexpr int most_levels = 7;  // 32^7 points

  struct Level {
    const Box<T>* box;  // (B, boxes): whole groups, filled up with empty boxes
    int64_t boxes;
  };
  const Site<T>* site;  // (B, leaves * 32)
  int64_t batch, leaves;
  int levels;
  Level level[most_levels];  // level 0 bounds the leaves; the last one has a single group
};

// The view with its memory. Builds the tree of each cloud.
template <class T>
struct Tree : TreeView<T> {
  std::vector<Tensor> memory;

  Tree(const Device& device, const Clouds<T>& clouds);
  const TreeView<T>& view() const { return *this; }
};

// The queries of a warp: each lane has one, or repeats the first.
template <class T>
struct Packet {
  T at[3];
  T lower[3], upper[3];  // of all of them

  __device__ Packet(const Site<T>& site, bool valid) {
    const T mine[3] = {site.at.x, site.at.y, site.at.z};
    for (int axis = 0; axis < 3; ++axis) {
      const T first = __shfl_sync(all_lanes, mine[axis], 0);
      at[axis] = valid ? mine[axis] : first;
      lower[axis] = warp_least(at[axis]);
      upper[axis] = warp_largest(at[axis]);
    }
  }
};

// Shows `found` all points that may come before what its query has found. It has
//   T worst(); int32_t worst_index();     only what comes first against this pair can enter
//   void offer(T distance, int32_t index)
// Exact: a box is skipped only if it is farther than the worst of all lanes, or as far and without
// an index low enough to win the tie. `leaf` is 32 places of shared memory, the warp's own.
template <class Norm, class T, class Found>
__device__ void search(const TreeView<T>& tree, int64_t b, const Packet<T>& packet, Site<T>* leaf,
                       Found& found) {
  constexpr int most_levels = TreeView<T>::most_levels;
  const int lane = lane_number();
  int64_t group[most_levels];
  T away[most_levels];         // from this lane's box of the group to the packet
  unsigned open[most_levels];  // boxes still to be seen

  T bound = largest_distance(found.worst());
  const auto box_of = [&](int level, int64_t number) -> const Box<T>& {
    return tree.level[level].box[b * tree.level[level].boxes + number];
  };
  const auto enter = [&](int level, int64_t number) {
    const Box<T>& box = box_of(level, number * warp + lane);
    group[level] = number;
    away[level] = box_distance<Norm>(box, packet.lower, packet.upper);
    open[level] = __ballot_sync(all_lanes, box.least_index != no_index && away[level] <= bound);
  };

  int level = tree.levels - 1;
  enter(level, 0);
  while (level < tree.levels) {
    const bool mine = open[level] >> lane & 1;
    const T nearest = least_distance(mine ? away[level] : infinity<T>);
    if (open[level] == 0 || nearest > bound) {
      ++level;
      continue;
    }
    const int c = __ffs(__ballot_sync(all_lanes, mine && away[level] == nearest)) - 1;
    open[level] &= ~(1u << c);
    const int64_t number = group[level] * warp + c;
    const Box<T>& box = box_of(level, number);
    if (nearest == bound && box.least_index >= __reduce_max_sync(all_lanes, found.worst_index())) {
      continue;
    }
    if (level > 0) {
      --level;
      enter(level, number);
      continue;
    }
    const T from_query = box_distance<Norm>(box, packet.at, packet.at);
    if (!__any_sync(all_lanes,
                    comes_first(from_query, box.least_index, found.worst(), found.worst_index()))) {
      continue;
    }
    leaf[lane] = tree.site[(b * tree.leaves + number) * warp + lane];
    __syncwarp();
    for (int i = 0; i < warp; ++i) {
      const Site<T> site = leaf[i];
      const T d = distance3<Norm>(packet.at[0] - site.at.x, packet.at[1] - site.at.y,
                                  packet.at[2] - site.at.z);
      if (site.index != no_index) found.offer(d, site.index);
    }
    __syncwarp();
    bound = largest_distance(found.worst());
  }
}

// Whether building trees pays, against looking at all pairs: it takes about as long as 2^28 of
// them, and 1024 more for every point. An estimate from the hardware's figures, not a measurement.
#ifndef NVC3D_TREE_COST
#define NVC3D_TREE_COST (1 << 28)
#endif
inline bool trees_pay(int64_t batch, int64_t n, int64_t m, int64_t dim) {
  constexpr int64_t cost = NVC3D_TREE_COST;
  return dim <= 3 && batch * n * m > cost + batch * (n + m) * (cost >> 18);
}

}  // namespace nvc3d
