// The k best candidates met so far, as a heap with the worst of them on top. For one thread of a
// CUDA kernel; it holds no memory of its own, so that a warp's heaps may lie interleaved.
#pragma once

#include <limits>

#include "candidate.h"

namespace nvc3d {

template <class T, class Index>
class BestHeap {
 public:
  // Entry i of the heap is at position i * stride of both arrays.
  NVC3D_HOST_DEVICE BestHeap(T* distance, Index* index, int64_t stride, int64_t k)
      : distance_(distance), index_(index), stride_(stride), k_(k) {}

  // What comes before this pair enters the heap.
  NVC3D_HOST_DEVICE T worst() const { return worst_; }
  NVC3D_HOST_DEVICE int32_t worst_index() const { return worst_index_; }

  // For a thread without a query: nothing enters.
  NVC3D_HOST_DEVICE void close() {
    k_ = 0;
    worst_ = -1;
    worst_index_ = 0;
  }

  NVC3D_HOST_DEVICE void offer(T distance, Index index) {
    if (!comes_first(distance, index, worst_, static_cast<Index>(worst_index_))) return;
    if (count_ < k_) {
      rise(count_++, distance, index);
    } else {
      sink(0, k_, distance, index);
    }
    if (count_ < k_) return;
    worst_ = distance_[0];
    worst_index_ = static_cast<int32_t>(index_[0]);
  }

  // Best first. Where fewer than k candidates came, the rest is NaN and index 0.
  NVC3D_HOST_DEVICE void sort() {
    for (int64_t end = count_ - 1; end > 0; --end) {
      const T distance = distance_[end * stride_];
      const Index index = index_[end * stride_];
      put(end, distance_[0], index_[0]);
      sink(0, end, distance, index);
    }
    for (int64_t i = count_; i < k_; ++i) put(i, nothing, 0);
  }

 private:
  static constexpr T farthest = std::numeric_limits<T>::infinity();
  static constexpr T nothing = std::numeric_limits<T>::quiet_NaN();
  static constexpr int32_t last = std::numeric_limits<int32_t>::max();

  NVC3D_HOST_DEVICE void put(int64_t i, T distance, Index index) {
    distance_[i * stride_] = distance;
    index_[i * stride_] = index;
  }

  // Is entry i better than the given candidate?
  NVC3D_HOST_DEVICE bool better(int64_t i, T distance, Index index) const {
    return comes_first(distance_[i * stride_], index_[i * stride_], distance, index);
  }

  // Puts a candidate where entry i is free and no entry below it is worse.
  NVC3D_HOST_DEVICE void rise(int64_t i, T distance, Index index) {
    while (i > 0 && better((i - 1) / 2, distance, index)) {
      const int64_t parent = (i - 1) / 2;
      put(i, distance_[parent * stride_], index_[parent * stride_]);
      i = parent;
    }
    put(i, distance, index);
  }

  // Puts a candidate where entry i of the first `count` is free and no entry above it is better.
  NVC3D_HOST_DEVICE void sink(int64_t i, int64_t count, T distance, Index index) {
    for (;;) {
      int64_t child = 2 * i + 1;
      if (child >= count) break;
      if (child + 1 < count &&
          better(child, distance_[(child + 1) * stride_], index_[(child + 1) * stride_])) {
        ++child;
      }
      if (better(child, distance, index)) break;
      put(i, distance_[child * stride_], index_[child * stride_]);
      i = child;
    }
    put(i, distance, index);
  }

  T* distance_;
  Index* index_;
  int64_t stride_, k_;
  int64_t count_ = 0;
  T worst_ = farthest;
  int32_t worst_index_ = last;
};

}  // namespace nvc3d
