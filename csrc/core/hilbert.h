// The number of a cell along a Hilbert curve, for single values and for vectors of them.
//
// After J. Skilling, "Programming the Hilbert curve", AIP Conference Proceedings 707, 381 (2004).
#pragma once

#include <cstdint>

#include "host_device.h"

namespace nvc3d {

// Bit `bit` of a, 31 times more. Int is int32_t or a vector of such.
template <class Int>
NVC3D_HOST_DEVICE Int spread_bit(Int a, int bit) {
  return a << (31 - bit) >> 31;
}
NVC3D_HOST_DEVICE int32_t spread_bit(int32_t a, int bit) { return -(a >> bit & 1); }

// From a cell's coordinates, of `bits` bits each, to its number along the curve with the bits dealt
// out to the three in turn, highest first. `all` makes an Int of a number.
template <class Int, class All>
NVC3D_HOST_DEVICE void to_hilbert(Int& x, Int& y, Int& z, int bits, const All& all) {
  for (int bit = bits - 1; bit > 0; --bit) {
    const Int lower = all((1 << bit) - 1);
    x = x ^ (spread_bit(x, bit) & lower);
    for (Int* other = &y; other; other = other == &y ? &z : nullptr) {
      const Int flip = spread_bit(*other, bit);
      const Int exchanged = (x ^ *other) & lower;
      const Int swapped = exchanged ^ (exchanged & flip);
      x = x ^ ((flip & lower) | swapped);
      *other = *other ^ swapped;
    }
  }
  y = y ^ x;
  z = z ^ y;
  Int turn = all(0);
  for (int bit = bits - 1; bit > 0; --bit) {
    turn = turn ^ (spread_bit(z, bit) & all((1 << bit) - 1));
  }
  x = x ^ turn;
  y = y ^ turn;
  z = z ^ turn;
}

// Two zeros between any two of the lower 21 bits.
NVC3D_HOST_DEVICE uint64_t spread_by_3(uint64_t a) {
  a = (a | a << 32) & 0x001F00000000FFFF;
  a = (a | a << 16) & 0x001F0000FF0000FF;
  a = (a | a << 8) & 0x100F00F00F00F00F;
  a = (a | a << 4) & 0x10C30C30C30C30C3;
  return (a | a << 2) & 0x1249249249249249;
}

// `bits` is at most 21.
NVC3D_HOST_DEVICE uint64_t hilbert_number(int32_t x, int32_t y, int32_t z, int bits) {
  to_hilbert(x, y, z, bits, [](int32_t value) { return value; });
  return spread_by_3(static_cast<uint64_t>(x)) << 2 | spread_by_3(static_cast<uint64_t>(y)) << 1 |
         spread_by_3(static_cast<uint64_t>(z));
}

}  // namespace nvc3d
