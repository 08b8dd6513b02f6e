// Nearest neighbours by a walk through the other cloud's tree, 16 queries at a time.
#pragma once

#include "packet.h"

namespace nvc3d::NVC3D_ISA {

// The nearest point that each query of a packet has met below a limit, and the lowest index on
// ties. Before any: index 0 at the limit. Without a limit that is the answer where all distances
// overflow.
template <class T, int Dim, class Norm>
struct NearestFound {
  static constexpr bool looks_are_dear = false;
  Vec<T> worst;
  Ints worst_index = Ints::all(0);
  int64_t last_leaf = 0;  // where something was found last

  explicit NearestFound(T limit) : worst(Vec<T>::all(limit)) {}

  NVC3D_INLINE void look(const Packet<T, Dim>& packet, const Leaf<T, Dim>& leaf, int64_t l,
                         uint32_t wanted) {
    const bool better = count_bits(wanted) <= few ? look_one_by_one(packet, leaf, wanted)
                                                  : look_together(packet, leaf);
    if (better) last_leaf = l;
  }

 private:
  static constexpr int few = Dim == 3 ? 3 : 8;

  // One query and the leaf's 16 points in a step.
  NVC3D_INLINE bool look_one_by_one(const Packet<T, Dim>& packet, const Leaf<T, Dim>& leaf,
                                    uint32_t wanted) {
    T distance[lanes];
    int32_t index[lanes];
    worst.store(distance);
    worst_index.store(index);
    bool better = false;
    for (; wanted; wanted &= wanted - 1) {
      const int q = lowest_bit(wanted);
      const Vec<T> d = packet.template distances<Norm>(q, leaf);
      if (!(d <= Vec<T>::all(distance[q])).any()) continue;
      const T value = reduce_min(d);
      const uint32_t hits = (d == Vec<T>::all(value)).bits();
      if (!hits) continue;  // NaN
      const int32_t i = leaf.index[lowest_bit(hits)];
      if (value < distance[q] || i < index[q]) {
        distance[q] = value;
        index[q] = i;
        better = true;
      }
    }
    if (better) {
      worst = Vec<T>::load(distance);
      worst_index = Ints::load(index);
    }
    return better;
  }

  // All queries and one point of the leaf in a step.
  NVC3D_INLINE bool look_together(const Packet<T, Dim>& packet, const Leaf<T, Dim>& leaf) {
    Vec<T> value = Vec<T>::all(infinity<T>);
    Ints index = Ints::all(no_index);
    NVC3D_UNROLL
    for (int i = 0; i < lanes; ++i) {
      const Vec<T> d = distance_of<Norm, Dim>([&](int axis) __attribute__((always_inline)) {
        return packet.at[axis] - Vec<T>::all(leaf.at[axis][i]);
      });
      index = select(d < value, Ints::all(leaf.index[i]), index);
      value = min(d, value);
    }
    const Mask<T> better = (value < worst) | ((value == worst) & less<T>(index, worst_index));
    if (!better.any()) return false;
    worst = select(better, value, worst);
    worst_index = select(better, index, worst_index);
    return true;
  }
};

// For each point of tree x the nearest of tree y below a limit: infinity and index 0 where none is.
template <class T, int Dim, class Norm>
class NearestWalks {
 public:
  NearestWalks(const TreeView<T, Dim>& x, const TreeView<T, Dim>& y, T limit, T* distance,
               int64_t* index)
      : x_(x), y_(y), limit_(limit), distance_(distance), index_(index) {}

  bool pay() const {
    return walks_pay(x_, y_, [&](int64_t l, int64_t& start) { return walk(l, start); });
  }

  void run(const Parallel& parallel) const {
    parallel(x_.leaves, 64, [&](int64_t begin, int64_t end) {
      int64_t start = 0;
      for (int64_t l = begin; l < end; ++l) walk(l, start);
    });
  }

 private:
  // The queries of leaf l; `start` is the leaf to begin with, and becomes that of the next walk.
  int64_t walk(int64_t l, int64_t& start) const {
    const Leaf<T, Dim>& queries = x_.leaf[l];
    const Packet<T, Dim> packet(queries, x_.points - l * lanes);
    NearestFound<T, Dim, Norm> found(limit_);
    PacketSearch<T, Dim, Norm, NearestFound<T, Dim, Norm>> search(y_, packet, found);
    const int64_t work = search.run(start, start + 1);
    start = found.last_leaf;
    T found_distance[lanes];
    int32_t found_index[lanes];
    found.worst.store(found_distance);
    found.worst_index.store(found_index);
    for (int q = 0; q < packet.valid; ++q) {
      distance_[queries.index[q]] = found_distance[q] < limit_ ? found_distance[q] : infinity<T>;
      index_[queries.index[q]] = found_index[q];
    }
    return work;
  }

  const TreeView<T, Dim>&x_, &y_;
  const T limit_;
  T* const distance_;
  int64_t* const index_;
};

}  // namespace nvc3d::NVC3D_ISA
