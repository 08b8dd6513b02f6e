// Sixteen numbers at a time, the same on every machine.
//
// A file that includes this is compiled once per instruction set, with NVC3D_ISA defined as the
// name of one; everything that depends on it lives in namespace nvc3d::NVC3D_ISA, so that all
// copies link into one library. A Vec has 16 lanes whatever the width of the registers: every
// variant then walks the same algorithm. Nothing here rounds differently from one variant to the
// other: fma is always fused, and there is no fast-math.
//
//   Vec<T>    16 of T (float or double)
//   Ints      16 int32
//   Mask<T>   16 truths, as comparisons of Vec<T> give them
//
// No function or class template of the standard library may be used below this header where it
// could be emitted as code of its own (see scratch.h): hence least, most and exchange.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#ifndef NVC3D_ISA
#error "define NVC3D_ISA as avx512, avx2 or portable"
#endif

#define NVC3D_JOIN(a, b) a##b
#define NVC3D_SELECT(isa) NVC3D_JOIN(NVC3D_IS_, isa)
#define NVC3D_IS_avx512 2
#define NVC3D_IS_avx2 1
#define NVC3D_IS_portable 0
// Keeps arrays of Vec in registers: the loops over them must be unrolled whole. The portable Vec is
// an array itself, which the compiler had better see as a loop.
#if NVC3D_SELECT(NVC3D_ISA) == 0
#define NVC3D_UNROLL
#elif defined(__clang__)
#define NVC3D_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NVC3D_UNROLL _Pragma("GCC unroll 32")
#endif

// For small functions whose arguments must stay in registers.
#if defined(__GNUC__)
#define NVC3D_INLINE inline __attribute__((always_inline))
#else
#define NVC3D_INLINE inline
#endif

namespace nvc3d::NVC3D_ISA {

constexpr int lanes = 16;

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
constexpr int32_t no_index = std::numeric_limits<int32_t>::max();  // above every real one

template <class T>
NVC3D_INLINE T least(T a, T b) {
  return a < b ? a : b;
}
template <class T>
NVC3D_INLINE T most(T a, T b) {
  return a > b ? a : b;
}
template <class T>
NVC3D_INLINE void exchange(T& a, T& b) {
  T old = static_cast<T&&>(a);
  a = static_cast<T&&>(b);
  b = static_cast<T&&>(old);
}
template <class T>
NVC3D_INLINE T round_up(T count, T multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// Position of the lowest bit that is set; bits must not be 0.
NVC3D_INLINE int lowest_bit(uint32_t bits) {
#if defined(__GNUC__)
  return __builtin_ctz(bits);
#else
  int position = 0;
  while (!(bits & 1)) bits >>= 1, ++position;
  return position;
#endif
}
NVC3D_INLINE int count_bits(uint32_t bits) {
#if defined(__GNUC__)
  return __builtin_popcount(bits);
#else
  int count = 0;
  for (; bits; bits &= bits - 1) ++count;
  return count;
#endif
}

}  // namespace nvc3d::NVC3D_ISA

#if NVC3D_SELECT(NVC3D_ISA) == 2
#include "simd_avx512.h"
#elif NVC3D_SELECT(NVC3D_ISA) == 1
#include "simd_avx2.h"
#else
#include "simd_portable.h"
#endif

namespace nvc3d::NVC3D_ISA {

// Row i of 16 becomes lane i of all: by way of memory, where the instruction set's own header has
// nothing better.
template <class T>
NVC3D_INLINE void transpose(Vec<T> (&row)[lanes]) {
  T by_row[lanes][lanes], by_column[lanes][lanes];
  for (int i = 0; i < lanes; ++i) row[i].store(by_row[i]);
  for (int i = 0; i < lanes; ++i) {
    for (int j = 0; j < lanes; ++j) by_column[j][i] = by_row[i][j];
  }
  for (int i = 0; i < lanes; ++i) row[i] = Vec<T>::load(by_column[i]);
}

}  // namespace nvc3d::NVC3D_ISA
