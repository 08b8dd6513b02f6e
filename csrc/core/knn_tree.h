// k nearest neighbours by a walk through the other cloud's tree, 16 queries at a time.
#pragma once

#include "best_k.h"
#include "packet.h"

namespace nvc3d::NVC3D_ISA {

// The k best that each query of a packet has met.
template <class T, class Norm, class Best>
struct KnnFound {
  static constexpr bool looks_are_dear = true;
  Vec<T> worst = Vec<T>::all(infinity<T>);
  Ints worst_index = Ints::all(no_index);
  int64_t last_leaf = 0;  // where a query found something better last

  KnnFound(const Leaf<T>& queries, int valid, int64_t k, T* distance, int64_t* index)
      : queries_((1u << valid) - 1) {
    for (int q = 0; q < valid; ++q) {
      best_[q].start(distance + queries.index[q] * k, index + queries.index[q] * k, k);
    }
    // Lanes without a query ask for nothing.
    for (int q = 0; q < lanes; ++q) {
      worst_[q] = q < valid ? infinity<T> : -1;
      worst_index_[q] = q < valid ? no_index : 0;
    }
    load();
  }

  void look(const Packet<T>& packet, const Leaf<T>& leaf, int64_t l, uint32_t wanted) {
    const Vec<T> x = Vec<T>::load(leaf.at[0]), y = Vec<T>::load(leaf.at[1]),
                 z = Vec<T>::load(leaf.at[2]);
    const Ints index = Ints::load(leaf.index);
    bool better = false;
    for (wanted &= queries_; wanted; wanted &= wanted - 1) {
      const int q = lowest_bit(wanted);
      const Vec<T> d =
          distance3<Norm>(x - Vec<T>::all(packet.query[0][q]), y - Vec<T>::all(packet.query[1][q]),
                          z - Vec<T>::all(packet.query[2][q]));
      const Mask<T> real = less<T>(index, Ints::all(no_index));
      best_[q].take(d, index, (d <= Vec<T>::all(worst_[q])) & real);
      better |= best_[q].worst() < worst_[q] || best_[q].worst_index() < worst_index_[q];
      worst_[q] = best_[q].worst();
      worst_index_[q] = best_[q].worst_index();
    }
    if (!better) return;
    last_leaf = l;
    load();
  }

  void finish() {
    for (uint32_t left = queries_; left; left &= left - 1) best_[lowest_bit(left)].finish();
  }

 private:
  void load() {
    worst = Vec<T>::load(worst_);
    worst_index = Ints::load(worst_index_);
  }

  uint32_t queries_;  // lanes that have one
  T worst_[lanes];
  int32_t worst_index_[lanes];
  Best best_[lanes];
};

// For each point of tree x the k nearest of tree y.
template <class T, class Norm, class Best>
void knn_tree(const Tree<T>& x, const Tree<T>& y, int64_t k, T* distance, int64_t* index,
              const Parallel& parallel) {
  using Found = KnnFound<T, Norm, Best>;
  // Leaves to begin with, around the last one where something was found.
  const int64_t first_look = least(k / lanes + 1, y.leaves);
  parallel(x.leaves, 16, [&](int64_t begin, int64_t end) {
    int64_t start = 0;
    for (int64_t l = begin; l < end; ++l) {
      const Leaf<T>& queries = x.leaf[l];
      const Packet<T> packet(queries, x.points - l * lanes);
      Found found(queries, packet.valid, k, distance, index);
      start = least(most<int64_t>(start - first_look / 2, 0), y.leaves - first_look);
      PacketSearch<T, Norm, Found>(y, packet, found).run(start, start + first_look);
      found.finish();
      start = found.last_leaf;
    }
  });
}

}  // namespace nvc3d::NVC3D_ISA
