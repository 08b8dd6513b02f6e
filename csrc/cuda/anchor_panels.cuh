// Anchors laid out for the tensor cores, as core/anchor_panels.h lays them out for
// vectors: moved by their mean, scaled by -2, and each value split in two.
#pragma once

#include "clouds.cuh"
#include "warp.cuh"

namespace nvc3d {

// The nearest value with the 11 significant bits that tensor cores read. Ties go away from zero.
inline __device__ float to_tf32(float value) {
  return __uint_as_float((__float_as_uint(value) + 0x1000u) & ~0x1FFFu);
}

struct AnchorPanels {
  static constexpr int width = 64;  // anchors
  static constexpr int slice = 32;  // coordinates

  int64_t count, dim;
  int64_t places;        // anchors, filled up to whole panels
  int64_t stride;        // coordinates, filled up to whole slices with zeros
  const float* centre;   // (stride,) the anchors' mean
  const float* high;     // (places, stride) -2 (anchor - centre), as a tensor core reads it
  const float* low;      // (places, stride) what that leaves out
  const float* offsets;  // (places,) squared length; infinite past the last anchor
  const float* longest;  // (1,) the largest of them
};

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
  if (row > 0) return;
  for (int other = 1; other < warp; ++other) sum += part[other][lane];
  centre[d] = static_cast<float>(sum / static_cast<double>(panels.count));
}

// An anchor is the work of a warp.
static __global__ void __launch_bounds__(128)
    pack_anchors(const float* anchors, AnchorPanels panels, float* high, float* low, float* offsets,
                 unsigned* longest_bits) {
  const int64_t j = int64_t{blockIdx.x} * 4 + threadIdx.x / warp;
  if (j >= panels.places) return;
  const int lane = lane_number();
  double length = 0;
  for (int64_t d = lane; d < panels.stride; d += warp) {
    const bool real = j < panels.count && d < panels.dim;
    const float value = real ? anchors[j * panels.dim + d] - panels.centre[d] : 0;
    const float scaled = -2 * value, first = to_tf32(scaled);
    high[j * panels.stride + d] = first;
    low[j * panels.stride + d] = to_tf32(scaled - first);
    length += static_cast<double>(value) * static_cast<double>(value);
  }
  for (int bit = warp / 2; bit > 0; bit /= 2) length += __shfl_xor_sync(all_lanes, length, bit);
  if (lane > 0) return;
  const auto squared = static_cast<float>(length);
  offsets[j] = j < panels.count ? squared : infinity<float>;
  // Not negative: the bits have the order of the values.
  if (j < panels.count) atomicMax(longest_bits, __float_as_uint(squared));
}

// The panels with their memory.
struct PackedAnchors : AnchorPanels {
  Memory<float> memory;

  PackedAnchors(const Device& device, const Clouds<float>& anchors)
      : AnchorPanels{anchors.size, anchors.dim, pieces(anchors.size, width) * width,
                     pieces(anchors.dim, slice) * slice},
        memory(anchors.points_tensor, 1 + stride + places + 2 * places * stride) {
    float* const longest_out = memory.data;
    float* const centre_out = longest_out + 1;
    float* const offsets_out = centre_out + stride;
    float* const high_out = offsets_out + places;
    float* const low_out = high_out + places * stride;
    longest = longest_out;
    centre = centre_out;
    offsets = offsets_out;
    high = high_out;
    low = low_out;
    device.fill(longest_out, 0, sizeof(float));
    device.launch(average_anchors, stride / warp, warp * warp, anchors.data, view(), centre_out);
    device.launch(pack_anchors, pieces(places, 4), 128, anchors.data, view(), high_out, low_out,
                  offsets_out, reinterpret_cast<unsigned*>(longest_out));
  }

  const AnchorPanels& view() const { return *this; }
};

}  // namespace nvc3d
