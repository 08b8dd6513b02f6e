// The one definition of a distance, which brute force, trees and box bounds all share, on the CPU
// (for vectors) and in CUDA kernels (for single values).
//
// Coordinate by coordinate, in order, each step rounded once:
//   norm 2 (squared):  d0*d0, then fma(d1, d1, sum), fma(d2, d2, sum) ...
//   norm 1:            |d0|, then sum + |d1|, sum + |d2| ...
// Every step is monotone in |d|, rounding included. So when a box's difference is, coordinate by
// coordinate, no larger than a point's, its distance is no larger either, bit for bit: a search
// may skip a box by comparing the two, with no margin for rounding.
#pragma once

#include <cmath>

#include "host_device.h"

namespace nvc3d {

struct SquaredL2 {
  template <class V>
  static NVC3D_HOST_DEVICE V first(V difference) {
    return difference * difference;
  }
  template <class V>
  static NVC3D_HOST_DEVICE V add(V sum, V difference) {
    using std::fma;
    return fma(difference, difference, sum);
  }
};

struct L1 {
  template <class V>
  static NVC3D_HOST_DEVICE V first(V difference) {
    using std::abs;
    return abs(difference);
  }
  template <class V>
  static NVC3D_HOST_DEVICE V add(V sum, V difference) {
    using std::abs;
    return sum + abs(difference);
  }
};

// The distance whose Dim coordinate differences difference(0), difference(1) ... gives. Differences
// of 0 at the end change no bit: a point filled up with zeros is as far away as without.
template <class Norm, int Dim, class Difference>
NVC3D_HOST_DEVICE auto distance_of(const Difference& difference) {
  auto sum = Norm::first(difference(0));
  for (int axis = 1; axis < Dim; ++axis) sum = Norm::add(sum, difference(axis));
  return sum;
}

// The distance whose three coordinate differences are dx, dy, dz. With fewer coordinates the rest
// are 0 and change no bit.
template <class Norm, class V>
NVC3D_HOST_DEVICE V distance3(V dx, V dy, V dz) {
  return Norm::add(Norm::add(Norm::first(dx), dy), dz);
}

}  // namespace nvc3d
