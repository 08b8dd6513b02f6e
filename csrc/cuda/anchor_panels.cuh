// Anchors laid out for the tensor cores, as core/anchor_panels.h lays them out for vectors: moved
// by their mean, scaled by -2, and equal ones taken once.
#pragma once

#include "clouds.cuh"
#include "warp.cuh"

namespace nvc3d {

struct AnchorPanels {
  static constexpr int width = 64;  // anchors
  static constexpr int slice = 16;  // coordinates

  int64_t count, dim;
  int64_t places;        // anchors, filled up to whole panels
  int64_t stride;        // coordinates, filled up to whole slices with zeros
  const float* values;   // (places, stride) -2 (anchor - centre)
  const float* centre;   // (stride,) the anchors' mean
  const float* offsets;  // (places,) squared length; infinite, which never wins, past the last
                         // anchor and for one that is equal to an earlier one
  const float* longest;  // (1,) the largest of them
};

// Anchors by their values: a table of `places`, a power of two, that is filled from an anchor's
// hash on. Each place holds the first of the anchors that are equal.
struct AnchorTable {
  int64_t places;
  int32_t* first;     // (places,) starts as -1
  int32_t* place_of;  // (anchors,)
};

// An anchor is the work of a warp.
static __global__ void __launch_bounds__(128)
    find_equal_anchors(const float* anchors, int64_t count, int64_t dim, AnchorTable table) {
  const int64_t j = int64_t{blockIdx.x} * 4 + threadIdx.x / warp;
  if (j >= count) return;
  const int lane = lane_number();
  const float* const mine = anchors + j * dim;
  unsigned hash = static_cast<unsigned>(lane);
  for (int64_t d = lane; d < dim; d += warp) {
    hash = (hash ^ __float_as_uint(mine[d] + 0.0f)) * 0x9E3779B1u;  // of either zero the same
    hash ^= hash >> 15;
  }
  for (int bit = warp / 2; bit > 0; bit /= 2) hash ^= __shfl_xor_sync(all_lanes, hash, bit);
  int64_t at = hash & (table.places - 1);
  for (;; at = (at + 1) & (table.places - 1)) {
    int32_t held = -1;
    if (lane == 0) held = atomicCAS(table.first + at, -1, static_cast<int32_t>(j));
    held = __shfl_sync(all_lanes, held, 0);
    if (held < 0) break;
    bool equal = true;
    for (int64_t d = lane; d < dim; d += warp) equal &= mine[d] == anchors[held * dim + d];
    if (!__all_sync(all_lanes, equal)) continue;
    if (lane == 0) atomicMin(table.first + at, static_cast<int32_t>(j));
    break;
  }
  if (lane == 0) table.place_of[j] = static_cast<int32_t>(at);
}

// The mean of 32 coordinates is the work of a block: 32 threads share the anchors of each.
static __global__ void __launch_bounds__(1024)
    average_anchors(const float* anchors, AnchorPanels panels, float* centre) {
  __shared__ double part[warp][warp + 1];
  const int lane = lane_number(), row = static_cast<int>(threadIdx.x) / warp;
  const int64_t d = int64_t{blockIdx.x} * warp + lane;
  double sum = 0;
  for (int64_t j = row; d < panels.dim && j < panels.count; j += warp)
    sum += static_cast<double>(anchors[j * panels.dim + d]);
  part[row][lane] = sum;
  __syncthreads();
  if (row > 0 || d >= panels.stride) return;
  for (int other = 1; other < warp; ++other) sum += part[other][lane];
  centre[d] = static_cast<float>(sum / static_cast<double>(panels.count));
}

// An anchor is the work of a warp.
static __global__ void __launch_bounds__(128)
    pack_anchors(const float* anchors, AnchorPanels panels, AnchorTable table, float* values,
                 float* offsets, unsigned* longest_bits) {
  const int64_t j = int64_t{blockIdx.x} * 4 + threadIdx.x / warp;
  if (j >= panels.places) return;
  const int lane = lane_number();
  double length = 0;
  for (int64_t d = lane; d < panels.stride; d += warp) {
    const bool real = j < panels.count && d < panels.dim;
    const float value = real ? anchors[j * panels.dim + d] - panels.centre[d] : 0;
    values[j * panels.stride + d] = -2 * value;
    length += static_cast<double>(value) * static_cast<double>(value);
  }
  for (int bit = warp / 2; bit > 0; bit /= 2) length += __shfl_xor_sync(all_lanes, length, bit);
  if (lane > 0) return;
  const bool counts = j < panels.count && table.first[table.place_of[j]] == j;
  const auto squared = static_cast<float>(length);
  offsets[j] = counts ? squared : infinity<float>;
  // Not negative: the bits have the order of the values.
  if (counts) atomicMax(longest_bits, __float_as_uint(squared));
}

// The panels with their memory.
struct PackedAnchors : AnchorPanels {
  Memory<float> memory;

  PackedAnchors(const Device& device, const Clouds<float>& anchors)
      : AnchorPanels{anchors.size, anchors.dim, pieces(anchors.size, width) * width,
                     pieces(anchors.dim, slice) * slice},
        memory(anchors.points_tensor, places * stride + stride + places + 1) {
    float* const values_out = memory.data;  // first, for its rows are read by 16 bytes
    float* const centre_out = values_out + places * stride;
    float* const offsets_out = centre_out + stride;
    float* const longest_out = offsets_out + places;
    values = values_out;
    centre = centre_out;
    offsets = offsets_out;
    longest = longest_out;
    int64_t table_places = 2;
    while (table_places < 2 * count) table_places *= 2;
    const Memory<int32_t> table_memory(anchors.points_tensor, table_places + count);
    const AnchorTable table{table_places, table_memory.data, table_memory.data + table_places};
    device.fill(table.first, 0xFF, table_places * static_cast<int64_t>(sizeof(int32_t)));
    device.fill(longest_out, 0, sizeof(float));
    device.launch(find_equal_anchors, pieces(count, 4), 128, anchors.data, count, dim, table);
    device.launch(average_anchors, pieces(stride, warp), warp * warp, anchors.data, view(),
                  centre_out);
    device.launch(pack_anchors, pieces(places, 4), 128, anchors.data, view(), table, values_out,
                  offsets_out, reinterpret_cast<unsigned*>(longest_out));
  }

  const AnchorPanels& view() const { return *this; }
};

}  // namespace nvc3d
