// Where the points of regions are, and how they vary.
//
// Sums are made in the order of the points, by one thread: they round alike everywhere.
#pragma once

#include <algorithm>

#include "kernels.h"
#include "plane_fit.h"

namespace nvc3d {

// points (n, 3) and their regions (n,), -1 for none; size (p,), centre (p, 3) and scatter (p, 3, 3)
// are overwritten: 0 where a region has no point. `sums` (p, 9) is scratch.
template <class T>
void plane_moments(const T* points, const int64_t* region, int64_t n, int64_t p, double* sums,
                   int64_t* size, T* centre, T* scatter, const Parallel& parallel) {
  constexpr int64_t piece = 1 << 16;
  std::fill(size, size + p, 0);
  std::fill(sums, sums + 9 * p, 0.0);
  for (int64_t i = 0; i < n; ++i) {
    if (i % piece == 0) parallel.check();
    if (region[i] < 0) continue;
    double* sum = sums + 9 * region[i];
    ++size[region[i]];
    for (int axis = 0; axis < 3; ++axis) sum[axis] += static_cast<double>(points[3 * i + axis]);
  }
  for (int64_t r = 0; r < p; ++r) {
    const double share = static_cast<double>(std::max<int64_t>(size[r], 1));
    for (int axis = 0; axis < 3; ++axis) sums[9 * r + axis] /= share;
  }
  for (int64_t i = 0; i < n; ++i) {
    if (i % piece == 0) parallel.check();
    if (region[i] < 0) continue;
    double* sum = sums + 9 * region[i];
    const Vector3 d = vector3(points + 3 * i) - Vector3{sum[0], sum[1], sum[2]};
    sum[3] += d.x * d.x, sum[4] += d.x * d.y, sum[5] += d.x * d.z;
    sum[6] += d.y * d.y, sum[7] += d.y * d.z, sum[8] += d.z * d.z;
  }
  constexpr int place[9] = {3, 4, 5, 4, 6, 7, 5, 7, 8};
  for (int64_t r = 0; r < p; ++r) {
    const double share = static_cast<double>(std::max<int64_t>(size[r], 1));
    for (int axis = 0; axis < 3; ++axis) centre[3 * r + axis] = static_cast<T>(sums[9 * r + axis]);
    for (int i = 0; i < 9; ++i) {
      scatter[9 * r + i] = static_cast<T>(sums[9 * r + place[i]] / share);
    }
  }
}

}  // namespace nvc3d
