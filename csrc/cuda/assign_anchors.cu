// Nearest anchors on CUDA: a matrix product on the tensor cores whose result is never stored.
//
// As in core/assign_anchors.h, an anchor's score is |a|^2 - 2 z.a, with z and a moved by the
// anchors' mean, and a row whose second best score is too close to the best for the roundings is
// decided again, in double, among all anchors: the index is exact. Tensor cores read 11 bits of a
// float, so each is split in two and a product is formed of three; they also round sums down, hence
// the wider tolerance. Double has no such cores for distances and goes through the tile of brute
// force.
#include <torch/csrc/stable/library.h>

#include "anchor_panels.cuh"
#include "nearest_brute.cuh"
#include "tensor_cores.cuh"
#include "values.cuh"

namespace nvc3d {
namespace {

constexpr int tile_threads = 128;
constexpr int tile_rows = 128;      // latents of a block
constexpr int tile_warp_rows = 32;  // of a warp, as 2 x 16 rows of the tensor cores
constexpr int row_parts = 2, column_parts = AnchorPanels::width / 8;
constexpr int half_warp = 16;

constexpr float half_ulp = std::numeric_limits<float>::epsilon() / 2;
constexpr float smallest = std::numeric_limits<float>::min();  // of the normal numbers

// Four more than a slice: the lanes of a warp then read from different banks.
constexpr int padded_slice = AnchorPanels::slice + 4;

struct Latents {
  const float* data;  // (count, dim)
  int64_t count;
};

// The least two scores of a row.
struct Least {
  float best = infinity<float>, second = infinity<float>;
  int32_t index = 0;

  __device__ void take(float score, int32_t column) {
    if (score < best) {
      second = best;
      best = score;
      index = column;
    } else if (score < second) {
      second = score;
    } else if (score != score) {
      second = -infinity<float>;  // after an overflow nothing is sure
    }
  }
  __device__ void take(const Least& other) {
    const float loser = fmaxf(best, other.best);
    second = fminf(loser, fminf(second, other.second));
    if (comes_first(other.best, other.index, best, index)) {
      best = other.best;
      index = other.index;
    }
  }
};

// Sums over the 16 lanes of half a warp, in the order of the CPU's kernels.
template <class U>
__device__ U half_warp_squared(const float* z, const float* anchor, int64_t dim) {
  U sum = 0;
  for (int64_t d = lane_number() % half_warp; d < dim; d += half_warp)
    sum = SquaredL2::add(sum, static_cast<U>(z[d]) - static_cast<U>(anchor[d]));
  for (int bit = half_warp / 2; bit > 0; bit /= 2) sum += __shfl_xor_sync(all_lanes, sum, bit);
  return sum;
}

// The lowest index among the anchors nearest to z: the two halves of the warp take turns.
inline __device__ int32_t decide_in_double(const float* z, const float* anchors, int64_t count,
                                           int64_t dim) {
  double best = infinity<double>;
  int32_t index = no_index;
  for (int64_t first = 0; first < count; first += 2) {
    const int64_t j = first + lane_number() / half_warp;
    const double distance =
        half_warp_squared<double>(z, anchors + (j < count ? j : count - 1) * dim, dim);
    if (j < count && comes_first(distance, static_cast<int32_t>(j), best, index)) {
      best = distance;
      index = static_cast<int32_t>(j);
    }
  }
  const double other = __shfl_xor_sync(all_lanes, best, half_warp);
  const int32_t other_index = __shfl_xor_sync(all_lanes, index, half_warp);
  if (comes_first(other, other_index, best, index)) index = other_index;
  return index == no_index ? 0 : index;
}

__global__ void __launch_bounds__(tile_threads)
    assign_on_tensor_cores(Latents latents, const float* anchors, AnchorPanels panels,
                           int64_t* index_out, float* squared_out) {
  __shared__ float rows[tile_rows][padded_slice];
  __shared__ float high[AnchorPanels::width][padded_slice];
  __shared__ float low[AnchorPanels::width][padded_slice];
  __shared__ float best_of[tile_rows], second_of[tile_rows];
  __shared__ int32_t index_of[tile_rows];
  const int lane = lane_number(), my_warp = static_cast<int>(threadIdx.x) / warp;
  const int g = lane / 4, t = lane % 4;
  const int64_t first_row = int64_t{blockIdx.x} * tile_rows;

  Least least[row_parts][2];  // of rows 16 i + 8 h + g of the warp
  for (int64_t panel = 0; panel < panels.places; panel += AnchorPanels::width) {
    float sum[row_parts][column_parts][4] = {};
    for (int64_t start = 0; start < panels.stride; start += AnchorPanels::slice) {
      const int64_t d = start + lane;
      __syncthreads();
      for (int r = my_warp; r < tile_rows; r += tile_threads / warp) {
        const bool real = first_row + r < latents.count && d < panels.dim;
        rows[r][lane] =
            real ? latents.data[(first_row + r) * panels.dim + d] - panels.centre[d] : 0;
      }
      for (int j = my_warp; j < AnchorPanels::width; j += tile_threads / warp) {
        high[j][lane] = panels.high[(panel + j) * panels.stride + d];
        low[j][lane] = panels.low[(panel + j) * panels.stride + d];
      }
      __syncthreads();
#pragma unroll
      for (int k = 0; k < AnchorPanels::slice; k += 8) {
        float row_high[row_parts][4], row_low[row_parts][4];
#pragma unroll
        for (int i = 0; i < row_parts; ++i) {
          const int r = my_warp * tile_warp_rows + 16 * i + g;
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const float value = rows[r + e % 2 * 8][k + t + e / 2 * 4];
            row_high[i][e] = to_tf32(value);
            row_low[i][e] = to_tf32(value - row_high[i][e]);
          }
        }
#pragma unroll
        for (int j = 0; j < column_parts; ++j) {
          const float anchor_high[2] = {high[8 * j + g][k + t], high[8 * j + g][k + t + 4]};
          const float anchor_low[2] = {low[8 * j + g][k + t], low[8 * j + g][k + t + 4]};
#pragma unroll
          for (int i = 0; i < row_parts; ++i) {
            multiply_add(sum[i][j], row_low[i], anchor_high);
            multiply_add(sum[i][j], row_high[i], anchor_low);
            multiply_add(sum[i][j], row_high[i], anchor_high);
          }
        }
      }
    }
#pragma unroll
    for (int j = 0; j < column_parts; ++j)
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int64_t column = panel + 8 * j + 2 * t + e;
        const float offset = panels.offsets[column];
#pragma unroll
        for (int i = 0; i < row_parts; ++i)
#pragma unroll
          for (int h = 0; h < 2; ++h)
            least[i][h].take(sum[i][j][2 * h + e] + offset, static_cast<int32_t>(column));
      }
  }

  // Four lanes have looked at each row.
#pragma unroll
  for (int i = 0; i < row_parts; ++i)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      Least mine = least[i][h];
      for (int bit = 1; bit < 4; bit *= 2) {
        Least other;
        other.best = __shfl_xor_sync(all_lanes, mine.best, bit);
        other.second = __shfl_xor_sync(all_lanes, mine.second, bit);
        other.index = __shfl_xor_sync(all_lanes, mine.index, bit);
        mine.take(other);
      }
      if (t > 0) continue;
      const int r = my_warp * tile_warp_rows + 16 * i + 8 * h + g;
      best_of[r] = mine.best;
      second_of[r] = mine.second;
      index_of[r] = mine.index;
    }
  __syncwarp();

  // Products of halves leave out 12 half ulps of 2|z||a|, and each of the three sums of 8 products
  // loses at most 7 half ulps. Twice that, as both scores may be off, and a little more.
  const float relative = 6.75f * half_ulp * static_cast<float>(panels.dim + 16);
  const float absolute = 4 * smallest * static_cast<float>(panels.dim);
  const float longest = *panels.longest;
  for (int r = 0; r < tile_warp_rows; r += 2) {
    const int mine = my_warp * tile_warp_rows + r + lane / half_warp;
    if (first_row + my_warp * tile_warp_rows + r >= latents.count) break;
    const bool real = first_row + mine < latents.count;
    const int64_t row = real ? first_row + mine : latents.count - 1;
    const float* const z = latents.data + row * panels.dim;
    int32_t index = index_of[mine];
    float squared = half_warp_squared<float>(z, anchors + index * panels.dim, panels.dim);
    // |z| is at most |a| + |z - a|, whichever anchor a is.
    const float spread = 3 * longest + 2 * sqrtf(longest) * sqrtf(squared);
    const float bound = best_of[mine] + (relative * spread + absolute);
    const unsigned unsure = __ballot_sync(all_lanes, real && !(second_of[mine] > bound));
    for (int half = 0; half < 2; ++half) {
      if (!(unsure >> half * half_warp & 1)) continue;
      const int64_t other_row = __shfl_sync(all_lanes, row, half * half_warp);
      const int32_t decided = decide_in_double(latents.data + other_row * panels.dim, anchors,
                                               panels.count, panels.dim);
      if (lane / half_warp == half) index = decided;
    }
    if (unsure) squared = half_warp_squared<float>(z, anchors + index * panels.dim, panels.dim);
    if (real && lane % half_warp == 0) {
      index_out[row] = index;
      squared_out[row] = squared;
    }
  }
}

std::tuple<Tensor, Tensor> assign_anchors(Tensor latents, Tensor anchors, bool check_finite) {
  require_anchors(latents, anchors);
  require(latents.size(0) < INT32_MAX, "latents must be fewer than 2147483647, got ",
          latents.size(0));
  const Device device(latents, "assign_anchors");
  return with_type(latents, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> rows(torch::stable::unsqueeze(latents, 0), std::nullopt);
    const Clouds<T> centres(torch::stable::unsqueeze(anchors, 0), std::nullopt);
    ValueChecks checks(device, latents, check_finite);
    checks.finite(rows, "latents", 2);
    checks.finite(centres, "anchors", 2);
    checks.send();
    const Tensor distance = new_values(latents, rows.size);  // (N,)
    const Tensor index = new_index(latents, rows.size);      // (N,)
    if (rows.size == 0) {
      // Nothing to do but the checks.
    } else if constexpr (std::is_same_v<T, float>) {
      const PackedAnchors packed(device, centres);
      device.launch(assign_on_tensor_cores, pieces(rows.size, tile_rows), tile_threads,
                    Latents{rows.data, rows.size}, centres.data, packed.view(),
                    pointer<int64_t>(index), pointer<float>(distance));
    } else {
      nearest_brute<T, SquaredL2>(device, rows, centres, pointer<T>(distance),
                                  pointer<int64_t>(index));
    }
    checks.raise();
    return std::make_tuple(distance, index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) {
  if (!nvc3d::cuda_usable()) return;
  m.impl("assign_anchors", TORCH_BOX(&nvc3d::assign_anchors));
}
