// Farthest point sampling with buckets, for large clouds: a pick changes only points near it.
//
// Every leaf and every box of the tree keeps its peak: the largest distance to the nearest pick
// among its points, and the lowest index that has it. A new pick concerns a box only if it is
// nearer to the box than that distance; else no point inside can change, since box distances never
// exceed point distances, bit for bit (distance.h). So each pick walks down the tree level by
// level, updates the leaves it arrives at, and brings the boxes above them up to date: the top then
// names the next pick.
#pragma once

#include "kernels.h"
#include "tree.h"

namespace nvc3d::NVC3D_ISA {

template <class T, int Dim>
class Buckets {
 public:
  // cloud (n, Dim), n >= 1.
  Buckets(const T* cloud, int64_t n, const Parallel& parallel)
      : tree_(cloud, n, parallel),
        nearest_(tree_.leaves * lanes),
        concerned_(tree_.leaves + lanes) {
    for (int64_t i = 0; i < nearest_.size(); ++i) {
      nearest_[i] = tree_.leaf[i / lanes].index[i % lanes] == no_index ? -1 : infinity<T>;
    }
    for (int h = 0; h < tree_.levels; ++h) {
      const int64_t groups = tree_.level[h].groups;
      level_[h].peaks = Scratch<Peaks>(groups);
      level_[h].visited = Scratch<int32_t>(groups + lanes);
      for (int64_t g = 0; g < groups; ++g) {
        Peaks& peaks = level_[h].peaks[g];
        for (int c = 0; c < lanes; ++c) {
          peaks.index[c] = tree_.level[h].group[g].least_index[c];
          peaks.distance[c] = peaks.index[c] == no_index ? -1 : infinity<T>;
        }
      }
    }
  }

  // The lowest index among the points farthest from all picks.
  int32_t farthest() const { return highest(level_[tree_.levels - 1].peaks[0]).index; }

  // Takes a new pick into account, a point (Dim,).
  void add(const T* pick) {
    Vec<T> at[Dim];
    for (int axis = 0; axis < Dim; ++axis) at[axis] = Vec<T>::all(pick[axis]);
    const int top = tree_.levels - 1;
    level_[top].visited[0] = 0;
    int64_t found = 1;
    for (int h = top; h >= 0; --h) {
      level_[h].visits = found;
      found = descend(h, at, h > 0 ? level_[h - 1].visited.data() : concerned_.data());
    }
    update_leaves(found, at);
    for (int h = 0; h < top; ++h) {
      for (int64_t i = 0; i < level_[h].visits; ++i) {
        const int32_t group = level_[h].visited[i];
        set_peak(h + 1, group, highest(level_[h].peaks[group]));
      }
    }
  }

 private:
  struct Peak {
    T distance;
    int32_t index;
  };
  // Of the 16 boxes of a group. Where there is no box, the distance is -1.
  struct Peaks {
    T distance[lanes];
    int32_t index[lanes];
  };
  struct Level {
    Scratch<Peaks> peaks;      // of each group
    Scratch<int32_t> visited;  // the groups that the current pick is compared with
    int64_t visits = 0;        // how many these are
  };

  static NVC3D_INLINE Peak highest(const Peaks& peaks) {
    const Vec<T> distance = Vec<T>::load(peaks.distance);
    const T largest = reduce_max(distance);
    const Ints index =
        select(distance == Vec<T>::all(largest), Ints::load(peaks.index), Ints::all(no_index));
    return {largest, reduce_min(index)};
  }

  NVC3D_INLINE void set_peak(int h, int64_t box, Peak peak) {
    Peaks& peaks = level_[h].peaks[box / lanes];
    peaks.distance[box % lanes] = peak.distance;
    peaks.index[box % lanes] = peak.index;
  }

  // From the visited groups of a level to what the pick concerns below: groups, at last leaves.
  int64_t descend(int h, const Vec<T> (&at)[Dim], int32_t* below) const {
    int64_t found = 0;
    for (int64_t i = 0; i < level_[h].visits; ++i) {
      const int32_t group = level_[h].visited[i];
      const Vec<T> away = box_distance<SquaredL2>(tree_.level[h].group[group], at, at);
      const Mask<T> nearer = away < Vec<T>::load(level_[h].peaks[group].distance);
      found += append_lanes(nearer, group * lanes, below + found);
    }
    return found;
  }

  void update_leaves(int64_t count, const Vec<T> (&at)[Dim]) {
    for (int64_t i = 0; i < count; ++i) {
      const int32_t number = concerned_[i];
      const Leaf<T, Dim>& leaf = tree_.leaf[number];
      T* const nearest = nearest_.data() + int64_t{lanes} * number;
      const Vec<T> distance = distances_to_leaf<SquaredL2>(
          leaf, [&](int axis) __attribute__((always_inline)) { return at[axis]; });
      const Vec<T> updated = min(distance, Vec<T>::load(nearest));
      updated.store(nearest);
      const T largest = reduce_max(updated);
      // The first lane is the lowest index: a leaf's points stand in that order.
      const uint32_t equal = (updated == Vec<T>::all(largest)).bits();
      set_peak(0, number, {largest, leaf.index[lowest_bit(equal)]});
    }
  }

  Tree<T, Dim> tree_;
  Level level_[Tree<T, Dim>::most_levels];
  Scratch<T> nearest_;          // (leaves, 16) distance of each point to the nearest pick
  Scratch<int32_t> concerned_;  // the leaves that the current pick concerns
};

// points (n, Dim); picks (k,).
template <class T, int Dim>
void farthest_by_buckets(const T* points, int64_t n, int64_t k, int64_t start, int64_t* picks,
                         const Parallel& parallel) {
  Buckets<T, Dim> buckets(points, n, parallel);
  picks[0] = start;
  for (int64_t made = 1; made < k; ++made) {
    if (made % 16 == 0) parallel.check();
    buckets.add(points + picks[made - 1] * Dim);
    picks[made] = buckets.farthest();
  }
}

}  // namespace nvc3d::NVC3D_ISA
