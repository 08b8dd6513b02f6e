// Farthest point sampling: brute force where it is enough, buckets where building them pays.
#pragma once

#include "fps_brute.h"
#include "fps_buckets.h"
#include "nearest.h"

namespace nvc3d::NVC3D_ISA {

// points (n, dim), picks (k,); 1 <= k <= n, 0 <= start < n.
template <class T>
void farthest_point_sampling(const T* points, int64_t n, int64_t dim, int64_t k, int64_t start,
                             int64_t* picks, const Parallel& parallel) {
  // Building costs as much as 200 to 300 picks by brute force, whatever the number of points;
  // and small clouds fit the fastest cache, where brute force is as fast as walking a tree.
  if (dim <= most_tree_dim<SquaredL2> && n >= 2048 && k >= 384) {
    with_tree_dim<SquaredL2>(dim, [&](auto chosen_dim) {
      constexpr int Dim = decltype(chosen_dim)::value;
      const Filled<T, Dim> filled(points, n, dim);
      farthest_by_buckets<T, Dim>(filled.points, n, k, start, picks, parallel);
    });
  } else if (dim <= 3) {
    const Filled<T, 3> filled(points, n, dim);
    farthest_by_brute_force(filled.points, n, 3, k, start, picks, parallel);
  } else {
    farthest_by_brute_force(points, n, dim, k, start, picks, parallel);
  }
}

}  // namespace nvc3d::NVC3D_ISA
