// Nearest neighbours by a walk through the other cloud's tree, 16 queries at a time.
#pragma once

#include "packet.h"

namespace nvc3d::NVC3D_ISA {

// The nearest point that each query of a packet has met, and the lowest index on ties. Before any:
// index 0 at infinity, which is the answer where all distances overflow.
template <class T, class Norm>
struct NearestFound {
  static constexpr bool looks_are_dear = false;
  Vec<T> worst = Vec<T>::all(infinity<T>);
  Ints worst_index = Ints::all(0);
  int64_t last_leaf = 0;  // where something was found last

  NVC3D_INLINE void look(const Packet<T>& packet, const Leaf<T>& leaf, int64_t l, uint32_t wanted) {
    const bool better = count_bits(wanted) <= few ? look_one_by_one(packet, leaf, wanted)
                                                  : look_together(packet, leaf);
    if (better) last_leaf = l;
  }

 private:
  static constexpr int few = 3;

  // One query and the leaf's 16 points in a step.
  NVC3D_INLINE bool look_one_by_one(const Packet<T>& packet, const Leaf<T>& leaf, uint32_t wanted) {
    const Vec<T> x = Vec<T>::load(leaf.at[0]), y = Vec<T>::load(leaf.at[1]),
                 z = Vec<T>::load(leaf.at[2]);
    T distance[lanes];
    int32_t index[lanes];
    worst.store(distance);
    worst_index.store(index);
    bool better = false;
    for (; wanted; wanted &= wanted - 1) {
      const int q = lowest_bit(wanted);
      const Vec<T> d =
          distance3<Norm>(x - Vec<T>::all(packet.query[0][q]), y - Vec<T>::all(packet.query[1][q]),
                          z - Vec<T>::all(packet.query[2][q]));
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
  NVC3D_INLINE bool look_together(const Packet<T>& packet, const Leaf<T>& leaf) {
    Vec<T> value = Vec<T>::all(infinity<T>);
    Ints index = Ints::all(no_index);
    NVC3D_UNROLL
    for (int i = 0; i < lanes; ++i) {
      const Vec<T> d = distance3<Norm>(packet.at[0] - Vec<T>::all(leaf.at[0][i]),
                                       packet.at[1] - Vec<T>::all(leaf.at[1][i]),
                                       packet.at[2] - Vec<T>::all(leaf.at[2][i]));
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

// For each point of tree x the nearest of tree y.
template <class T, class Norm>
void nearest_tree(const Tree<T>& x, const Tree<T>& y, T* distance, int64_t* index,
                  const Parallel& parallel) {
  parallel(x.leaves, 64, [&](int64_t begin, int64_t end) {
    int64_t start = 0;
    for (int64_t l = begin; l < end; ++l) {
      const Leaf<T>& queries = x.leaf[l];
      const Packet<T> packet(queries, x.points - l * lanes);
      NearestFound<T, Norm> found;
      PacketSearch<T, Norm, NearestFound<T, Norm>>(y, packet, found).run(start, start + 1);
      start = found.last_leaf;
      T found_distance[lanes];
      int32_t found_index[lanes];
      found.worst.store(found_distance);
      found.worst_index.store(found_index);
      for (int q = 0; q < packet.valid; ++q) {
        distance[queries.index[q]] = found_distance[q];
        index[queries.index[q]] = found_index[q];
      }
    }
  });
}

}  // namespace nvc3d::NVC3D_ISA
