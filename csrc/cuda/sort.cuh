// Sorting on the device.
#pragma once

#include "device.cuh"

namespace nvc3d {

// Numbers that belong together, to be sorted by the lowest `bits` bits of their keys.
struct KeysAndValues {
  Memory<uint64_t> keys;
  Memory<int32_t> values;
  int64_t count;

  KeysAndValues(const Tensor& like, int64_t size)
      : keys(like, size), values(like, size), count(size) {}
};

// Stable. Takes its argument's memory as working memory.
KeysAndValues sorted(const Device& device, KeysAndValues unsorted, int bits);

// How many bits the numbers below `count` have.
inline int bits_for(int64_t count) {
  int bits = 0;
  while (bits < 63 && int64_t{1} << bits < count) ++bits;
  return bits;
}

}  // namespace nvc3d
