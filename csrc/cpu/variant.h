// The variant of the kernels that this process uses.
#pragma once

#include "../core/kernels.h"

namespace nvc3d {

// The best that this machine runs, or the one that the variable NVC3D_ISA names. Throws
// std::invalid_argument where the machine cannot run it.
const Variant& active();

template <class T>
const Kernels<T>& kernels();
template <>
inline const Kernels<float>& kernels() {
  return active().f32;
}
template <>
inline const Kernels<double>& kernels() {
  return active().f64;
}

}  // namespace nvc3d
