// Vec, Mask and Ints as plain arrays, for every processor and compiler. Loops of known length
// without branches: compilers turn them into whatever vectors the machine has.
#pragma once

#include <math.h>

namespace nvc3d::NVC3D_ISA {

// Rows of a brute-force tile: as many sums as the registers hold. Divides 16.
template <class T>
constexpr int tile_rows = 4;

template <size_t Bytes>
struct SignedOfSize;
template <>
struct SignedOfSize<4> {
  using type = int32_t;
};
template <>
struct SignedOfSize<8> {
  using type = int64_t;
};

// A lane is as wide as T, 0 or -1: what vector comparisons give.
template <class T>
struct Mask {
  using Lane = typename SignedOfSize<sizeof(T)>::type;
  Lane lane[lanes];
  static NVC3D_INLINE Mask from_bits(uint32_t bits) {
    Mask mask;
    for (int i = 0; i < lanes; ++i) mask.lane[i] = -static_cast<Lane>(bits >> i & 1);
    return mask;
  }
  NVC3D_INLINE uint32_t bits() const {
    uint32_t bits = 0;
    for (int i = 0; i < lanes; ++i) bits |= static_cast<uint32_t>(lane[i] & 1) << i;
    return bits;
  }
  NVC3D_INLINE bool any() const {
    Lane some = 0;
    for (int i = 0; i < lanes; ++i) some |= lane[i];
    return some != 0;
  }
};

template <class T>
struct Vec {
  T lane[lanes];
  static NVC3D_INLINE Vec all(T value) {
    Vec vec;
    for (int i = 0; i < lanes; ++i) vec.lane[i] = value;
    return vec;
  }
  static NVC3D_INLINE Vec load(const T* p) {
    Vec vec;
    for (int i = 0; i < lanes; ++i) vec.lane[i] = p[i];
    return vec;
  }
  NVC3D_INLINE void store(T* p) const {
    for (int i = 0; i < lanes; ++i) p[i] = lane[i];
  }
};

struct Ints {
  int32_t lane[lanes];
  static NVC3D_INLINE Ints all(int32_t value) {
    Ints ints;
    for (int i = 0; i < lanes; ++i) ints.lane[i] = value;
    return ints;
  }
  static NVC3D_INLINE Ints load(const int32_t* p) {
    Ints ints;
    for (int i = 0; i < lanes; ++i) ints.lane[i] = p[i];
    return ints;
  }
  NVC3D_INLINE void store(int32_t* p) const {
    for (int i = 0; i < lanes; ++i) p[i] = lane[i];
  }
};

// std::fma with T = float or double may be an inline function of its own; these never are.
NVC3D_INLINE float fused(float a, float b, float c) { return ::fmaf(a, b, c); }
NVC3D_INLINE double fused(double a, double b, double c) { return ::fma(a, b, c); }
NVC3D_INLINE float magnitude(float a) { return ::fabsf(a); }
NVC3D_INLINE double magnitude(double a) { return ::fabs(a); }
NVC3D_INLINE float square_root(float a) { return ::sqrtf(a); }
NVC3D_INLINE double square_root(double a) { return ::sqrt(a); }

// One lane-wise function: `Result` of the operands named in `parameters`.
#define NVC3D_LANEWISE(signature, Result, expression)              \
  signature {                                                      \
    Result result;                                                 \
    for (int i = 0; i < lanes; ++i) result.lane[i] = (expression); \
    return result;                                                 \
  }
#define NVC3D_T      \
  template <class T> \
  NVC3D_INLINE

NVC3D_LANEWISE(NVC3D_T Mask<T> operator&(Mask<T> a, Mask<T> b), Mask<T>, a.lane[i] & b.lane[i])
NVC3D_LANEWISE(NVC3D_T Mask<T> operator|(Mask<T> a, Mask<T> b), Mask<T>, a.lane[i] | b.lane[i])

NVC3D_LANEWISE(NVC3D_T Vec<T> operator+(Vec<T> a, Vec<T> b), Vec<T>, a.lane[i] + b.lane[i])
NVC3D_LANEWISE(NVC3D_T Vec<T> operator-(Vec<T> a, Vec<T> b), Vec<T>, a.lane[i] - b.lane[i])
NVC3D_LANEWISE(NVC3D_T Vec<T> operator*(Vec<T> a, Vec<T> b), Vec<T>, a.lane[i] * b.lane[i])
NVC3D_LANEWISE(NVC3D_T Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c), Vec<T>,
               fused(a.lane[i], b.lane[i], c.lane[i]))
// Of a NaN and a number, both give the second operand, as the x86 instructions do.
NVC3D_LANEWISE(NVC3D_T Vec<T> min(Vec<T> a, Vec<T> b), Vec<T>,
               a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i])
NVC3D_LANEWISE(NVC3D_T Vec<T> max(Vec<T> a, Vec<T> b), Vec<T>,
               a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i])
NVC3D_LANEWISE(NVC3D_T Vec<T> abs(Vec<T> a), Vec<T>, magnitude(a.lane[i]))
NVC3D_LANEWISE(NVC3D_T Vec<T> sqrt(Vec<T> a), Vec<T>, square_root(a.lane[i]))
NVC3D_LANEWISE(NVC3D_T Mask<T> operator<(Vec<T> a, Vec<T> b), Mask<T>,
               a.lane[i] < b.lane[i] ? -1 : 0)
NVC3D_LANEWISE(NVC3D_T Mask<T> operator<=(Vec<T> a, Vec<T> b), Mask<T>,
               a.lane[i] <= b.lane[i] ? -1 : 0)
NVC3D_LANEWISE(NVC3D_T Mask<T> operator==(Vec<T> a, Vec<T> b), Mask<T>,
               a.lane[i] == b.lane[i] ? -1 : 0)
NVC3D_LANEWISE(NVC3D_T Vec<T> select(Mask<T> m, Vec<T> yes, Vec<T> no), Vec<T>,
               m.lane[i] ? yes.lane[i] : no.lane[i])

NVC3D_LANEWISE(NVC3D_INLINE Ints operator+(Ints a, Ints b), Ints, a.lane[i] + b.lane[i])
NVC3D_LANEWISE(NVC3D_INLINE Ints operator&(Ints a, Ints b), Ints, a.lane[i] & b.lane[i])
NVC3D_LANEWISE(NVC3D_INLINE Ints operator|(Ints a, Ints b), Ints, a.lane[i] | b.lane[i])
NVC3D_LANEWISE(NVC3D_INLINE Ints operator^(Ints a, Ints b), Ints, a.lane[i] ^ b.lane[i])
NVC3D_LANEWISE(NVC3D_INLINE Ints operator<<(Ints a, int n), Ints,
               static_cast<int32_t>(static_cast<uint32_t>(a.lane[i]) << n))
NVC3D_LANEWISE(NVC3D_INLINE Ints operator>>(Ints a, int n), Ints, a.lane[i] >> n)
NVC3D_LANEWISE(NVC3D_T Mask<T> less(Ints a, Ints b), Mask<T>, a.lane[i] < b.lane[i] ? -1 : 0)
NVC3D_LANEWISE(NVC3D_T Ints select(Mask<T> m, Ints yes, Ints no), Ints,
               m.lane[i] ? yes.lane[i] : no.lane[i])
// a + 1 where m is set.
NVC3D_LANEWISE(NVC3D_T Ints increment(Mask<T> m, Ints a), Ints,
               a.lane[i] - static_cast<int32_t>(m.lane[i]))
// Towards zero; values must lie within int32.
NVC3D_LANEWISE(NVC3D_T Ints truncate(Vec<T> a), Ints, static_cast<int32_t>(a.lane[i]))

#undef NVC3D_T
#undef NVC3D_LANEWISE

template <class V, class Better>
NVC3D_INLINE auto reduce(V a, Better better) {
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      a.lane[i] = better(a.lane[i], a.lane[i + half]) ? a.lane[i] : a.lane[i + half];
    }
  }
  return a.lane[0];
}
template <class V>
NVC3D_INLINE auto reduce_min(V a) {
  return reduce(a, [](auto x, auto y) { return x < y; });
}
template <class V>
NVC3D_INLINE auto reduce_max(V a) {
  return reduce(a, [](auto x, auto y) { return x > y; });
}

// Lane i with i + 8, then i + 4, i + 2, i + 1: the order of every variant.
template <class T>
NVC3D_INLINE T reduce_add(Vec<T> a) {
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) a.lane[i] += a.lane[i + half];
  }
  return a.lane[0];
}

}  // namespace nvc3d::NVC3D_ISA

#include "simd_by_lane.h"
