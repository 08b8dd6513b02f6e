// The k best of a stream of (distance, index) pairs.
//
// Pairs are ordered by distance, then by index, so no two are equal and the result does not depend
// on the order in which they come. Both ways to keep them offer:
//
//   start(distance, index, k)       where the k best are to be written
//   worst(), worst_index()          only a pair below this one can enter
//   take(distance, index, closer)   16 pairs, of which those that `closer` names may enter: their
//                                   distance is not above worst()
//   finish()                        writes the k best, sorted
#pragma once

#include "simd.h"

namespace nvc3d::NVC3D_ISA {

template <class T>
bool pair_below(T a, int64_t a_index, T b, int64_t b_index) {
  return a < b || (a == b && a_index < b_index);
}

// For small k. Pairs are gathered unsorted until there are too many; then each one's rank is
// counted, by comparing it with all others, and those below k stay. No branch depends on the data.
template <class T>
class RankedBest {
 public:
  static constexpr int most_k = 64;

  void start(T* distance, int64_t* index, int64_t k) {
    to_distance_ = distance;
    to_index_ = index;
    k_ = static_cast<int>(k);
    count_ = 0;
    limit_ = k_ - 1;
    worst_ = infinity<T>;
    worst_index_ = no_index;
  }

  T worst() const { return worst_; }
  int32_t worst_index() const { return worst_index_; }

  NVC3D_INLINE void take(Vec<T> distance, Ints index, Mask<T> closer) {
    store_chosen(closer, distance, pairs_->distance + count_);
    store_chosen(closer, index, pairs_->index + count_);
    count_ += count_bits(closer.bits());
    if (count_ > limit_) keep_best();
  }

  void finish() {
    sort();
    for (int i = 0; i < k_; ++i) {
      const bool found = i < count_;  // fewer than k come only where distances are NaN
      to_distance_[i] = found ? pairs_->distance[i] : infinity<T>;
      to_index_[i] = found ? pairs_->index[i] : 0;
    }
  }

 private:
  static constexpr int capacity = most_k + 3 * lanes;
  struct Pairs {
    T distance[capacity];
    int32_t index[capacity];
  };

  void keep_best() {
    sort();
    count_ = k_;
    limit_ = k_ + lanes;
    worst_ = pairs_->distance[k_ - 1];
    worst_index_ = pairs_->index[k_ - 1];
  }

  void sort() {
    for (int i = count_; i < round_up(count_, lanes); ++i) {
      pairs_->distance[i] = infinity<T>;
      pairs_->index[i] = no_index;
    }
    // Equal distances leave gaps in the ranks; only then are indices worth comparing.
    if (!sort_by_rank<false, 1>()) sort_by_rank<true, 1>();
    exchange(pairs_, sorted_);
  }

  // The rank of a pair is how many are below it: its place in sorted_. True if all ranks differ.
  // The number of blocks, 16 pairs each, is known to the compiler, which keeps them in registers.
  template <bool WithIndices, int Blocks>
  bool sort_by_rank() {
    if constexpr (Blocks * lanes < capacity) {
      if (count_ > Blocks * lanes) return sort_by_rank<WithIndices, Blocks + 1>();
    }
    Vec<T> others[Blocks];
    NVC3D_UNROLL
    for (int b = 0; b < Blocks; ++b) others[b] = Vec<T>::load(pairs_->distance + b * lanes);
    int total = 0;
    for (int i = 0; i < count_; ++i) {
      const T distance = pairs_->distance[i];
      const int32_t index = pairs_->index[i];
      int rank = 0;
      NVC3D_UNROLL
      for (int b = 0; b < Blocks; ++b) {
        Mask<T> below = others[b] < Vec<T>::all(distance);
        if constexpr (WithIndices) {
          const Ints indices = Ints::load(pairs_->index + b * lanes);
          const Mask<T> tied = others[b] == Vec<T>::all(distance);
          below = below | (tied & less<T>(indices, Ints::all(index)));
        }
        rank += count_bits(below.bits());
      }
      sorted_->distance[rank] = distance;
      sorted_->index[rank] = index;
      total += rank;
    }
    return total == count_ * (count_ - 1) / 2;
  }

  T* to_distance_;
  int64_t* to_index_;
  int k_, count_;
  int limit_;  // the first time k are enough: then worst() tells something
  T worst_;
  int32_t worst_index_;
  Pairs memory_[2];
  Pairs* pairs_ = &memory_[0];
  Pairs* sorted_ = &memory_[1];
};

// For any k: a heap with the worst on top, where the result is to be.
template <class T>
class HeapBest {
 public:
  void start(T* distance, int64_t* index, int64_t k) {
    distance_ = distance;
    index_ = index;
    k_ = k;
    for (int64_t i = 0; i < k_; ++i) {
      distance_[i] = infinity<T>;
      index_[i] = no_index;
    }
  }

  T worst() const { return distance_[0]; }
  int32_t worst_index() const { return static_cast<int32_t>(index_[0]); }

  NVC3D_INLINE void take(Vec<T> distance, Ints index, Mask<T> closer) {
    T distances[lanes];
    int32_t indices[lanes];
    distance.store(distances);
    index.store(indices);
    for (uint32_t bits = closer.bits(); bits; bits &= bits - 1) {
      const int i = lowest_bit(bits);
      if (pair_below<T>(distances[i], indices[i], distance_[0], index_[0])) {
        sink(distances[i], indices[i], k_);
      }
    }
  }

  void finish() {
    for (int64_t size = k_; size > 1; --size) {
      const T last = distance_[size - 1];
      const int64_t last_index = index_[size - 1];
      distance_[size - 1] = distance_[0];
      index_[size - 1] = index_[0];
      sink(last, last_index, size - 1);
    }
    // Places that nothing entered, as with NaN.
    for (int64_t i = k_; i-- > 0 && index_[i] == no_index;) index_[i] = 0;
  }

 private:
  // Puts a pair in the place of the top and lets it sink.
  void sink(T distance, int64_t index, int64_t size) {
    int64_t place = 0;
    for (;;) {
      int64_t child = 2 * place + 1;
      if (child >= size) break;
      if (child + 1 < size &&
          pair_below(distance_[child], index_[child], distance_[child + 1], index_[child + 1])) {
        ++child;
      }
      if (!pair_below(distance, index, distance_[child], index_[child])) break;
      distance_[place] = distance_[child];
      index_[place] = index_[child];
      place = child;
    }
    distance_[place] = distance;
    index_[place] = index;
  }

  T* distance_;
  int64_t* index_;
  int64_t k_;
};

}  // namespace nvc3d::NVC3D_ISA
