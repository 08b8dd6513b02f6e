// The first k points within a radius, in the order of their indices.
//
// Where the ball holds a good part of the cloud, looking at the points one after the other finds k
// of them soon. Queries for which that is not to be expected are left to a tree: it is walked 16
// queries at a time through every box that is within the radius, and holds an index lower than the
// k lowest found so far.
#pragma once

#include "nearest.h"

namespace nvc3d::NVC3D_ISA {

// What stands where there are fewer than k points: distance 0 and index -1.
template <class T>
void fill_up(T* distance, int64_t* index, int64_t count, int64_t k) {
  for (int64_t i = count; i < k; ++i) distance[i] = 0;
  for (int64_t i = count; i < k; ++i) index[i] = -1;
}

// Looks at points in their order until k are found; false, if `may_give_up`, once it is clear that
// this would take longer than a walk through a tree. distance and index are (k,).
template <class T, int Dim>
bool first_within(const T* point, const Packed<T>& y, T squared_radius, int64_t k, bool may_give_up,
                  T* distance, int64_t* index) {
  constexpr int64_t chunk = 16, long_way = 32 * chunk;  // blocks
  int64_t found = 0;
  for (int64_t b = 0; b < y.blocks && found < k; ++b) {
    if (may_give_up && b > 0 && b % chunk == 0) {
      // With a point from every block, no other way is faster.
      if (found < b && found * long_way < k * b) return false;
    }
    const Vec<T> d = distances_to_block<T, SquaredL2, Dim>(point, y.block(b), y.dim);
    uint32_t hits = (d < Vec<T>::all(squared_radius)).bits();
    if (!hits) continue;
    T all[lanes];
    d.store(all);
    for (; hits && found < k; hits &= hits - 1, ++found) {
      distance[found] = all[lowest_bit(hits)];
      index[found] = b * lanes + lowest_bit(hits);
    }
  }
  fill_up(distance, index, found, k);
  return true;
}

// The k lowest indices of a stream, with their distances, where the result is to be. As soon as
// there are k, they are a heap with the highest index on top.
template <class T>
class LowestIndices {
 public:
  void start(T* distance, int64_t* index, int64_t k) {
    distance_ = distance;
    index_ = index;
    k_ = k;
    count_ = 0;
  }

  // Only lower indices can enter.
  int32_t bound() const { return count_ < k_ ? no_index : static_cast<int32_t>(index_[0]); }

  NVC3D_INLINE void take(Vec<T> distance, Ints index, Mask<T> chosen) {
    T distances[lanes];
    int32_t indices[lanes];
    distance.store(distances);
    index.store(indices);
    for (uint32_t bits = chosen.bits(); bits; bits &= bits - 1) {
      const int i = lowest_bit(bits);
      if (count_ < k_) {
        distance_[count_] = distances[i];
        index_[count_] = indices[i];
        if (++count_ == k_) make_heap();
      } else if (indices[i] < index_[0]) {
        sink(0, distances[i], indices[i], k_);
      }
    }
  }

  // Sorts them.
  void finish() {
    if (count_ < k_) make_heap();
    for (int64_t last = count_ - 1; last > 0; --last) {
      const T distance = distance_[last];
      const int64_t index = index_[last];
      distance_[last] = distance_[0];
      index_[last] = index_[0];
      sink(0, distance, index, last);
    }
    fill_up(distance_, index_, count_, k_);
  }

 private:
  void make_heap() {
    for (int64_t i = count_ / 2; i-- > 0;) sink(i, distance_[i], index_[i], count_);
  }

  // Puts a pair in a place of the first `size` and lets it sink.
  void sink(int64_t place, T distance, int64_t index, int64_t size) {
    for (;;) {
      int64_t child = 2 * place + 1;
      if (child >= size) break;
      if (child + 1 < size && index_[child] < index_[child + 1]) ++child;
      if (index_[child] < index) break;
      distance_[place] = distance_[child];
      index_[place] = index_[child];
      place = child;
    }
    distance_[place] = distance;
    index_[place] = index;
  }

  T* distance_;
  int64_t* index_;
  int64_t k_, count_;
};

// The walk of one packet of queries.
template <class T, int Dim>
class BallSearch {
 public:
  BallSearch(const TreeView<T, Dim>& tree, T squared_radius)
      : tree_(tree), radius_(squared_radius) {}

  // Query q of the packet gets its answer in distance + row[q] * k and index + row[q] * k.
  void run(const Packet<T, Dim>& packet, const int64_t (&row)[lanes], int64_t k, T* distance,
           int64_t* index) {
    packet_ = &packet;
    for (int q = 0; q < lanes; ++q) {
      bound_[q] = q < packet.valid ? no_index : -1;
      if (q < packet.valid) lowest_[q].start(distance + row[q] * k, index + row[q] * k, k);
    }
    highest_ = no_index;
    walk(tree_.levels - 1, 0);
    for (int q = 0; q < packet.valid; ++q) lowest_[q].finish();
  }

 private:
  void walk(int h, int64_t g) {
    const Group<T, Dim>& group = tree_.level[h].group[g];
    const Vec<T> away = box_distance<SquaredL2>(group, packet_->lower, packet_->upper);
    Ints first =
        select(away < Vec<T>::all(radius_), Ints::load(group.least_index), Ints::all(no_index));
    // Low indices first: the sooner they are found, the more boxes cannot hold a lower one.
    for (;;) {
      const int32_t lowest = reduce_min(first);
      if (!(lowest < highest_)) return;
      const Mask<T> here = less<T>(first, Ints::all(lowest + 1));
      const int c = lowest_bit(here.bits());
      first = select(here, Ints::all(no_index), first);
      h > 0 ? walk(h - 1, g * lanes + c) : look(group, c, tree_.leaf[g * lanes + c]);
    }
  }

  void look(const Group<T, Dim>& group, int c, const Leaf<T, Dim>& leaf) {
    const Vec<T> radius = Vec<T>::all(radius_);
    const Mask<T> near = distances_to_box<SquaredL2>(group, c, packet_->at) < radius;
    const Mask<T> low = less<T>(Ints::all(group.least_index[c]), Ints::load(bound_));
    const Ints index = Ints::load(leaf.index);
    bool full = false;
    for (uint32_t wanted = (near & low).bits(); wanted; wanted &= wanted - 1) {
      const int q = lowest_bit(wanted);
      const Vec<T> d = packet_->template distances<SquaredL2>(q, leaf);
      const Mask<T> inside = (d < radius) & less<T>(index, Ints::all(bound_[q]));
      if (!inside.any()) continue;
      lowest_[q].take(d, index, inside);
      full |= lowest_[q].bound() < bound_[q];
      bound_[q] = lowest_[q].bound();
    }
    if (full) highest_ = reduce_max(Ints::load(bound_));
  }

  const TreeView<T, Dim>& tree_;
  const T radius_;
  const Packet<T, Dim>* packet_ = nullptr;
  int32_t bound_[lanes];        // of each query: only lower indices can enter
  int32_t highest_ = no_index;  // of these
  LowestIndices<T> lowest_[lanes];
};

// Queries x (count, Dim), whose answers are those of `rows`, or of rows 0, 1 ... where it is
// nullptr.
template <class T, int Dim>
void balls_by_tree(const TreeView<T, Dim>& x, const int64_t* rows, const TreeView<T, Dim>& y,
                   T squared_radius, int64_t k, T* distance, int64_t* index,
                   const Parallel& parallel) {
  parallel(x.leaves, 16, [&](int64_t begin, int64_t end) {
    BallSearch<T, Dim> search(y, squared_radius);
    for (int64_t l = begin; l < end; ++l) {
      const Leaf<T, Dim>& queries = x.leaf[l];
      const Packet<T, Dim> packet(queries, x.points - l * lanes);
      int64_t row[lanes] = {};
      for (int q = 0; q < packet.valid; ++q) {
        row[q] = rows == nullptr ? queries.index[q] : rows[queries.index[q]];
      }
      search.run(packet, row, k, distance, index);
    }
  });
}

// Dim is that of the points where trees may be used, else 0.
template <class T, int Dim>
void balls(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, T squared_radius, int64_t k,
           T* distance, int64_t* index, const Parallel& parallel) {
  const bool trees = Dim && trees_pay<SquaredL2>(n, m, dim, 350);
  const Packed<T> packed(y, m, dim);
  Scratch<uint8_t> done(n);
  parallel(n, brute_grain(m, dim, 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      done[i] = first_within<T, Dim>(x + i * dim, packed, squared_radius, k, trees,
                                     distance + i * k, index + i * k);
    }
  });
  int64_t left = 0;
  for (int64_t i = 0; i < n; ++i) left += !done[i];
  if (left == 0) return;
  Scratch<int64_t> rows(left);
  for (int64_t i = n; i-- > 0;) {
    if (!done[i]) rows[--left] = i;
  }
  if constexpr (Dim > 0) {
    Scratch<T> listed(Dim * rows.size());
    for (int64_t i = 0; i < rows.size(); ++i) {
      for (int axis = 0; axis < Dim; ++axis) listed[Dim * i + axis] = x[Dim * rows[i] + axis];
    }
    const TreePair<T, Dim> trees(listed.data(), rows.size(), y, m, parallel);
    balls_by_tree<T, Dim>(trees.x, rows.data(), trees.y, squared_radius, k, distance, index,
                          parallel);
  }
}

// x (n, dim), y (m, dim); distance and index (n, k), where rows with fewer than k points end in
// distance 0 and index -1. A point counts if its squared distance is below squared_radius.
template <class T>
void ball_query(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, T squared_radius,
                int64_t k, const void* built, T* distance, int64_t* index,
                const Parallel& parallel) {
  if (n == 0) return;
  if (dim > most_tree_dim<SquaredL2>) {
    balls<T, 0>(x, n, y, m, dim, squared_radius, k, distance, index, parallel);
    return;
  }
  with_tree_dim<SquaredL2>(dim, [&](auto chosen_dim) {
    constexpr int Dim = decltype(chosen_dim)::value;
    const Filled<T, Dim> xs(x, n, dim);
    if (built != nullptr) {
      balls_by_tree<T, Dim>(Tree<T, Dim>(xs.points, n, parallel), nullptr,
                            built_tree<T, Dim>(built, m), squared_radius, k, distance, index,
                            parallel);
      return;
    }
    const Filled<T, Dim> ys(y, m, dim);
    balls<T, Dim>(xs.points, n, ys.points, m, Dim, squared_radius, k, distance, index, parallel);
  });
}

}  // namespace nvc3d::NVC3D_ISA
