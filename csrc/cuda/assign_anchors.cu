// Nearest anchors on CUDA: a matrix product on the tensor cores whose result is never stored.
//
// As in core/assign_anchors.h, an anchor's score is |a|^2 - 2 z.a, with z and a moved by the
// anchors' mean, and the index is exact: a latent whose least scores are too close for the
// roundings is decided by distances in double. Where these are two, the thread that has the latent
// looks at both; the few latents with more are listed for a kernel of tiles, which compares them
// with all anchors. Tensor cores read 11 bits of a float, so each is split in two and a product is
// formed of three. Double has no such cores for distances and goes through the tile of brute force.
#include <torch/csrc/stable/library.h>

#include "anchor_panels.cuh"
#include "async_copy.cuh"
#include "nearest_brute.cuh"
#include "tensor_cores.cuh"
#include "values.cuh"

namespace nvc3d {
namespace {

constexpr int tile_threads = 128;
constexpr int tile_rows = 128;      // latents of a block
constexpr int tile_warp_rows = 32;  // of a warp, as 2 x 16 rows of the tensor cores
constexpr int row_parts = 2, column_parts = AnchorPanels::width / 8;
constexpr int steps = AnchorPanels::slice / 8;
constexpr int half_warp = 16;
// What the registers allow; before sm_80 shared memory allows no more than one.
constexpr int blocks_at_once = NVC3D_BEFORE_SM80 ? 1 : 3;

constexpr float half_ulp = std::numeric_limits<float>::epsilon() / 2;
constexpr float smallest = std::numeric_limits<float>::min();  // of the normal numbers
constexpr float of_distance = 1.5f * static_cast<float>(std::numeric_limits<double>::epsilon());

// Four more than a slice: the lanes of a warp then read from different banks.
constexpr int padded_slice = AnchorPanels::slice + 4;

struct Latents {
  const float* data;  // (count, dim)
  int64_t count;
};

// Latents that the scores leave open.
struct OpenRows {
  int32_t* count;  // starts as 0
  int32_t* list;
};

// A slice of the latents of a block and of a panel of anchors. While one is in use, the next ones
// are on their way.
struct alignas(16) Stage {
  float rows[tile_rows][padded_slice];
  float anchors[AnchorPanels::width][padded_slice];
};
constexpr int stage_count = 3;

// The nearest value with the 11 significant bits that tensor cores read. Ties go away from zero.
inline __device__ float to_tf32(float value) {
  return __uint_as_float((__float_as_uint(value) + 0x1000u) & ~0x1FFFu);
}
// The nearest such value that is not farther from zero: one instruction less.
inline __device__ float cut_to_tf32(float value) {
  return __uint_as_float(__float_as_uint(value) & ~0x1FFFu);
}

// The least three scores of a row, and where the first two of them are. NaN is passed over: the
// bound of what overflows overflows too.
struct Least {
  float best = infinity<float>, second = infinity<float>, third = infinity<float>;
  int32_t best_index = 0, second_index = 0;

  __device__ void take(float score, int32_t column) {
    const bool first = score < best;
    third = fminf(third, fmaxf(second, score));
    second_index = score < second ? column : second_index;
    second_index = first ? best_index : second_index;
    second = fminf(second, fmaxf(best, score));
    best_index = first ? column : best_index;
    best = fminf(best, score);
  }
  __device__ void take(const Least& other) {
    take(other.best, other.best_index);
    take(other.second, other.second_index);
    third = fminf(third, other.third);
  }
};

// By how much the second score must be above the least to decide a latent.
//
// Proof, for u half an ulp of 1, z and a a latent and an anchor once moved, L the largest |a|^2,
// r = |z - w| for the winner w, and B = |a|^2 + 2|z||a| <= 3L + 2 sqrt(L) r, since |z| <= |w| + r.
//   Splitting: the high part is off by 2^-11 of a value, and what that leaves, cut, by 2^-10 of
// itself, which is 8u of the value. A product loses these 8u of either factor and the product of
// the low parts, 4u: 20u of 2|z||a|.
//   Tensor cores: an instruction adds 8 products to a sum. A100's (sm_80 to sm_89) take four and
// the sum, then the other four: of five numbers, all but the largest lose at most u of it when they
// are aligned to 24 bits behind the point, and the result is cut to a float, 2u: 6u twice. Hopper's
// and Blackwell's take all eight at 25 bits: 8 u / 2 + 2u. The fma of GPUs before sm_80 rounds at
// most five times. (Fasi et al., PeerJ CS 330; Khattak and Mikaitis, arXiv 2512.07004.) So one
// loses at most 12u of a number that no product or sum in its slice is above. Every slice starts
// anew from 0 and is the work of 6 instructions: 72u of the slice's own share of 2|z||a|, and so of
// the whole, however many slices there are.
//   The slices are added in float: u B for each of `slices`. The offset is rounded, and added; and
// moving z and a rounds each coordinate once, worth 2u B: together 4u B.
// That makes (slices + 96) u B for a score, and twice as much may hide between two. 2.25 u
// (slices + 98) is more by an eighth, which covers the terms in u^2 and the roundings of `squared`
// and of the bound, as long as slices u <= 1/32; beyond that nothing is decided.
//   Below the normal numbers, and where products below them count as zero, each of 3 products and
// 3 sums a coordinate loses at most the least normal number, as |a|^2 does: L is taken larger by
// that, and the rest is in the last term. (A factor that counts as zero takes that times the other
// factor with it, of which u sqrt(L) r, with that L, is far more.)
//   That distances in double see it the same way: as in core/assign_anchors.h.
inline __device__ float bound_above(float best, float squared, const AnchorPanels& panels) {
  const float slices = static_cast<float>(panels.stride / AnchorPanels::slice);
  const float dim = static_cast<float>(panels.dim);
  const float of_sum =
      slices * half_ulp > 0.03125f ? infinity<float> : 2.25f * half_ulp * (slices + 98);
  const float longest = *panels.longest + smallest;
  const float spread = 3 * longest + 2 * sqrtf(longest) * sqrtf(squared);
  return best + (of_sum * spread + (of_distance * (dim + 8) * squared + 16 * smallest * (dim + 8)));
}

// Sums over the 16 lanes of half a warp, in the order of the CPU's kernels.
inline __device__ float half_warp_squared(const float* z, const float* anchor, int64_t dim) {
  float sum = 0;
  for (int64_t d = lane_number() % half_warp; d < dim; d += half_warp)
    sum = SquaredL2::add(sum, z[d] - anchor[d]);
  for (int bit = half_warp / 2; bit > 0; bit /= 2) sum += __shfl_xor_sync(all_lanes, sum, bit);
  return sum;
}

// Whether a is nearer than b, in double, coordinate by coordinate.
inline __device__ bool is_nearer(const float* z, const float* a, int32_t a_index, const float* b,
                                 int32_t b_index, int64_t dim) {
  double to_a = 0, to_b = 0;
#pragma unroll 4
  for (int64_t d = 0; d < dim; ++d) {
    const auto value = static_cast<double>(z[d]);
    to_a = SquaredL2::add(to_a, value - static_cast<double>(a[d]));
    to_b = SquaredL2::add(to_b, value - static_cast<double>(b[d]));
  }
  return comes_first(to_a, a_index, to_b, b_index);
}

// Begins to copy a slice. Latents are read by 16 bytes where all their rows lie at multiples of
// that, as panels do. Past the last latent, the last one is repeated.
template <bool Aligned>
__device__ void copy_slice(Stage& stage, const Latents& latents, int64_t first_row,
                           const AnchorPanels& panels, int64_t panel, int64_t start) {
  constexpr int slice = AnchorPanels::slice;
  constexpr int width = Aligned ? 4 : 1, rows = tile_threads * width / slice;  // of a round
  const int thread = static_cast<int>(threadIdx.x);
  {
    const int64_t left = latents.count - first_row;
    const int last = left < tile_rows ? static_cast<int>(left) - 1 : tile_rows - 1;
    const int first = thread / (slice / width), e = thread % (slice / width) * width;
    const bool real = start + e < panels.dim;
    const float* const from = latents.data + first_row * panels.dim + (real ? start + e : 0);
    const int dim = static_cast<int>(panels.dim);
#pragma unroll(Aligned ? 4 : 1)
    for (int i = 0; i < tile_rows; i += rows) {
      const int r = i + first;
      copy_async<4 * width>(&stage.rows[r][e], from + int64_t{r < last ? r : last} * dim, real);
    }
  }
  constexpr int anchor_rows = tile_threads * 4 / slice;
  const int first = thread / (slice / 4), e = thread % (slice / 4) * 4;
  const float* from = panels.values + panel * panels.stride + start + e;
  const int stride = static_cast<int>(panels.stride);
#pragma unroll
  for (int j = 0; j < AnchorPanels::width; j += anchor_rows)
    copy_async<16>(&stage.anchors[j + first][e], from + int64_t{j + first} * stride, true);
}

template <bool Aligned>
__global__ void __launch_bounds__(tile_threads, blocks_at_once)
    assign_on_tensor_cores(Latents latents, const float* anchors, AnchorPanels panels,
                           OpenRows open, int64_t* index_out, float* squared_out) {
  __shared__ Stage stages[stage_count];
  const int lane = lane_number(), my_warp = static_cast<int>(threadIdx.x) / warp;
  const int g = lane / 4, t = lane % 4;
  const int64_t first_row = int64_t{blockIdx.x} * tile_rows;

  // Slice by slice, and then panel by panel; so many stages ahead.
  int64_t next_panel = 0, next_start = 0;
  int next_stage = 0;
  const auto copy_next = [&] {
    if (next_panel < panels.places)
      copy_slice<Aligned>(stages[next_stage], latents, first_row, panels, next_panel, next_start);
    close_copies();
    next_stage = next_stage + 1 < stage_count ? next_stage + 1 : 0;
    next_start += AnchorPanels::slice;
    if (next_start < panels.stride) return;
    next_start = 0;
    next_panel += AnchorPanels::width;
  };
  for (int i = 1; i < stage_count; ++i) copy_next();

  Least least[row_parts][2];  // of rows 16 i + 8 h + g of the warp
  int stage_number = 0;
  for (int64_t panel = 0; panel < panels.places; panel += AnchorPanels::width) {
    float total[row_parts][column_parts][4] = {};
    for (int64_t start = 0; start < panels.stride; start += AnchorPanels::slice) {
      wait_for_copies<stage_count - 2>();
      __syncthreads();  // all have their copies, and are done with the stage that comes next
      copy_next();
      const Stage& stage = stages[stage_number];
      stage_number = stage_number + 1 < stage_count ? stage_number + 1 : 0;

      float row_high[steps][row_parts][4], row_low[steps][row_parts][4];
#pragma unroll
      for (int k = 0; k < steps; ++k) {
        const float* const centre = panels.centre + start + 8 * k + t;
        const float origin[2] = {centre[0], centre[4]};
#pragma unroll
        for (int i = 0; i < row_parts; ++i) {
          const int r = my_warp * tile_warp_rows + 16 * i + g;
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const float value = stage.rows[r + e % 2 * 8][8 * k + t + e / 2 * 4] - origin[e / 2];
            row_high[k][i][e] = to_tf32(value);
            row_low[k][i][e] = cut_to_tf32(value - row_high[k][i][e]);
          }
        }
      }
#pragma unroll
      for (int j = 0; j < column_parts; ++j) {
        float sum[row_parts][4] = {};
#pragma unroll
        for (int k = 0; k < steps; ++k) {
          float high[2], low[2];
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const float value = stage.anchors[8 * j + g][8 * k + t + 4 * e];
            high[e] = to_tf32(value);
            low[e] = cut_to_tf32(value - high[e]);
          }
#pragma unroll
          for (int i = 0; i < row_parts; ++i) {
            multiply_add(sum[i], row_low[k][i], high);
            multiply_add(sum[i], row_high[k][i], low);
            multiply_add(sum[i], row_high[k][i], high);
          }
        }
#pragma unroll
        for (int i = 0; i < row_parts; ++i)
#pragma unroll
          for (int e = 0; e < 4; ++e) total[i][j][e] += sum[i][e];
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
            least[i][h].take(total[i][j][2 * h + e] + offset, static_cast<int32_t>(column));
      }
  }

  // Four lanes have looked at each row: of their four rows, each goes on with one.
  Least mine;
#pragma unroll
  for (int i = 0; i < row_parts; ++i)
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      Least of_row = least[i][h];
#pragma unroll
      for (int bit = 1; bit < 4; bit *= 2) {
        Least other;
        other.best = __shfl_xor_sync(all_lanes, of_row.best, bit);
        other.second = __shfl_xor_sync(all_lanes, of_row.second, bit);
        other.third = __shfl_xor_sync(all_lanes, of_row.third, bit);
        other.best_index = __shfl_xor_sync(all_lanes, of_row.best_index, bit);
        other.second_index = __shfl_xor_sync(all_lanes, of_row.second_index, bit);
        of_row.take(other);
      }
      if (t == 2 * i + h) mine = of_row;
    }
  const int64_t warp_row = first_row + my_warp * tile_warp_rows;
  const int my_row = 8 * t + g;
  int32_t index = mine.best_index;
  float squared = 0;
  for (int r = 0; r < tile_warp_rows && warp_row + r < latents.count; r += 2) {
    const int other_row = r + lane / half_warp;
    const int64_t row = warp_row + other_row < latents.count ? warp_row + other_row : warp_row + r;
    const int32_t other_index = __shfl_sync(all_lanes, index, other_row % 8 * 4 + other_row / 8);
    const float sum = half_warp_squared(latents.data + row * panels.dim,
                                        anchors + other_index * panels.dim, panels.dim);
    const float of_mine = __shfl_sync(all_lanes, sum, my_row % 2 * half_warp);
    if (my_row / 2 == r / 2) squared = of_mine;
  }

  const int64_t row = warp_row + my_row;
  const bool real = row < latents.count;
  const float bound = bound_above(mine.best, squared, panels);
  const bool unsure = real && !(mine.second > bound), many = real && !(mine.third > bound);
  const unsigned listed = __ballot_sync(all_lanes, many);
  if (listed) {
    int32_t place = 0;
    if (lane == 0) place = atomicAdd(open.count, static_cast<int32_t>(__popc(listed)));
    place = __shfl_sync(all_lanes, place, 0);
    if (many) open.list[place + __popc(listed & ((1u << lane) - 1))] = static_cast<int32_t>(row);
  }
  bool changed = false;
  if (unsure && !many) {
    changed = is_nearer(latents.data + row * panels.dim, anchors + mine.second_index * panels.dim,
                        mine.second_index, anchors + index * panels.dim, index, panels.dim);
    if (changed) index = mine.second_index;
  }
  for (unsigned left = __ballot_sync(all_lanes, changed); left; left &= left - 1) {
    const int owner = __ffs(static_cast<int>(left)) - 1;
    const int64_t other_row = warp_row + owner % 4 * 8 + owner / 4;
    const int32_t other_index = __shfl_sync(all_lanes, index, owner);
    const float sum = half_warp_squared(latents.data + other_row * panels.dim,
                                        anchors + other_index * panels.dim, panels.dim);
    if (lane == owner) squared = sum;
  }
  if (!real) return;
  index_out[row] = index;
  squared_out[row] = squared;
}

// Compares the latents that are open with all anchors, in double.
using OpenTile = Tile<double, SquaredL2>;
__global__ void __launch_bounds__(256)
    assign_open_rows(Latents latents, const float* anchors, int32_t m, int64_t dim, OpenRows open,
                     int64_t blocks, int64_t* index_out, float* squared_out) {
  __shared__ OpenTile::Shared shared;
  const int32_t n = *open.count;
  for (int64_t first_row = int64_t{blockIdx.x} * OpenTile::rows; first_row < n;
       first_row += blocks * OpenTile::rows) {
    double best[OpenTile::each];
    int32_t index[OpenTile::each];
    for (int i = 0; i < OpenTile::each; ++i) {
      best[i] = infinity<double>;
      index[i] = no_index;
    }
    for (int64_t start = 0; start < m; start += OpenTile::columns) {
      double found[OpenTile::each][OpenTile::each];
      OpenTile::distances(shared, latents.data, n, first_row, anchors, m, start, dim, found,
                          open.list);
#pragma unroll
      for (int i = 0; i < OpenTile::each; ++i)
#pragma unroll
        for (int j = 0; j < OpenTile::each; ++j) {
          const auto column = static_cast<int32_t>(start + OpenTile::column() + 16 * j);
          if (column < m && comes_first(found[i][j], column, best[i], index[i])) {
            best[i] = found[i][j];
            index[i] = column;
          }
        }
    }
    // The 16 threads of a row are half a warp.
    for (int i = 0; i < OpenTile::each; ++i) {
      for (int bit = half_warp / 2; bit > 0; bit /= 2) {
        const double other = __shfl_xor_sync(all_lanes, best[i], bit);
        const int32_t other_index = __shfl_xor_sync(all_lanes, index[i], bit);
        if (comes_first(other, other_index, best[i], index[i])) {
          best[i] = other;
          index[i] = other_index;
        }
      }
      if (index[i] == no_index) index[i] = 0;
      const int64_t place = first_row + OpenTile::row() + 16 * i;
      const int64_t row = open.list[place < n ? place : n - 1];
      const float squared =
          half_warp_squared(latents.data + row * dim, anchors + index[i] * dim, dim);
      if (OpenTile::column() > 0 || place >= n) continue;
      index_out[row] = index[i];
      squared_out[row] = squared;
    }
  }
}

void assign_in_float(const Device& device, const Clouds<float>& rows, const Clouds<float>& centres,
                     int64_t* index, float* squared) {
  const PackedAnchors packed(device, centres);
  const Memory<int32_t> memory(rows.points_tensor, 1 + rows.size);
  const OpenRows open{memory.data, memory.data + 1};
  device.fill(open.count, 0, sizeof(int32_t));
  const Latents latents{rows.data, rows.size};
  const bool aligned = rows.dim % 4 == 0 && reinterpret_cast<uintptr_t>(rows.data) % 16 == 0;
  device.launch(aligned ? assign_on_tensor_cores<true> : assign_on_tensor_cores<false>,
                pieces(rows.size, tile_rows), tile_threads, latents, centres.data, packed.view(),
                open, index, squared);
  const int64_t blocks =
      std::min(pieces(rows.size, OpenTile::rows), int64_t{4} * device.processors());
  device.launch(assign_open_rows, blocks, OpenTile::threads, latents, centres.data,
                static_cast<int32_t>(centres.size), rows.dim, open, blocks, index, squared);
}

std::tuple<Tensor, Tensor> assign_anchors(Tensor latents, Tensor anchors, bool check_finite) {
  require_anchors(latents, anchors);
  require(latents.size(0) < INT32_MAX, "latents must be fewer than 2147483647, got ",
          latents.size(0));
  require(latents.size(1) < INT32_MAX, "latents must have fewer than 2147483647 coordinates, got ",
          latents.size(1));
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
      assign_in_float(device, rows, centres, pointer<int64_t>(index), pointer<float>(distance));
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
