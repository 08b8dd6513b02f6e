// The kernels for AVX2 and FMA.
#define NVC3D_ISA avx2
#include "variant.inl"

namespace nvc3d {

static bool supported() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

const Variant& avx2_variant() {
  static constexpr Variant variant{"avx2", &supported, avx2::table<float>, avx2::table<double>};
  return variant;
}

}  // namespace nvc3d
