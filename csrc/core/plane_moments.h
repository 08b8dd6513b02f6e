// Where the points of regions are, and how they vary.
//
// Points are summed up in pieces, and pieces in their order. How many there are follows from the
// sizes alone: sums round alike on any number of threads.
#pragma once

#include <algorithm>

#include "kernels.h"
#include "plane_fit.h"

namespace nvc3d {

// Pieces of n points in p regions, each with sums of its own: together no more than n.
inline int64_t moment_pieces(int64_t n, int64_t p) {
  constexpr int64_t piece = 1 << 16;
  return std::max<int64_t>(1, std::min((n + piece - 1) / piece, n / (9 * std::max<int64_t>(p, 1))));
}

// points (n, 3) and their regions (n,), -1 for none; size (p,), centre (p, 3) and scatter (p, 3, 3)
// are overwritten: 0 where a region has no point. Scratch: `sums` (pieces, p, 9), `counts`
// (pieces, p) and `first` (p,).
template <class T>
void plane_moments(const T* points, const int64_t* region, int64_t n, int64_t p, double* sums,
                   int64_t* counts, int64_t* first, int64_t* size, T* centre, T* scatter,
                   const Parallel& parallel) {
  const int64_t pieces = moment_pieces(n, p);
  // Sums are taken from a point of the region, so that little is lost.
  std::fill(first, first + p, -1);
  for (int64_t i = n - 1; i >= 0; --i) {
    if (region[i] >= 0) first[region[i]] = i;
  }
  parallel(pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      double* own = sums + 9 * p * piece;
      int64_t* count = counts + p * piece;
      std::fill(own, own + 9 * p, 0.0);
      std::fill(count, count + p, 0);
      for (int64_t i = n * piece / pieces; i < n * (piece + 1) / pieces; ++i) {
        const int64_t r = region[i];
        if (r < 0) continue;
        const Vector3 d = vector3(points + 3 * i) - vector3(points + 3 * first[r]);
        double* sum = own + 9 * r;
        ++count[r];
        sum[0] += d.x, sum[1] += d.y, sum[2] += d.z;
        sum[3] += d.x * d.x, sum[4] += d.x * d.y, sum[5] += d.x * d.z;
        sum[6] += d.y * d.y, sum[7] += d.y * d.z, sum[8] += d.z * d.z;
      }
    }
  });
  constexpr int place[9] = {3, 4, 5, 4, 6, 7, 5, 7, 8};
  for (int64_t r = 0; r < p; ++r) {
    double total[9] = {};
    size[r] = 0;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      size[r] += counts[p * piece + r];
      for (int i = 0; i < 9; ++i) total[i] += sums[9 * (p * piece + r) + i];
    }
    const double share = static_cast<double>(std::max<int64_t>(size[r], 1));
    for (double& sum : total) sum /= share;
    for (int axis = 0; axis < 3; ++axis) {
      const double from = size[r] > 0 ? static_cast<double>(points[3 * first[r] + axis]) : 0;
      centre[3 * r + axis] = static_cast<T>(from + total[axis]);
    }
    for (int i = 0; i < 9; ++i) {
      scatter[9 * r + i] = static_cast<T>(total[place[i]] - total[i / 3] * total[i % 3]);
    }
  }
}

}  // namespace nvc3d
