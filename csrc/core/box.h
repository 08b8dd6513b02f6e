// A box around points, as CUDA kernels use it, and how far others are from it.
#pragma once

#include <cstdint>

#include "distance.h"

namespace nvc3d {

// An empty box has lower = infinity, upper = -infinity and the least index above every real one.
template <class T>
struct alignas(8 * sizeof(T)) Box {
  T lower[3], upper[3];
  int32_t least_index;  // of the points inside
};

// From the box with corners lower and upper (for a point: the same) to the given box. No point
// inside one of them is nearer to a point of the other, bit for bit (distance.h).
template <class Norm, class T>
NVC3D_HOST_DEVICE T box_distance(const Box<T>& box, const T* lower, const T* upper) {
  T outside[3] = {};
  for (int axis = 0; axis < 3; ++axis) {
    const T below = box.lower[axis] - upper[axis], above = lower[axis] - box.upper[axis];
    const T larger = below > above ? below : above;
    outside[axis] = larger > 0 ? larger : 0;
  }
  return distance3<Norm>(outside[0], outside[1], outside[2]);
}

}  // namespace nvc3d
