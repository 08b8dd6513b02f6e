// The nearest plane of those that the neighbours of a point are on.
//
// Regions are read and new ones written: no point sees what another has become, so threads and
// their order change nothing.
#pragma once

#include <cmath>

#include "kernels.h"
#include "plane_fit.h"

namespace nvc3d {

// points (n, 3), index (n, k) into region (m,), which has -1 for none; planes normal (p, 3),
// offset (p,) and how far a point of each may be (p,). Ties go to the lowest plane.
template <class T>
void assign_planes(const T* points, const int64_t* index, int64_t n, int64_t k,
                   const int64_t* region, const T* normal, const T* offset, const T* reach,
                   int64_t* found, const Parallel& parallel) {
  parallel(n, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Vector3 point = vector3(points + 3 * i);
      int64_t best = -1, last = -1;
      double nearest = 0;
      for (int64_t j = i * k; j < (i + 1) * k; ++j) {
        const int64_t r = region[index[j]];
        if (r == last || r < 0) continue;
        last = r;
        const double off = std::abs(vector3(normal + 3 * r).dot(point) - double{offset[r]});
        if (off <= double{reach[r]} &&
            (best < 0 || off < nearest || (off == nearest && r < best))) {
          best = r;
          nearest = off;
        }
      }
      found[i] = best;
    }
  });
}

}  // namespace nvc3d
