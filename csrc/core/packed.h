// A cloud laid out for vectors: blocks of 16 points, each block coordinate by coordinate.
#pragma once

#include "scratch.h"

namespace nvc3d::NVC3D_ISA {

template <class T>
struct Packed {
  int64_t count;   // points
  int64_t blocks;  // of 16
  int64_t dim;
  Scratch<T> memory;

  // The last block is filled up with points at infinity: no finite point is as near, and where
  // distances themselves overflow to infinity the real points come first.
  Packed(const T* points, int64_t n, int64_t dimension)
      : count(n),
        blocks((n + lanes - 1) / lanes),
        dim(dimension),
        memory(blocks * lanes * dimension) {
    for (int64_t block = 0; block < blocks; ++block) {
      T* to = memory.data() + block * lanes * dim;
      const int64_t start = block * lanes;
      const int valid = static_cast<int>(least<int64_t>(lanes, n - start));
      for (int64_t d = 0; d < dim; ++d) {
        for (int i = 0; i < valid; ++i) to[d * lanes + i] = points[(start + i) * dim + d];
        for (int i = valid; i < lanes; ++i) to[d * lanes + i] = infinity<T>;
      }
    }
  }

  const T* block(int64_t b) const { return memory.data() + b * lanes * dim; }
};

}  // namespace nvc3d::NVC3D_ISA
