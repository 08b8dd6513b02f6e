// The planes of neighbourhoods.
//
// Every one is computed by itself, in double: threads change nothing.
#pragma once

#include "kernels.h"
#include "plane_fit.h"

namespace nvc3d {

// points (n, 3), index (m, k) of neighbours; normal and variance (m, 3) are overwritten.
template <class T>
void local_planes(const T* points, const int64_t* index, int64_t m, int64_t k, T* normal,
                  T* variance, const Parallel& parallel) {
  parallel(m, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t* neighbours = index + i * k;
      Moments moments(vector3(points + 3 * neighbours[0]));
      for (int64_t j = 0; j < k; ++j) moments.add(vector3(points + 3 * neighbours[j]));
      const PlaneFit fit = moments.fit();
      normal[3 * i] = static_cast<T>(fit.normal.x);
      normal[3 * i + 1] = static_cast<T>(fit.normal.y);
      normal[3 * i + 2] = static_cast<T>(fit.normal.z);
      for (int axis = 0; axis < 3; ++axis) {
        variance[3 * i + axis] = static_cast<T>(fit.variance[axis]);
      }
    }
  });
}

}  // namespace nvc3d
