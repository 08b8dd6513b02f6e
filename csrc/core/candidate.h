// Which of two candidates for a neighbour comes first, for the CPU and for CUDA kernels.
#pragma once

#include <cstdint>
#include <cstring>

#include "host_device.h"

namespace nvc3d {

// The nearer one, and of equally near ones the one with the lower index. A NaN never comes first.
template <class T, class Index>
NVC3D_HOST_DEVICE bool comes_first(T distance, Index index, T other_distance, Index other_index) {
  return distance < other_distance || (distance == other_distance && index < other_index);
}

// A distance, which is never negative, and where it was found, as one number that an atomic
// minimum orders as comes_first does: the bits of such floats grow with their values.
struct Candidate {
  unsigned long long bits;

  static NVC3D_HOST_DEVICE Candidate of(float distance, uint32_t place) {
    uint32_t high;
    memcpy(&high, &distance, sizeof(high));
    return {static_cast<unsigned long long>(high) << 32 | place};
  }
  NVC3D_HOST_DEVICE float distance() const {
    const auto high = static_cast<uint32_t>(bits >> 32);
    float distance;
    memcpy(&distance, &high, sizeof(distance));
    return distance;
  }
  NVC3D_HOST_DEVICE uint32_t place() const { return static_cast<uint32_t>(bits); }
};

}  // namespace nvc3d
