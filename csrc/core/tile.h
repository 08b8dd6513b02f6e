// The register tile of brute force: distances of a few rows to 16 points at once.
//
// A row's coordinates are read one by one and spread over all lanes, the points' coordinates come
// as vectors from a Packed cloud, and the sums stay in registers until the last coordinate.
#pragma once

#include "distance.h"
#include "packed.h"

namespace nvc3d::NVC3D_ISA {

template <class T>
struct Tile {
  static constexpr int rows = tile_rows<T>;
  const T* row[rows];

  // Rows past the last one repeat it: they change no minimum.
  Tile(const T* points, int64_t n, int64_t dim, int64_t first) {
    for (int r = 0; r < rows; ++r) row[r] = points + least(first + r, n - 1) * dim;
  }

  // distance[r] from row r to each point of the block. Dim is the dimension if the compiler is to
  // know it, else 0.
  template <class Norm, int Dim>
  NVC3D_INLINE void distances(const T* block, int64_t dim, Vec<T> (&distance)[rows]) const {
    const int64_t last = Dim ? Dim : dim;
    const Vec<T> first = Vec<T>::load(block);
    NVC3D_UNROLL
    for (int r = 0; r < rows; ++r) distance[r] = Norm::first(first - Vec<T>::all(row[r][0]));
    for (int64_t d = 1; d < last; ++d) {
      const Vec<T> next = Vec<T>::load(block + d * lanes);
      NVC3D_UNROLL
      for (int r = 0; r < rows; ++r) {
        distance[r] = Norm::add(distance[r], next - Vec<T>::all(row[r][d]));
      }
    }
  }
};

// From one point to the 16 of a block.
template <class T, class Norm, int Dim>
NVC3D_INLINE Vec<T> distances_to_block(const T* point, const T* block, int64_t dim) {
  Vec<T> distance = Norm::first(Vec<T>::load(block) - Vec<T>::all(point[0]));
  for (int64_t d = 1; d < (Dim ? Dim : dim); ++d) {
    distance = Norm::add(distance, Vec<T>::load(block + d * lanes) - Vec<T>::all(point[d]));
  }
  return distance;
}

// Tiles that make a piece of work worth a thread.
inline int64_t brute_grain(int64_t columns, int64_t dim, int rows) {
  return most<int64_t>(1, (int64_t{1} << 20) / columns / dim / rows);
}

}  // namespace nvc3d::NVC3D_ISA
