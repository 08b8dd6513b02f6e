// What the 32 threads of a warp find out together. All lanes must take part.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace nvc3d {

constexpr int warp = 32;
constexpr unsigned all_lanes = 0xFFFFFFFF;
constexpr int32_t no_index = std::numeric_limits<int32_t>::max();  // above every real one

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

// GPUs before sm_80 reduce no integers in one instruction, nor have they tensor cores for floats.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#define NVC3D_BEFORE_SM80 1
#else
#define NVC3D_BEFORE_SM80 0
#endif

inline __device__ int lane_number() { return static_cast<int>(threadIdx.x) % warp; }

// The least and the largest of any values; NaN is passed over.
template <class T>
__device__ T warp_least(T value) {
  for (int bit = warp / 2; bit > 0; bit /= 2)
    value = fmin(value, __shfl_xor_sync(all_lanes, value, bit));
  return value;
}
template <class T>
__device__ T warp_largest(T value) {
  for (int bit = warp / 2; bit > 0; bit /= 2)
    value = fmax(value, __shfl_xor_sync(all_lanes, value, bit));
  return value;
}

// The same for integers.
#if NVC3D_BEFORE_SM80
inline __device__ int32_t warp_least(int32_t value) {
  for (int bit = warp / 2; bit > 0; bit /= 2) {
    const int32_t other = __shfl_xor_sync(all_lanes, value, bit);
    value = other < value ? other : value;
  }
  return value;
}
inline __device__ int32_t warp_largest(int32_t value) { return ~warp_least(~value); }
#else
inline __device__ int32_t warp_least(int32_t value) { return __reduce_min_sync(all_lanes, value); }
inline __device__ int32_t warp_largest(int32_t value) {
  return __reduce_max_sync(all_lanes, value);
}
#endif

// The same for distances, which are not negative but for -1, "none", and not NaN: as integers, the
// bits of such floats have the order of their values, and for integers the hardware is fast.
inline __device__ float least_distance(float value) {
  return __int_as_float(warp_least(__float_as_int(value)));
}
inline __device__ float largest_distance(float value) {
  return __int_as_float(warp_largest(__float_as_int(value)));
}
inline __device__ double least_distance(double value) { return warp_least(value); }
inline __device__ double largest_distance(double value) { return warp_largest(value); }

// The largest distance in the warp and the lowest index that has it.
template <class T>
__device__ void warp_farthest(T& distance, int32_t& index) {
  const T largest = largest_distance(distance);
  index = warp_least(distance == largest ? index : no_index);
  distance = largest;
}

}  // namespace nvc3d
