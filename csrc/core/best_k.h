// The k best of a stream of (distance, index) pairs.
//
// Pairs are ordered by distance, then by index, so no two are equal and the result does not depend
// on the order in which they come. Both ways to keep them offer:
//
//   start(distance, index, k, limit)  where the k best are to be written; pairs at the limit or
//                                   beyond may be left out
//   worst(), worst_index()          only a pair below this one can enter
//   take(distance, index, closer)   16 pairs, of which those that `closer` names may enter: their
//                                   distance is not above worst()
//   finish()                        writes the k best, sorted; then, where fewer came, infinity and
//   0
#pragma once

#include "simd.h"

namespace nvc3d::NVC3D_ISA {

// Lanes set in all masks together.
template <class T, int Blocks>
NVC3D_INLINE int count_set(const Mask<T> (&masks)[Blocks]) {
  int count = 0;
  NVC3D_UNROLL
  for (int b = 0; b < Blocks; b += 2) {
    uint32_t bits = masks[b].bits();
    if (b + 1 < Blocks) bits |= masks[b + 1].bits() << lanes;
    count += count_bits(bits);
  }
  return count;
}

template <class T>
bool pair_below(T a, int64_t a_index, T b, int64_t b_index) {
  return a < b || (a == b && a_index < b_index);
}

// Some pairs as they came, and their order: each one's rank is the number of pairs below it.
template <class T>
class Gathered {
 protected:
  static constexpr int capacity = 8 * lanes;

  NVC3D_INLINE void add(Vec<T> distance, Ints index, Mask<T> chosen) {
    store_chosen(chosen, distance, distance_ + count_);
    store_chosen(chosen, index, index_ + count_);
    count_ += count_bits(chosen.bits());
  }

  void fill_up() {
    for (int i = count_; i < round_up(count_, lanes); ++i) {
      distance_[i] = infinity<T>;
      index_[i] = no_index;
    }
  }

  void sort(T* distance, int32_t* index) {
    fill_up();
    // Equal distances leave gaps in the ranks; only then are indices worth comparing.
    if (!sort_by_rank<false, 1>(distance, index)) sort_by_rank<true, 1>(distance, index);
  }

  int count_;
  T distance_[capacity];
  int32_t index_[capacity];

 private:
  // True if all ranks differ.
  template <bool WithIndices, int Blocks>
  bool sort_by_rank(T* distance, int32_t* index) const {
    if constexpr (Blocks * lanes < capacity) {
      if (count_ > Blocks * lanes) return sort_by_rank<WithIndices, Blocks + 1>(distance, index);
    }
    Vec<T> others[Blocks];
    NVC3D_UNROLL
    for (int b = 0; b < Blocks; ++b) others[b] = Vec<T>::load(distance_ + b * lanes);
    int total = 0;
    for (int i = 0; i < count_; ++i) {
      const Vec<T> mine = Vec<T>::all(distance_[i]);
      Mask<T> below[Blocks];
      NVC3D_UNROLL
      for (int b = 0; b < Blocks; ++b) {
        below[b] = others[b] < mine;
        if constexpr (WithIndices) {
          const Ints indices = Ints::load(index_ + b * lanes);
          below[b] = below[b] | ((others[b] == mine) & less<T>(indices, Ints::all(index_[i])));
        }
      }
      const int rank = count_set(below);
      distance[rank] = distance_[i];
      index[rank] = index_[i];
      total += rank;
    }
    return total == count_ * (count_ - 1) / 2;
  }
};

// For small k. Pairs are gathered unsorted; when there are some more than k, a bound that leaves k
// of them is narrowed down by halving, and what lies above it is dropped. Only in the end, or where
// ties crowd, are the pairs sorted.
template <class T>
class RankedBest : Gathered<T> {
 public:
  static constexpr int most_k = 64;

  void start(T* distance, int64_t* index, int64_t k, T limit) {
    to_distance_ = distance;
    to_index_ = index;
    k_ = static_cast<int>(k);
    count_ = 0;
    limit_ = worst_ = limit;
    worst_index_ = no_index;
  }

  T worst() const { return worst_; }
  int32_t worst_index() const { return worst_index_; }

  NVC3D_INLINE void take(Vec<T> distance, Ints index, Mask<T> closer) {
    add(distance, index, closer);
    // As soon as there are k, worst() can tell something.
    if (count_ >= (worst_ < limit_ ? k_ + slack : k_)) drop_worst();
  }

  void finish() {
    T distance[capacity];
    int32_t index[capacity];
    sort(distance, index);
    for (int i = 0; i < k_; ++i) {
      const bool found = i < count_;
      to_distance_[i] = found ? distance[i] : infinity<T>;
      to_index_[i] = found ? index[i] : 0;
    }
  }

 private:
  using Gathered<T>::capacity, Gathered<T>::add, Gathered<T>::fill_up, Gathered<T>::sort;
  using Gathered<T>::count_, Gathered<T>::distance_, Gathered<T>::index_;

  static constexpr int slack = 24;
  static_assert(most_k + slack + lanes <= Gathered<T>::capacity);

  void drop_worst() {
    fill_up();
    drop_above_bound<1>();
    if (count_ < k_ + slack) return;
    T distance[capacity];
    int32_t index[capacity];
    sort(distance, index);
    count_ = k_;
    for (int i = 0; i < k_; ++i) {
      distance_[i] = distance[i];
      index_[i] = index[i];
    }
    worst_ = distance[k_ - 1];
    worst_index_ = index[k_ - 1];
  }

  // The number of blocks, 16 pairs each, is known to the compiler, which keeps them in registers.
  template <int Blocks>
  void drop_above_bound() {
    if constexpr (Blocks * lanes < capacity) {
      if (count_ > Blocks * lanes) return drop_above_bound<Blocks + 1>();
    }
    Vec<T> distance[Blocks];
    NVC3D_UNROLL
    for (int b = 0; b < Blocks; ++b) distance[b] = Vec<T>::load(distance_ + b * lanes);
    const auto enough_within = [&](T limit) __attribute__((always_inline)) {
      Mask<T> within[Blocks];
      NVC3D_UNROLL
      for (int b = 0; b < Blocks; ++b) within[b] = distance[b] <= Vec<T>::all(limit);
      return count_set(within) >= k_;
    };
    T bound = worst_;
    if (!(bound < limit_)) {
      Vec<T> largest = Vec<T>::all(0);
      NVC3D_UNROLL
      for (int b = 0; b < Blocks; ++b) {
        const Mask<T> finite = distance[b] < Vec<T>::all(infinity<T>);
        largest = max(select(finite, distance[b], largest), largest);
      }
      bound = reduce_max(largest);
      if (!enough_within(bound)) return;
    }
    // Halving, from a first guess that suits points in a ball.
    T low = 0, guess = bound * static_cast<T>(0.6);
    for (int step = 0; step < 4; ++step) {
      const bool enough = enough_within(guess);
      bound = enough ? guess : bound;
      low = enough ? low : guess;
      guess = low + (bound - low) / 2;
    }
    if (!(bound < worst_)) return;
    worst_ = bound;
    worst_index_ = no_index;
    count_ = 0;
    NVC3D_UNROLL
    for (int b = 0; b < Blocks; ++b) {
      const Mask<T> kept = distance[b] <= Vec<T>::all(bound);
      const Ints index = Ints::load(index_ + b * lanes);
      store_chosen(kept, distance[b], distance_ + count_);
      store_chosen(kept, index, index_ + count_);
      count_ += count_bits(kept.bits());
    }
  }

  T* to_distance_;
  int64_t* to_index_;
  int k_;
  T limit_, worst_;
  int32_t worst_index_;
};

// For any k: the best so far stand in order where the result is to be. Those below the worst of
// them are gathered, sorted and merged in, some at a time: the more the longer the list is.
template <class T>
class MergedBest : Gathered<T> {
 public:
  void start(T* distance, int64_t* index, int64_t k, T limit) {
    to_distance_ = distance;
    to_index_ = index;
    k_ = k;
    enough_ = static_cast<int>(least<int64_t>(k / 2, capacity - lanes));
    count_ = 0;
    for (int64_t i = 0; i < k_; ++i) {
      to_distance_[i] = limit;
      to_index_[i] = no_index;
    }
  }

  T worst() const { return to_distance_[k_ - 1]; }
  int32_t worst_index() const { return static_cast<int32_t>(to_index_[k_ - 1]); }

  NVC3D_INLINE void take(Vec<T> distance, Ints index, Mask<T> closer) {
    add(distance, index, closer);
    if (count_ >= enough_) merge();
  }

  void finish() {
    merge();
    for (int64_t i = k_; i-- > 0 && to_index_[i] == no_index;) {
      to_distance_[i] = infinity<T>;
      to_index_[i] = 0;
    }
  }

 private:
  using Gathered<T>::capacity, Gathered<T>::add, Gathered<T>::sort, Gathered<T>::count_;

  void merge() {
    T distance[capacity];
    int32_t index[capacity];
    sort(distance, index);
    // As many as have come are dropped, from the ends of both lists; what stays of the new ones
    // enters from behind.
    int64_t old = k_;
    int fresh = count_;
    for (; count_ > 0; --count_) {
      const bool last_is_old = old > 0 && pair_below<T>(distance[fresh - 1], index[fresh - 1],
                                                        to_distance_[old - 1], to_index_[old - 1]);
      last_is_old ? --old : --fresh;
    }
    for (int64_t place = k_ - 1; fresh > 0; --place) {
      if (old > 0 && pair_below<T>(distance[fresh - 1], index[fresh - 1], to_distance_[old - 1],
                                   to_index_[old - 1])) {
        --old;
        to_distance_[place] = to_distance_[old];
        to_index_[place] = to_index_[old];
      } else {
        --fresh;
        to_distance_[place] = distance[fresh];
        to_index_[place] = index[fresh];
      }
    }
  }

  T* to_distance_;
  int64_t* to_index_;
  int64_t k_;
  int enough_;  // to be merged
};

}  // namespace nvc3d::NVC3D_ISA
