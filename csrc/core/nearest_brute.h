// Nearest neighbours by looking at every pair, in one pass for one direction or for both.
//
// For each row only its least distance so far and the chunk of columns it came from are kept; when
// all columns are done, the winning chunk alone is looked at again for the lowest index with that
// distance. Columns work the same way, with tiles of rows as their chunks. Chunks and tiles come
// in rising order and only a strictly smaller distance replaces an older one, hence the lowest
// index wins.
#pragma once

#include "kernels.h"
#include "tile.h"

namespace nvc3d::NVC3D_ISA {

// Least distance of each column to some rows, and the first tile of rows that had it.
template <class T>
struct Columns {
  T* distance;
  int32_t* tile;
};

// One tile of rows against all of y: fills the rows' distance and index and, if Both, lowers the
// columns.
template <class T, class Norm, int Dim, bool Both>
void brute_tile(const T* x, int64_t n, const Packed<T>& y, int64_t tile_index, T* distance,
                int64_t* index, Columns<T> columns) {
  constexpr int rows = Tile<T>::rows;
  constexpr int64_t chunk = 8;  // blocks
  const int64_t first_row = tile_index * rows;
  const Tile<T> tile(x, n, y.dim, first_row);
  const Ints this_tile = Ints::all(static_cast<int32_t>(tile_index));
  T best[rows][lanes];
  int32_t best_chunk[rows][lanes];
  for (int r = 0; r < rows; ++r) {
    Vec<T>::all(infinity<T>).store(best[r]);
    Ints::all(0).store(best_chunk[r]);
  }

  for (int64_t start = 0; start < y.blocks; start += chunk) {
    const int64_t stop = least(start + chunk, y.blocks);
    Vec<T> chunk_least[rows];
    NVC3D_UNROLL
    for (int r = 0; r < rows; ++r) chunk_least[r] = Vec<T>::all(infinity<T>);
    for (int64_t b = start; b < stop; ++b) {
      Vec<T> d[rows];
      tile.template distances<Norm, Dim>(y.block(b), y.dim, d);
      NVC3D_UNROLL
      for (int r = 0; r < rows; ++r) chunk_least[r] = min(d[r], chunk_least[r]);
      if constexpr (Both) {
        Vec<T> column_least = d[0];
        NVC3D_UNROLL
        for (int r = 1; r < rows; ++r) column_least = min(d[r], column_least);
        T* column = columns.distance + b * lanes;
        int32_t* column_tile = columns.tile + b * lanes;
        const Vec<T> old = Vec<T>::load(column);
        const Mask<T> lower = column_least < old;
        select(lower, column_least, old).store(column);
        select(lower, this_tile, Ints::load(column_tile)).store(column_tile);
      }
    }
    const Ints this_chunk = Ints::all(static_cast<int32_t>(start / chunk));
    NVC3D_UNROLL
    for (int r = 0; r < rows; ++r) {
      const Vec<T> old = Vec<T>::load(best[r]);
      const Mask<T> lower = chunk_least[r] < old;
      if (lower.any()) {
        select(lower, chunk_least[r], old).store(best[r]);
        select(lower, this_chunk, Ints::load(best_chunk[r])).store(best_chunk[r]);
      }
    }
  }

  for (int r = 0; r < rows && first_row + r < n; ++r) {
    const T value = reduce_min(Vec<T>::load(best[r]));
    const uint32_t ties = (Vec<T>::load(best[r]) == Vec<T>::all(value)).bits();
    int32_t winner = no_index;
    for (int lane = 0; lane < lanes; ++lane) {
      if (ties >> lane & 1) winner = least(winner, best_chunk[r][lane]);
    }
    distance[first_row + r] = value;
    index[first_row + r] = 0;  // stays when nothing compares, as with NaN
    const int64_t stop = least((winner + 1) * chunk, y.blocks);
    for (int64_t b = winner * chunk; b < stop; ++b) {
      const Vec<T> d = distances_to_block<T, Norm, Dim>(tile.row[r], y.block(b), y.dim);
      const uint32_t hits = (d == Vec<T>::all(value)).bits();
      if (hits) {
        const int64_t found = b * lanes + lowest_bit(hits);
        if (found < y.count) index[first_row + r] = found;
        break;
      }
    }
  }
}

template <class T, class Norm, int Dim>
void nearest_brute(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, T* distance,
                   int64_t* index, const Parallel& parallel) {
  const Packed<T> packed(y, m, dim);
  constexpr int rows = Tile<T>::rows;
  parallel((n + rows - 1) / rows, brute_grain(m, dim, rows), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      brute_tile<T, Norm, Dim, false>(x, n, packed, t, distance, index, Columns<T>{});
    }
  });
}

template <class T, class Norm, int Dim>
void nearest_both_brute(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, T* x_distance,
                        int64_t* x_index, T* y_distance, int64_t* y_index,
                        const Parallel& parallel) {
  constexpr int rows = Tile<T>::rows;
  const Packed<T> packed(y, m, dim);
  const Packed<T> packed_rows(x, n, dim);
  // Each part of the rows has columns of its own.
  const int64_t tiles = (n + rows - 1) / rows;
  const int64_t grain = brute_grain(m, dim, rows);
  const int64_t useful = most<int64_t>(1, tiles / grain);
  const int64_t parts = least(most<int64_t>(1, parallel.threads), useful);
  const int64_t width = packed.blocks * lanes;
  Scratch<T> column_distance(parts * width);
  Scratch<int32_t> column_tile(parts * width);
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const Columns<T> columns{column_distance.data() + p * width, column_tile.data() + p * width};
      for (int64_t j = 0; j < width; ++j) {
        columns.distance[j] = infinity<T>;
        columns.tile[j] = 0;
      }
      const int64_t first = tiles * p / parts;
      for (int64_t t = first; t < tiles * (p + 1) / parts; ++t) {
        if ((t - first) % (4 * grain) == 0 && parallel.cancelled()) return;
        brute_tile<T, Norm, Dim, true>(x, n, packed, t, x_distance, x_index, columns);
      }
    }
  });

  parallel(m, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      int64_t best = j;
      for (int64_t other = j + width; other < parts * width; other += width) {
        if (column_distance[other] < column_distance[best]) best = other;
      }
      const T value = column_distance[best];
      const int64_t row = int64_t{column_tile[best]} * rows;
      const Vec<T> d =
          distances_to_block<T, Norm, Dim>(y + j * dim, packed_rows.block(row / lanes), dim);
      // Of a block's 16 rows, those before the tile are all farther.
      const uint32_t hits = (d == Vec<T>::all(value)).bits();
      const int64_t found = hits ? row / lanes * lanes + lowest_bit(hits) : 0;
      y_distance[j] = value;
      y_index[j] = found < n ? found : 0;
    }
  });
}

}  // namespace nvc3d::NVC3D_ISA
