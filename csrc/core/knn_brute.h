// k nearest neighbours by looking at every pair.
//
// A tile of rows meets the columns in chunks: first all distances of the chunk, then, row by row,
// those that are below the row's worst kept so far. Columns come in rising order, so a later one
// that ties with the worst never enters.
#pragma once

#include "best_k.h"
#include "kernels.h"
#include "tile.h"

namespace nvc3d::NVC3D_ISA {

template <class T, class Norm, int Dim, class Best>
void knn_brute_tile(const T* x, int64_t n, const Packed<T>& y, int64_t first_row, int64_t k,
                    T limit, T* distance, int64_t* index) {
  constexpr int rows = Tile<T>::rows;
  constexpr int64_t chunk = 16;  // blocks
  const Tile<T> tile(x, n, y.dim, first_row);
  const int valid = static_cast<int>(least<int64_t>(rows, n - first_row));
  Best best[rows];
  for (int r = 0; r < valid; ++r) {
    best[r].start(distance + (first_row + r) * k, index + (first_row + r) * k, k, limit);
  }
  int32_t lane_numbers[lanes];
  for (int i = 0; i < lanes; ++i) lane_numbers[i] = i;
  const Ints first_columns = Ints::load(lane_numbers);
  const Ints count = Ints::all(static_cast<int32_t>(y.count));

  T chunk_distance[rows][chunk * lanes];
  for (int64_t start = 0; start < y.blocks; start += chunk) {
    const int64_t stop = least(start + chunk, y.blocks);
    for (int64_t b = start; b < stop; ++b) {
      Vec<T> d[rows];
      tile.template distances<Norm, Dim>(y.block(b), y.dim, d);
      NVC3D_UNROLL
      for (int r = 0; r < rows; ++r) d[r].store(chunk_distance[r] + (b - start) * lanes);
    }
    for (int r = 0; r < valid; ++r) {
      for (int64_t b = start; b < stop; ++b) {
        const Vec<T> d = Vec<T>::load(chunk_distance[r] + (b - start) * lanes);
        const Mask<T> closer = d <= Vec<T>::all(best[r].worst());
        if (!closer.any()) continue;
        const Ints columns = first_columns + Ints::all(static_cast<int32_t>(b * lanes));
        best[r].take(d, columns, closer & less<T>(columns, count));
      }
    }
  }
  for (int r = 0; r < valid; ++r) best[r].finish();
}

template <class T, class Norm, int Dim, class Best>
void knn_brute(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int64_t k, T limit,
               T* distance, int64_t* index, const Parallel& parallel) {
  const Packed<T> packed(y, m, dim);
  constexpr int rows = Tile<T>::rows;
  parallel((n + rows - 1) / rows, brute_grain(m, dim, rows), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      knn_brute_tile<T, Norm, Dim, Best>(x, n, packed, t * rows, k, limit, distance, index);
    }
  });
}

}  // namespace nvc3d::NVC3D_ISA
