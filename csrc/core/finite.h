// Counts values that are not finite: one subtraction and comparison each.
#pragma once

#include "simd.h"

namespace nvc3d::NVC3D_ISA {

// value - value is 0 for a finite value and NaN for any other.
template <class T>
bool is_finite(T value) {
  return value - value == 0;
}

template <class T>
int64_t count_nonfinite(const T* values, int64_t n, int64_t* first) {
  constexpr int64_t step = 4 * lanes;
  int64_t count = 0;
  *first = -1;
  const auto look_at = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (is_finite(values[i])) continue;
      if (count++ == 0) *first = i;
    }
  };
  int64_t start = 0;
  for (; start + step <= n; start += step) {
    // Zeros add up to zero; anything else among them stays NaN.
    Vec<T> sum = Vec<T>::all(0);
    NVC3D_UNROLL
    for (int64_t i = 0; i < step; i += lanes) {
      const Vec<T> value = Vec<T>::load(values + start + i);
      sum = sum + (value - value);
    }
    if ((sum == Vec<T>::all(0)).bits() != 0xFFFF) look_at(start, start + step);
  }
  look_at(start, n);
  return count;
}

}  // namespace nvc3d::NVC3D_ISA
