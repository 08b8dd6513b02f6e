// The kernels for AVX-512 (F, DQ, BW, VL).
#define NVC3D_ISA avx512
#include "variant.inl"

namespace nvc3d {

static bool supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

const Variant& avx512_variant() {
  static constexpr Variant variant{"avx512", &supported, avx512::table<float>,
                                   avx512::table<double>};
  return variant;
}

}  // namespace nvc3d
