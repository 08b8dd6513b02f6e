// Farthest point sampling by brute force: each pick updates every point's distance to the nearest
// pick, and the same pass finds where the largest of them lies.
//
// The pass keeps one vector of maxima per group of blocks. Once the largest is known, the first
// group and in it the first lane that hold it give the lowest index, without carrying indices
// through the pass.
#pragma once

#include "distance.h"
#include "packed.h"

namespace nvc3d::NVC3D_ISA {

// Distances of the 16 points of a packed block to `pick`. Dim is the dimension where it is known
// to the compiler, else 0.
template <int Dim, class T>
NVC3D_INLINE Vec<T> distances_to(const T* pick, const T* block, int64_t dim) {
  const auto difference = [&](int64_t d) __attribute__((always_inline)) {
    return Vec<T>::load(block + d * lanes) - Vec<T>::all(pick[d]);
  };
  if constexpr (Dim == 3) return distance3<SquaredL2>(difference(0), difference(1), difference(2));
  Vec<T> sum = SquaredL2::first(difference(0));
  for (int64_t d = 1; d < dim; ++d) sum = SquaredL2::add(sum, difference(d));
  return sum;
}

template <class T, int Dim>
void sample_by_brute_force(const T* points, int64_t n, int64_t dim, int64_t k, int64_t start,
                           int64_t* picks, const Parallel& parallel) {
  constexpr int64_t group = 8;  // blocks
  const Packed<T> packed(points, n, dim);
  const int64_t groups = (packed.blocks + group - 1) / group;
  Scratch<T> nearest(packed.blocks * lanes);  // of each point: distance to the nearest pick
  Scratch<T> largest(groups * lanes);
  for (int64_t i = 0; i < nearest.size(); ++i) nearest[i] = i < n ? infinity<T> : -1;

  int64_t pick = start;
  for (int64_t made = 0;;) {
    picks[made] = pick;
    if (++made >= k) return;
    if (made % 16 == 0) parallel.check();
    Vec<T> all_largest = Vec<T>::all(-1);
    for (int64_t g = 0; g < groups; ++g) {
      Vec<T> group_largest = Vec<T>::all(-1);
      const int64_t end = least(packed.blocks, (g + 1) * group);
      for (int64_t b = g * group; b < end; ++b) {
        T* const now = nearest.data() + b * lanes;
        const Vec<T> distance = distances_to<Dim>(points + pick * dim, packed.block(b), dim);
        const Vec<T> updated = min(distance, Vec<T>::load(now));
        updated.store(now);
        group_largest = max(updated, group_largest);
      }
      group_largest.store(largest.data() + g * lanes);
      all_largest = max(group_largest, all_largest);
    }
    const Vec<T> wanted = Vec<T>::all(reduce_max(all_largest));
    const auto first_equal = [&](const T* values) {
      int64_t at = 0;
      while (!(Vec<T>::load(values + at) == wanted).any()) at += lanes;
      return at;
    };
    const int64_t block = first_equal(largest.data()) * group;
    const int64_t at = block + first_equal(nearest.data() + block);
    pick = at + lowest_bit((Vec<T>::load(nearest.data() + at) == wanted).bits());
  }
}

// points (n, dim); picks (k,).
template <class T>
void farthest_by_brute_force(const T* points, int64_t n, int64_t dim, int64_t k, int64_t start,
                             int64_t* picks, const Parallel& parallel) {
  if (dim == 3) {
    sample_by_brute_force<T, 3>(points, n, dim, k, start, picks, parallel);
  } else {
    sample_by_brute_force<T, 0>(points, n, dim, k, start, picks, parallel);
  }
}

}  // namespace nvc3d::NVC3D_ISA
