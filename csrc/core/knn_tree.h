// k nearest neighbours by a walk through the other cloud's tree, 16 queries at a time.
#pragma once

#include "best_k.h"
#include "packet.h"

namespace nvc3d::NVC3D_ISA {

// The k best that each query of a packet has met below a limit.
template <class T, int Dim, class Norm, class Best>
struct KnnFound {
  static constexpr bool looks_are_dear = true;
  Vec<T> worst;
  Ints worst_index;
  int64_t last_leaf = 0;  // where a query found something better last

  KnnFound(const Leaf<T, Dim>& queries, int valid, int64_t k, T limit, T* distance, int64_t* index)
      : queries_((1u << valid) - 1) {
    for (int q = 0; q < valid; ++q) {
      best_[q].start(distance + queries.index[q] * k, index + queries.index[q] * k, k, limit);
    }
    // Lanes without a query ask for nothing.
    for (int q = 0; q < lanes; ++q) {
      worst_[q] = q < valid ? limit : -1;
      worst_index_[q] = q < valid ? no_index : 0;
    }
    load();
  }

  void look(const Packet<T, Dim>& packet, const Leaf<T, Dim>& leaf, int64_t l, uint32_t wanted) {
    const Ints index = Ints::load(leaf.index);
    bool better = false;
    for (wanted &= queries_; wanted; wanted &= wanted - 1) {
      const int q = lowest_bit(wanted);
      const Vec<T> d = packet.template distances<Norm>(q, leaf);
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
template <class T, int Dim, class Norm, class Best>
class KnnWalks {
 public:
  KnnWalks(const TreeView<T, Dim>& x, const TreeView<T, Dim>& y, int64_t k, T limit, T* distance,
           int64_t* index)
      : x_(x),
        y_(y),
        k_(k),
        limit_(limit),
        first_look_(least(k / lanes + 1, y.leaves)),
        distance_(distance),
        index_(index) {}

  bool pay() const {
    return walks_pay(x_, y_, [&](int64_t l, int64_t& start) { return walk(l, start); });
  }

  void run(const Parallel& parallel) const {
    parallel(x_.leaves, 16, [&](int64_t begin, int64_t end) {
      int64_t start = 0;
      for (int64_t l = begin; l < end; ++l) walk(l, start);
    });
  }

 private:
  // The queries of leaf l; `start` is the leaf to begin with, and becomes that of the next walk.
  int64_t walk(int64_t l, int64_t& start) const {
    using Found = KnnFound<T, Dim, Norm, Best>;
    const Leaf<T, Dim>& queries = x_.leaf[l];
    const Packet<T, Dim> packet(queries, x_.points - l * lanes);
    Found found(queries, packet.valid, k_, limit_, distance_, index_);
    const int64_t first = least(most<int64_t>(start - first_look_ / 2, 0), y_.leaves - first_look_);
    PacketSearch<T, Dim, Norm, Found> search(y_, packet, found);
    const int64_t work = search.run(first, first + first_look_);
    found.finish();
    start = found.last_leaf;
    return work;
  }

  const TreeView<T, Dim>&x_, &y_;
  const int64_t k_;
  const T limit_;
  const int64_t first_look_;  // leaves to begin with, around the one where to start
  T* const distance_;
  int64_t* const index_;
};

}  // namespace nvc3d::NVC3D_ISA
