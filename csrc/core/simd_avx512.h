// Vec, Mask and Ints on AVX-512: a float Vec is one register, a double Vec two.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// Before version 13 gcc takes the intrinsics' own undefined values for mistakes.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

namespace nvc3d::NVC3D_ISA {

// Rows of a brute-force tile: as many sums as the registers hold. Divides 16.
template <class T>
constexpr int tile_rows = 8;

template <class T>
struct Mask {
  __mmask16 m;
  static NVC3D_INLINE Mask from_bits(uint32_t bits) { return {static_cast<__mmask16>(bits)}; }
  NVC3D_INLINE uint32_t bits() const { return m; }
  NVC3D_INLINE bool any() const { return m != 0; }
};
template <class T>
NVC3D_INLINE Mask<T> operator&(Mask<T> a, Mask<T> b) {
  return {static_cast<__mmask16>(a.m & b.m)};
}
template <class T>
NVC3D_INLINE Mask<T> operator|(Mask<T> a, Mask<T> b) {
  return {static_cast<__mmask16>(a.m | b.m)};
}

template <class T>
struct Vec;

template <>
struct Vec<float> {
  __m512 v;
  static NVC3D_INLINE Vec all(float value) { return {_mm512_set1_ps(value)}; }
  static NVC3D_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  NVC3D_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
};
using Floats = Vec<float>;
NVC3D_INLINE Floats operator+(Floats a, Floats b) { return {_mm512_add_ps(a.v, b.v)}; }
NVC3D_INLINE Floats operator-(Floats a, Floats b) { return {_mm512_sub_ps(a.v, b.v)}; }
NVC3D_INLINE Floats operator*(Floats a, Floats b) { return {_mm512_mul_ps(a.v, b.v)}; }
NVC3D_INLINE Floats fma(Floats a, Floats b, Floats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
NVC3D_INLINE Floats min(Floats a, Floats b) { return {_mm512_min_ps(a.v, b.v)}; }
NVC3D_INLINE Floats max(Floats a, Floats b) { return {_mm512_max_ps(a.v, b.v)}; }
NVC3D_INLINE Floats abs(Floats a) { return {_mm512_abs_ps(a.v)}; }
NVC3D_INLINE Floats sqrt(Floats a) { return {_mm512_sqrt_ps(a.v)}; }
NVC3D_INLINE Mask<float> operator<(Floats a, Floats b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)};
}
NVC3D_INLINE Mask<float> operator<=(Floats a, Floats b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)};
}
NVC3D_INLINE Mask<float> operator==(Floats a, Floats b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)};
}
NVC3D_INLINE Floats select(Mask<float> m, Floats yes, Floats no) {
  return {_mm512_mask_mov_ps(no.v, m.m, yes.v)};
}
NVC3D_INLINE float reduce_min(Floats a) { return _mm512_reduce_min_ps(a.v); }
NVC3D_INLINE float reduce_max(Floats a) { return _mm512_reduce_max_ps(a.v); }

template <>
struct Vec<double> {
  __m512d lo, hi;
  static NVC3D_INLINE Vec all(double value) {
    return {_mm512_set1_pd(value), _mm512_set1_pd(value)};
  }
  static NVC3D_INLINE Vec load(const double* p) {
    return {_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)};
  }
  NVC3D_INLINE void store(double* p) const {
    _mm512_storeu_pd(p, lo);
    _mm512_storeu_pd(p + 8, hi);
  }
};
using Doubles = Vec<double>;
NVC3D_INLINE Mask<double> join(__mmask8 lo, __mmask8 hi) {
  return {static_cast<__mmask16>(lo | hi << 8)};
}
NVC3D_INLINE Doubles operator+(Doubles a, Doubles b) {
  return {_mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi)};
}
NVC3D_INLINE Doubles operator-(Doubles a, Doubles b) {
  return {_mm512_sub_pd(a.lo, b.lo), _mm512_sub_pd(a.hi, b.hi)};
}
NVC3D_INLINE Doubles operator*(Doubles a, Doubles b) {
  return {_mm512_mul_pd(a.lo, b.lo), _mm512_mul_pd(a.hi, b.hi)};
}
NVC3D_INLINE Doubles fma(Doubles a, Doubles b, Doubles c) {
  return {_mm512_fmadd_pd(a.lo, b.lo, c.lo), _mm512_fmadd_pd(a.hi, b.hi, c.hi)};
}
NVC3D_INLINE Doubles min(Doubles a, Doubles b) {
  return {_mm512_min_pd(a.lo, b.lo), _mm512_min_pd(a.hi, b.hi)};
}
NVC3D_INLINE Doubles max(Doubles a, Doubles b) {
  return {_mm512_max_pd(a.lo, b.lo), _mm512_max_pd(a.hi, b.hi)};
}
NVC3D_INLINE Doubles abs(Doubles a) { return {_mm512_abs_pd(a.lo), _mm512_abs_pd(a.hi)}; }
NVC3D_INLINE Doubles sqrt(Doubles a) { return {_mm512_sqrt_pd(a.lo), _mm512_sqrt_pd(a.hi)}; }
NVC3D_INLINE Mask<double> operator<(Doubles a, Doubles b) {
  return join(_mm512_cmp_pd_mask(a.lo, b.lo, _CMP_LT_OQ),
              _mm512_cmp_pd_mask(a.hi, b.hi, _CMP_LT_OQ));
}
NVC3D_INLINE Mask<double> operator<=(Doubles a, Doubles b) {
  return join(_mm512_cmp_pd_mask(a.lo, b.lo, _CMP_LE_OQ),
              _mm512_cmp_pd_mask(a.hi, b.hi, _CMP_LE_OQ));
}
NVC3D_INLINE Mask<double> operator==(Doubles a, Doubles b) {
  return join(_mm512_cmp_pd_mask(a.lo, b.lo, _CMP_EQ_OQ),
              _mm512_cmp_pd_mask(a.hi, b.hi, _CMP_EQ_OQ));
}
NVC3D_INLINE Doubles select(Mask<double> m, Doubles yes, Doubles no) {
  return {_mm512_mask_mov_pd(no.lo, static_cast<__mmask8>(m.m), yes.lo),
          _mm512_mask_mov_pd(no.hi, static_cast<__mmask8>(m.m >> 8), yes.hi)};
}
NVC3D_INLINE double reduce_min(Doubles a) {
  return _mm512_reduce_min_pd(_mm512_min_pd(a.lo, a.hi));
}
NVC3D_INLINE double reduce_max(Doubles a) {
  return _mm512_reduce_max_pd(_mm512_max_pd(a.lo, a.hi));
}

// Row i of 16 becomes lane i of all. Neighbours are interleaved by ones, then by twos; two rounds
// of quarter registers finish it.
NVC3D_INLINE void transpose(Floats (&row)[lanes]) {
  __m512 pair[lanes], four[lanes];
  NVC3D_UNROLL
  for (int i = 0; i < lanes; i += 2) {
    pair[i] = _mm512_unpacklo_ps(row[i].v, row[i + 1].v);
    pair[i + 1] = _mm512_unpackhi_ps(row[i].v, row[i + 1].v);
  }
  const auto low = [](__m512 a, __m512 b)
                       __attribute__((always_inline)) { return _mm512_shuffle_ps(a, b, 0x44); };
  const auto high = [](__m512 a, __m512 b)
                        __attribute__((always_inline)) { return _mm512_shuffle_ps(a, b, 0xEE); };
  NVC3D_UNROLL
  for (int i = 0; i < lanes; i += 4) {
    four[i] = low(pair[i], pair[i + 2]);
    four[i + 1] = high(pair[i], pair[i + 2]);
    four[i + 2] = low(pair[i + 1], pair[i + 3]);
    four[i + 3] = high(pair[i + 1], pair[i + 3]);
  }
  NVC3D_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512 even = _mm512_shuffle_f32x4(four[i], four[4 + i], 0x88);
    const __m512 odd = _mm512_shuffle_f32x4(four[i], four[4 + i], 0xDD);
    const __m512 more_even = _mm512_shuffle_f32x4(four[8 + i], four[12 + i], 0x88);
    const __m512 more_odd = _mm512_shuffle_f32x4(four[8 + i], four[12 + i], 0xDD);
    row[i].v = _mm512_shuffle_f32x4(even, more_even, 0x88);
    row[4 + i].v = _mm512_shuffle_f32x4(odd, more_odd, 0x88);
    row[8 + i].v = _mm512_shuffle_f32x4(even, more_even, 0xDD);
    row[12 + i].v = _mm512_shuffle_f32x4(odd, more_odd, 0xDD);
  }
}

struct Ints {
  __m512i v;
  static NVC3D_INLINE Ints all(int32_t value) { return {_mm512_set1_epi32(value)}; }
  static NVC3D_INLINE Ints load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
  NVC3D_INLINE void store(int32_t* p) const { _mm512_storeu_si512(p, v); }
};
NVC3D_INLINE Ints operator+(Ints a, Ints b) { return {_mm512_add_epi32(a.v, b.v)}; }
NVC3D_INLINE Ints operator&(Ints a, Ints b) { return {_mm512_and_si512(a.v, b.v)}; }
NVC3D_INLINE Ints operator|(Ints a, Ints b) { return {_mm512_or_si512(a.v, b.v)}; }
NVC3D_INLINE Ints operator^(Ints a, Ints b) { return {_mm512_xor_si512(a.v, b.v)}; }
NVC3D_INLINE Ints operator<<(Ints a, int n) { return {_mm512_slli_epi32(a.v, n)}; }
NVC3D_INLINE Ints operator>>(Ints a, int n) { return {_mm512_srai_epi32(a.v, n)}; }
template <class T>
NVC3D_INLINE Mask<T> less(Ints a, Ints b) {
  return {_mm512_cmplt_epi32_mask(a.v, b.v)};
}
template <class T>
NVC3D_INLINE Ints select(Mask<T> m, Ints yes, Ints no) {
  return {_mm512_mask_mov_epi32(no.v, m.m, yes.v)};
}
// a + 1 where m is set.
template <class T>
NVC3D_INLINE Ints increment(Mask<T> m, Ints a) {
  return {_mm512_mask_add_epi32(a.v, m.m, a.v, _mm512_set1_epi32(1))};
}
NVC3D_INLINE int32_t reduce_min(Ints a) { return _mm512_reduce_min_epi32(a.v); }
NVC3D_INLINE int32_t reduce_max(Ints a) { return _mm512_reduce_max_epi32(a.v); }

// Towards zero; values must lie within int32.
NVC3D_INLINE Ints truncate(Floats a) { return {_mm512_cvttps_epi32(a.v)}; }
NVC3D_INLINE Ints truncate(Doubles a) {
  return {_mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvttpd_epi32(a.lo)),
                             _mm512_cvttpd_epi32(a.hi), 1)};
}

// Lane i with i + 8, then i + 4, i + 2, i + 1: the order of every variant.
NVC3D_INLINE float reduce_add(Floats a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
NVC3D_INLINE double reduce_add(Doubles a) {
  const __m512d eight = _mm512_add_pd(a.lo, a.hi);
  const __m256d four =
      _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

// Writes first + i for each lane i that is set, in order, and returns how many there are. All 16
// places may be written.
template <class T>
NVC3D_INLINE int append_lanes(Mask<T> m, int32_t first, int32_t* to) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i number = _mm512_add_epi32(_mm512_set1_epi32(first), lane);
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(m.m, number));
  return count_bits(m.m);
}

// The lanes of v that m names, one after the other; writes 16 in all, the rest without meaning.
NVC3D_INLINE void store_chosen(Mask<float> m, Floats v, float* to) {
  _mm512_storeu_ps(to, _mm512_maskz_compress_ps(m.m, v.v));
}
NVC3D_INLINE void store_chosen(Mask<double> m, Doubles v, double* to) {
  const auto lo = static_cast<__mmask8>(m.m), hi = static_cast<__mmask8>(m.m >> 8);
  _mm512_storeu_pd(to, _mm512_maskz_compress_pd(lo, v.lo));
  _mm512_storeu_pd(to + count_bits(lo), _mm512_maskz_compress_pd(hi, v.hi));
}
template <class T>
NVC3D_INLINE void store_chosen(Mask<T> m, Ints v, int32_t* to) {
  _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(m.m, v.v));
}

}  // namespace nvc3d::NVC3D_ISA
