// One product of small matrices on the tensor cores.
#pragma once

#include "warp.cuh"

namespace nvc3d {

#if NVC3D_BEFORE_SM80
// As below, where a lane's values are a, b and sum: lanes hand each other what they hold. Products
// of such values are exact, and at most five roundings lie between one and the sum: fewer than on
// the tensor cores. A call, as 32 exchanges in every place that needs them take minutes to compile.
static __device__ __noinline__ float4 multiply_add_by_lanes(float4 sum, float4 a, float2 b) {
  const int g = lane_number() / 4, t = lane_number() % 4;
  float4 half[2];
#pragma unroll
  for (int part = 0; part < 2; ++part) {
    const float upper = part ? a.z : a.x, lower = part ? a.w : a.y, column = part ? b.y : b.x;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float of_g = __shfl_sync(all_lanes, upper, 4 * g + k);
      const float of_g_8 = __shfl_sync(all_lanes, lower, 4 * g + k);
      const float left = __shfl_sync(all_lanes, column, 8 * t + k);
      const float right = __shfl_sync(all_lanes, column, 8 * t + 4 + k);
      float4& to = half[part];
      to.x = k > 0 ? to.x + of_g * left : of_g * left;
      to.y = k > 0 ? to.y + of_g * right : of_g * right;
      to.z = k > 0 ? to.z + of_g_8 * left : of_g_8 * left;
      to.w = k > 0 ? to.w + of_g_8 * right : of_g_8 * right;
    }
  }
  return {sum.x + (half[0].x + half[1].x), sum.y + (half[0].y + half[1].y),
          sum.z + (half[0].z + half[1].z), sum.w + (half[0].w + half[1].w)};
}
#endif

// sum (16 x 8) += a (16 x 8) b (8 x 8), by a warp, on values that to_tf32 has rounded. With
// g = lane / 4 and t = lane % 4, a lane holds
//   a: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4)
//   b: (t, g), (t + 4, g)
//   sum: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1)
inline __device__ void multiply_add(float (&sum)[4], const float (&a)[4], const float (&b)[2]) {
#if NVC3D_BEFORE_SM80
  const float4 result = multiply_add_by_lanes({sum[0], sum[1], sum[2], sum[3]},
                                              {a[0], a[1], a[2], a[3]}, {b[0], b[1]});
  sum[0] = result.x;
  sum[1] = result.y;
  sum[2] = result.z;
  sum[3] = result.w;
#elif defined(__CUDACC__)
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])), "r"(__float_as_uint(a[2])),
        "r"(__float_as_uint(a[3])), "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));
#else
  emulation::multiply_add(sum, a, b);
#endif
}

}  // namespace nvc3d
