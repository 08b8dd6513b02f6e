// Distances of 64 rows to 64 columns, of any dimension, by the 256 threads of a block: slices of
// 16 coordinates pass through shared memory, and each thread keeps 4 x 4 sums in registers.
#pragma once

#include "clouds.cuh"

namespace nvc3d {

template <class T, class Norm>
struct Tile {
  static constexpr int rows = 64, columns = 64, threads = 256;
  static constexpr int each = 4;  // rows and columns of a thread
  static constexpr int slice = 16;

  // One more than the rows: threads that store a slice then meet in different banks.
  struct Shared {
    T x[slice][rows + 1];
    T y[slice][columns + 1];
  };

  // This thread's rows are row() + 16 i and its columns column() + 16 j.
  static __device__ int row() { return static_cast<int>(threadIdx.x) / 16; }
  static __device__ int column() { return static_cast<int>(threadIdx.x) % 16; }

  // All threads of the block must call it. Past the last row or column, the last one is repeated.
  // Where a list is given, rows are counted in it and it tells where in x they are.
  template <class From>
  static __device__ void distances(Shared& shared, const From* x, int32_t n, int64_t first_row,
                                   const From* y, int32_t m, int64_t first_column, int64_t dim,
                                   T (&sum)[each][each], const int32_t* list = nullptr) {
    for (int i = 0; i < each; ++i)
      for (int j = 0; j < each; ++j) sum[i][j] = 0;
    for (int64_t start = 0; start < dim; start += slice) {
      const int width = static_cast<int>(dim - start < slice ? dim - start : slice);
      __syncthreads();
      if (column() < width) {
        const int d = column();
        for (int i = row(); i < rows; i += 16) {
          int64_t from = first_row + i < n ? first_row + i : n - 1;
          if (list) from = list[from];
          shared.x[d][i] = x[from * dim + start + d];
        }
        for (int j = row(); j < columns; j += 16) {
          const int64_t from = first_column + j < m ? first_column + j : m - 1;
          shared.y[d][j] = y[from * dim + start + d];
        }
      }
      __syncthreads();
      for (int d = 0; d < width; ++d) {
        T a[each], b[each];
#pragma unroll
        for (int i = 0; i < each; ++i) a[i] = shared.x[d][row() + 16 * i];
#pragma unroll
        for (int j = 0; j < each; ++j) b[j] = shared.y[d][column() + 16 * j];
#pragma unroll
        for (int i = 0; i < each; ++i)
#pragma unroll
          for (int j = 0; j < each; ++j) sum[i][j] = Norm::add(sum[i][j], a[i] - b[j]);
      }
    }
  }
};

}  // namespace nvc3d
