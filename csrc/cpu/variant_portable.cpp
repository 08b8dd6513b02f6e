// The kernels for no particular instruction set.
#define NVC3D_ISA portable
#include "variant.inl"

namespace nvc3d {

static bool supported() { return true; }

const Variant& portable_variant() {
  static constexpr Variant variant{"portable", &supported, portable::table<float>,
                                   portable::table<double>};
  return variant;
}

}  // namespace nvc3d
