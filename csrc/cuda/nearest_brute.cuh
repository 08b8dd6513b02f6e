// Nearest neighbours by looking at every pair.
//
// Float in three dimensions: a thread keeps 8 rows in registers, columns pass by in chunks of 32.
// In one pass, rows learn their least distance and the chunk of columns it came from, and, if asked
// for, columns learn theirs and the 8 rows it came from; both as a Candidate, lowered atomically,
// so that no order of blocks changes the answer. What a chunk or 8 rows held is then looked at
// again for the lowest index with that distance. All else goes through the tile.
#pragma once

#include "../core/candidate.h"
#include "tile.cuh"
#include "warp.cuh"

namespace nvc3d {

constexpr int pass_threads = 128;
constexpr int thread_rows = 8;
constexpr int warp_rows = warp * thread_rows;
constexpr int block_rows = pass_threads * thread_rows;
constexpr int chunk = 32;  // columns

// Columns of one block: a multiple of pass_threads.
struct Pass {
  int64_t row_blocks, column_blocks, columns;

  Pass(const CloudsView<float>& x, const CloudsView<float>& y, int64_t wanted_blocks)
      : row_blocks(pieces(x.size, block_rows)) {
    const int64_t most = pieces(y.size, pass_threads);
    const int64_t wanted = pieces(wanted_blocks, std::max<int64_t>(1, x.batch * row_blocks));
    columns = pieces(most, std::min(wanted, most)) * pass_threads;
    column_blocks = pieces(y.size, columns);
  }
};

template <class Norm, bool Both>
__global__ void __launch_bounds__(pass_threads)
    lower_candidates(CloudsView<float> x, CloudsView<float> y, Pass pass, Candidate* row_best,
                     Candidate* column_best) {
  __shared__ float4 column[pass_threads];
  const int64_t b = blockIdx.x / (pass.row_blocks * pass.column_blocks);
  const int64_t row_block = blockIdx.x / pass.column_blocks % pass.row_blocks;
  const int64_t first_column = blockIdx.x % pass.column_blocks * pass.columns;
  const int32_t n = x.count(b), m = y.count(b);
  if (row_block * block_rows >= n || first_column >= m) return;

  const int64_t first_row = row_block * block_rows + threadIdx.x / warp * warp_rows;  // of the warp
  const int64_t my_row = first_row + lane_number() * thread_rows;
  Point<float> row[thread_rows];
  float best[thread_rows];
  uint32_t best_chunk[thread_rows];
#pragma unroll
  for (int r = 0; r < thread_rows; ++r) {
    row[r] = Point<float>::load(x.cloud(b), my_row + r < n ? my_row + r : n - 1, x.dim);
    best[r] = infinity<float>;
    best_chunk[r] = static_cast<uint32_t>(first_column / chunk);
  }

  const int64_t end = first_column + pass.columns < m ? first_column + pass.columns : m;
  for (int64_t start = first_column; start < end; start += pass_threads) {
    __syncthreads();
    const int64_t mine = start + threadIdx.x;
    Point<float> at{infinity<float>, infinity<float>, infinity<float>};
    if (mine < m) at = Point<float>::load(y.cloud(b), mine, y.dim);
    column[threadIdx.x] = {at.x, at.y, at.z, 0};
    __syncthreads();
    if (first_row >= n) continue;  // the warp has no rows, but columns to load
    for (int c = 0; c < pass_threads && start + c < m; c += chunk) {
      float chunk_least[thread_rows];
#pragma unroll
      for (int r = 0; r < thread_rows; ++r) chunk_least[r] = infinity<float>;
      float column_least = infinity<float>;  // of column c + lane
      int column_lane = 0;                   // the first lane that has it
#pragma unroll 4
      for (int j = 0; j < chunk; ++j) {
        const float4 to = column[c + j];
        float least = infinity<float>;
#pragma unroll
        for (int r = 0; r < thread_rows; ++r) {
          const float d = distance<Norm>(row[r], Point<float>{to.x, to.y, to.z});
          chunk_least[r] = fminf(chunk_least[r], d);
          least = fminf(least, d);
        }
        if constexpr (Both) {
          const float all = least_distance(least);
          const unsigned equal = __ballot_sync(all_lanes, least == all);
          if (lane_number() == j) {
            column_least = all;
            column_lane = __ffs(equal) - 1;
          }
        }
      }
#pragma unroll
      for (int r = 0; r < thread_rows; ++r) {
        if (chunk_least[r] < best[r]) {
          best[r] = chunk_least[r];
          best_chunk[r] = static_cast<uint32_t>((start + c) / chunk);
        }
      }
      if constexpr (Both) {
        const int64_t to = start + c + lane_number();
        if (to < m) {
          const auto group = static_cast<uint32_t>(first_row / thread_rows + column_lane);
          atomicMin(&column_best[b * y.size + to].bits, Candidate::of(column_least, group).bits);
        }
      }
    }
  }
#pragma unroll
  for (int r = 0; r < thread_rows; ++r) {
    if (my_row + r < n)
      atomicMin(&row_best[b * x.size + my_row + r].bits,
                Candidate::of(best[r], best_chunk[r]).bits);
  }
}

// Turns a candidate's place, a group of `Group` points, into the lowest index with its distance.
template <class Norm, int Group>
__device__ void find_in_group(const CloudsView<float>& from, const CloudsView<float>& to,
                              int64_t at, const Candidate* best, float* distance_out,
                              int64_t* index_out) {
  const int64_t b = at / from.size, i = at % from.size;
  const int64_t m = to.count(b);
  if (i >= from.count(b) || m == 0) {
    distance_out[at] = 0;
    index_out[at] = 0;
    return;
  }
  const Point<float> point = Point<float>::load(from.cloud(b), i, from.dim);
  const float least = best[at].distance();
  const int64_t begin = int64_t{best[at].place()} * Group;
  const int64_t end = begin + Group < m ? begin + Group : m;
  int64_t found = end;
  for (int64_t j = end - 1; j >= begin; --j) {
    if (distance<Norm>(point, Point<float>::load(to.cloud(b), j, to.dim)) == least) found = j;
  }
  distance_out[at] = least;
  index_out[at] = found < end ? found : 0;  // NaN equals nothing
}

// A point of x is the work of a thread, and, if y's candidates are given, so is one of y.
template <class Norm>
__global__ void find_in_groups(CloudsView<float> x, CloudsView<float> y, const Candidate* x_best,
                               float* x_distance, int64_t* x_index, const Candidate* y_best,
                               float* y_distance, int64_t* y_index) {
  const int64_t at = int64_t{blockIdx.x} * pass_threads + threadIdx.x;
  if (at < x.points()) {
    find_in_group<Norm, chunk>(x, y, at, x_best, x_distance, x_index);
  } else if (y_best && at < x.points() + y.points()) {
    find_in_group<Norm, thread_rows>(y, x, at - x.points(), y_best, y_distance, y_index);
  }
}

// Both, if y_distance is given; for float in at most three dimensions.
template <class Norm>
void nearest_in_passes(const Device& device, const Clouds<float>& x, const Clouds<float>& y,
                       float* x_distance, int64_t* x_index, float* y_distance, int64_t* y_index) {
  const bool both = y_distance != nullptr;
  const int64_t found = x.points() + (both ? y.points() : 0);
  const Memory<Candidate> best(x.points_tensor, found);
  device.fill(best.data, 0xFF, best.bytes);
  const Pass pass(x, y, int64_t{8} * device.processors());
  Candidate* const y_best = both ? best.data + x.points() : nullptr;
  const auto kernel = both ? lower_candidates<Norm, true> : lower_candidates<Norm, false>;
  device.launch(kernel, x.batch * pass.row_blocks * pass.column_blocks, pass_threads, x.view(),
                y.view(), pass, best.data, y_best);
  device.launch(find_in_groups<Norm>, pieces(found, pass_threads), pass_threads, x.view(), y.view(),
                best.data, x_distance, x_index, y_best, y_distance, y_index);
}

template <class T, class Norm>
__global__ void __launch_bounds__(256)
    nearest_by_tiles(CloudsView<T> x, CloudsView<T> y, T* distance_out, int64_t* index_out) {
  using Tile = nvc3d::Tile<T, Norm>;
  __shared__ typename Tile::Shared shared;
  const int64_t row_blocks = (x.size + Tile::rows - 1) / Tile::rows;
  const int64_t b = blockIdx.x / row_blocks, first_row = blockIdx.x % row_blocks * Tile::rows;
  const int32_t n = x.count(b), m = y.count(b);
  if (first_row >= n || m == 0) return;

  T best[Tile::each];
  int32_t index[Tile::each];
  for (int i = 0; i < Tile::each; ++i) {
    best[i] = infinity<T>;
    index[i] = no_index;
  }
  for (int64_t start = 0; start < m; start += Tile::columns) {
    T found[Tile::each][Tile::each];
    Tile::distances(shared, x.cloud(b), n, first_row, y.cloud(b), m, start, x.dim, found);
#pragma unroll
    for (int i = 0; i < Tile::each; ++i)
#pragma unroll
      for (int j = 0; j < Tile::each; ++j) {
        const int64_t column = start + Tile::column() + 16 * j;
        if (column < m &&
            comes_first(found[i][j], static_cast<int32_t>(column), best[i], index[i])) {
          best[i] = found[i][j];
          index[i] = static_cast<int32_t>(column);
        }
      }
  }
  // The 16 threads of a row are neighbours in their warp.
#pragma unroll
  for (int i = 0; i < Tile::each; ++i) {
    for (int bit = 8; bit > 0; bit /= 2) {
      const T other = __shfl_xor_sync(all_lanes, best[i], bit);
      const int32_t other_index = __shfl_xor_sync(all_lanes, index[i], bit);
      if (comes_first(other, other_index, best[i], index[i])) {
        best[i] = other;
        index[i] = other_index;
      }
    }
    const int64_t row = first_row + Tile::row() + 16 * i;
    if (Tile::column() == 0 && row < n) {
      distance_out[b * x.size + row] = best[i];
      index_out[b * x.size + row] = index[i] == no_index ? 0 : index[i];
    }
  }
}

template <class T, class Norm>
void nearest_brute(const Device& device, const Clouds<T>& x, const Clouds<T>& y, T* distance,
                   int64_t* index) {
  using Tile = nvc3d::Tile<T, Norm>;
  device.launch(nearest_by_tiles<T, Norm>, x.batch * pieces(x.size, Tile::rows), Tile::threads,
                x.view(), y.view(), distance, index);
}

}  // namespace nvc3d
