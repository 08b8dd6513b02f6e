// The variant of the kernels that this process uses.
#pragma once

#include <cstddef>

#include "../core/kernels.h"

#define NVC3D_EXPORT __attribute__((visibility("default")))

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

// The variants that this machine runs, best first, and null after the last: tests call each.
extern "C" NVC3D_EXPORT const nvc3d::Variant* nvc3d_variant(size_t rank);
