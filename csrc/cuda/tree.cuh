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

  Tree() : TreeView<T>{} {}  // of no clouds
  Tree(const Device& device, const Clouds<T>& clouds);
  const TreeView<T>& view() const { return *this; }
};

// The trees of two batches, built side by side, which takes half as many launches.
template <class T>
struct Trees {
  Tree<T> x, y;

  Trees(const Device& device, const Clouds<T>& x_clouds, const Clouds<T>& y_clouds);
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
//   T away(const Box<T>&, const T* lower, const T* upper)    no more for a box than for its points
//   T worst(); int32_t worst_index();     only what comes first against this pair can enter
//   void look(const Packet<T>&, const Site<T>* leaf, int32_t number, unsigned wanted)
//     the leaf of that number, for the lanes that are wanted; all lanes take part
//   void settle()                         before a tie with the worst of all lanes is decided
// Exact: a box is skipped only if it is farther than the worst of all lanes, or as far and without
// an index low enough to win the tie. `leaf` is 32 places of shared memory, the warp's own.
template <class T, class Found>
__device__ void search(const TreeView<T>& tree, int64_t b, const Packet<T>& packet, Site<T>* leaf,
                       Found& found) {
  constexpr int most_levels = TreeView<T>::most_levels;
  const int lane = lane_number();
  int32_t group;  // that is looked at
  T away;         // from this lane's box of the group to the packet
  unsigned open;  // boxes still to be seen
  // The same of the groups above it.
  int32_t group_above[most_levels];
  T away_above[most_levels];
  unsigned open_above[most_levels];

  T bound = largest_distance(found.worst());
  const auto box_of = [&](int level, int64_t number) {
    return tree.level[level].box[b * tree.level[level].boxes + number];
  };
  const auto enter = [&](int level, int32_t number) {
    const Box<T> box = box_of(level, int64_t{number} * warp + lane);
    group = number;
    away = found.away(box, packet.lower, packet.upper);
    open = __ballot_sync(all_lanes, box.least_index != no_index && away <= bound);
  };

  int level = tree.levels - 1;
  enter(level, 0);
  for (;;) {
    const bool mine = open >> lane & 1;
    const T nearest = least_distance(mine ? away : infinity<T>);
    if (open == 0 || nearest > bound) {
      if (++level == tree.levels) return;
      group = group_above[level];
      away = away_above[level];
      open = open_above[level];
      continue;
    }
    const int c = __ffs(__ballot_sync(all_lanes, mine && away == nearest)) - 1;
    open &= ~(1u << c);
    const int32_t number = group * warp + c;
    const Box<T> box = box_of(level, number);
    if (nearest == bound) {
      found.settle();
      if (box.least_index >= warp_largest(found.worst_index())) continue;
    }
    if (level > 0) {
      group_above[level] = group;
      away_above[level] = away;
      open_above[level] = open;
      enter(--level, number);
      continue;
    }
    const T from_query = found.away(box, packet.at, packet.at);
    const unsigned wanted = __ballot_sync(
        all_lanes, comes_first(from_query, box.least_index, found.worst(), found.worst_index()));
    if (wanted == 0) continue;
    leaf[lane] = tree.site[(b * tree.leaves + number) * warp + lane];
    __syncwarp();
    found.look(packet, leaf, number, wanted);
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
