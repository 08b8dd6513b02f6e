// Vec, Mask and Ints on AVX2 and FMA: a float Vec is two registers, a double Vec four.
#pragma once

#include <immintrin.h>

namespace nvc3d::NVC3D_ISA {

// Rows of a brute-force tile: as many sums as the registers hold. Divides 16.
template <class T>
constexpr int tile_rows = sizeof(T) == 4 ? 4 : 2;

template <class T>
struct Mask;
template <class T>
struct Vec;

// ---- float

template <>
struct Mask<float> {
  __m256 lo, hi;
  static NVC3D_INLINE Mask from_bits(uint32_t bits);
  NVC3D_INLINE uint32_t bits() const {
    return static_cast<uint32_t>(_mm256_movemask_ps(lo) | _mm256_movemask_ps(hi) << 8);
  }
  NVC3D_INLINE bool any() const {
    const __m256 both = _mm256_or_ps(lo, hi);
    return !_mm256_testz_ps(both, both);
  }
};

template <>
struct Vec<float> {
  __m256 lo, hi;
  static NVC3D_INLINE Vec all(float value) {
    return {_mm256_set1_ps(value), _mm256_set1_ps(value)};
  }
  static NVC3D_INLINE Vec load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
  }
  NVC3D_INLINE void store(float* p) const {
    _mm256_storeu_ps(p, lo);
    _mm256_storeu_ps(p + 8, hi);
  }
};
using Floats = Vec<float>;
NVC3D_INLINE Mask<float> operator&(Mask<float> a, Mask<float> b) {
  return {_mm256_and_ps(a.lo, b.lo), _mm256_and_ps(a.hi, b.hi)};
}
NVC3D_INLINE Mask<float> operator|(Mask<float> a, Mask<float> b) {
  return {_mm256_or_ps(a.lo, b.lo), _mm256_or_ps(a.hi, b.hi)};
}
NVC3D_INLINE Floats operator+(Floats a, Floats b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
NVC3D_INLINE Floats operator-(Floats a, Floats b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
NVC3D_INLINE Floats operator*(Floats a, Floats b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
NVC3D_INLINE Floats fma(Floats a, Floats b, Floats c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
NVC3D_INLINE Floats min(Floats a, Floats b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
NVC3D_INLINE Floats max(Floats a, Floats b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
NVC3D_INLINE Floats abs(Floats a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
NVC3D_INLINE Floats sqrt(Floats a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
NVC3D_INLINE Mask<float> operator<(Floats a, Floats b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
NVC3D_INLINE Mask<float> operator<=(Floats a, Floats b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LE_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LE_OQ)};
}
NVC3D_INLINE Mask<float> operator==(Floats a, Floats b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ)};
}
NVC3D_INLINE Floats select(Mask<float> m, Floats yes, Floats no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
NVC3D_INLINE float reduce_min(Floats a) {
  const __m256 eight = _mm256_min_ps(a.lo, a.hi);
  __m128 four = _mm_min_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_min_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_min_ss(four, _mm_movehdup_ps(four)));
}
NVC3D_INLINE float reduce_max(Floats a) {
  const __m256 eight = _mm256_max_ps(a.lo, a.hi);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}

// Row i of 8 becomes lane i of all.
NVC3D_INLINE void transpose_8(__m256 (&row)[8]) {
  __m256 pair[8], four[8];
  NVC3D_UNROLL
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  NVC3D_UNROLL
  for (int i = 0; i < 8; i += 4) {
    four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xEE);
    four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xEE);
  }
  NVC3D_UNROLL
  for (int i = 0; i < 4; ++i) {
    row[i] = _mm256_permute2f128_ps(four[i], four[4 + i], 0x20);
    row[4 + i] = _mm256_permute2f128_ps(four[i], four[4 + i], 0x31);
  }
}

// Row i of 16 becomes lane i of all.
NVC3D_INLINE void transpose(Floats (&row)[lanes]) {
  __m256 quarter[4][8];
  NVC3D_UNROLL
  for (int i = 0; i < 8; ++i) {
    quarter[0][i] = row[i].lo;
    quarter[1][i] = row[i].hi;
    quarter[2][i] = row[8 + i].lo;
    quarter[3][i] = row[8 + i].hi;
  }
  NVC3D_UNROLL
  for (int q = 0; q < 4; ++q) transpose_8(quarter[q]);
  NVC3D_UNROLL
  for (int i = 0; i < 8; ++i) {
    row[i] = {quarter[0][i], quarter[2][i]};
    row[8 + i] = {quarter[1][i], quarter[3][i]};
  }
}

// ---- double: quarters of four lanes

template <>
struct Mask<double> {
  __m256d q[4];
  static NVC3D_INLINE Mask from_bits(uint32_t bits);
  NVC3D_INLINE uint32_t bits() const {
    uint32_t bits = 0;
    for (int i = 0; i < 4; ++i) bits |= static_cast<uint32_t>(_mm256_movemask_pd(q[i])) << 4 * i;
    return bits;
  }
  NVC3D_INLINE bool any() const { return bits() != 0; }
};

template <>
struct Vec<double> {
  __m256d q[4];
  static NVC3D_INLINE Vec all(double value) {
    const __m256d one = _mm256_set1_pd(value);
    return {{one, one, one, one}};
  }
  static NVC3D_INLINE Vec load(const double* p) {
    return {{_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4), _mm256_loadu_pd(p + 8),
             _mm256_loadu_pd(p + 12)}};
  }
  NVC3D_INLINE void store(double* p) const {
    for (int i = 0; i < 4; ++i) _mm256_storeu_pd(p + 4 * i, q[i]);
  }
};
using Doubles = Vec<double>;

#define NVC3D_QUARTERS(signature, Result, expression) \
  NVC3D_INLINE Result signature {                     \
    Result r;                                         \
    NVC3D_UNROLL                                      \
    for (int i = 0; i < 4; ++i) r.q[i] = expression;  \
    return r;                                         \
  }
using MaskD = Mask<double>;
NVC3D_QUARTERS(operator&(MaskD a, MaskD b), MaskD, _mm256_and_pd(a.q[i], b.q[i]))
NVC3D_QUARTERS(operator|(MaskD a, MaskD b), MaskD, _mm256_or_pd(a.q[i], b.q[i]))
NVC3D_QUARTERS(operator+(Doubles a, Doubles b), Doubles, _mm256_add_pd(a.q[i], b.q[i]))
NVC3D_QUARTERS(operator-(Doubles a, Doubles b), Doubles, _mm256_sub_pd(a.q[i], b.q[i]))
NVC3D_QUARTERS(operator*(Doubles a, Doubles b), Doubles, _mm256_mul_pd(a.q[i], b.q[i]))
NVC3D_QUARTERS(fma(Doubles a, Doubles b, Doubles c), Doubles,
               _mm256_fmadd_pd(a.q[i], b.q[i], c.q[i]))
NVC3D_QUARTERS(min(Doubles a, Doubles b), Doubles, _mm256_min_pd(a.q[i], b.q[i]))
NVC3D_QUARTERS(max(Doubles a, Doubles b), Doubles, _mm256_max_pd(a.q[i], b.q[i]))
NVC3D_QUARTERS(abs(Doubles a), Doubles, _mm256_andnot_pd(_mm256_set1_pd(-0.0), a.q[i]))
NVC3D_QUARTERS(sqrt(Doubles a), Doubles, _mm256_sqrt_pd(a.q[i]))
NVC3D_QUARTERS(operator<(Doubles a, Doubles b), MaskD, _mm256_cmp_pd(a.q[i], b.q[i], _CMP_LT_OQ))
NVC3D_QUARTERS(operator<=(Doubles a, Doubles b), MaskD, _mm256_cmp_pd(a.q[i], b.q[i], _CMP_LE_OQ))
NVC3D_QUARTERS(operator==(Doubles a, Doubles b), MaskD, _mm256_cmp_pd(a.q[i], b.q[i], _CMP_EQ_OQ))
NVC3D_QUARTERS(select(MaskD m, Doubles yes, Doubles no), Doubles,
               _mm256_blendv_pd(no.q[i], yes.q[i], m.q[i]))
#undef NVC3D_QUARTERS

NVC3D_INLINE double reduce_min(Doubles a) {
  const __m256d four = _mm256_min_pd(_mm256_min_pd(a.q[0], a.q[1]), _mm256_min_pd(a.q[2], a.q[3]));
  const __m128d two = _mm_min_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_min_sd(two, _mm_unpackhi_pd(two, two)));
}
NVC3D_INLINE double reduce_max(Doubles a) {
  const __m256d four = _mm256_max_pd(_mm256_max_pd(a.q[0], a.q[1]), _mm256_max_pd(a.q[2], a.q[3]));
  const __m128d two = _mm_max_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_max_sd(two, _mm_unpackhi_pd(two, two)));
}

// ---- int32

struct Ints {
  __m256i lo, hi;
  static NVC3D_INLINE Ints all(int32_t value) {
    return {_mm256_set1_epi32(value), _mm256_set1_epi32(value)};
  }
  static NVC3D_INLINE Ints load(const int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
  }
  NVC3D_INLINE void store(int32_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), lo);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), hi);
  }
};
NVC3D_INLINE Ints operator+(Ints a, Ints b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
NVC3D_INLINE Ints operator&(Ints a, Ints b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
NVC3D_INLINE Ints operator|(Ints a, Ints b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
NVC3D_INLINE Ints operator^(Ints a, Ints b) {
  return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}
NVC3D_INLINE Ints operator<<(Ints a, int n) {
  return {_mm256_slli_epi32(a.lo, n), _mm256_slli_epi32(a.hi, n)};
}
NVC3D_INLINE Ints operator>>(Ints a, int n) {
  return {_mm256_srai_epi32(a.lo, n), _mm256_srai_epi32(a.hi, n)};
}

// Masks of doubles are twice as wide as those of int32.
NVC3D_INLINE Mask<double> widen(__m256i lo, __m256i hi) {
  const auto half = [](__m128i a) { return _mm256_castsi256_pd(_mm256_cvtepi32_epi64(a)); };
  return {{half(_mm256_castsi256_si128(lo)), half(_mm256_extracti128_si256(lo, 1)),
           half(_mm256_castsi256_si128(hi)), half(_mm256_extracti128_si256(hi, 1))}};
}
NVC3D_INLINE __m256i narrow(__m256d lo, __m256d hi) {
  const __m256 even = _mm256_shuffle_ps(_mm256_castpd_ps(lo), _mm256_castpd_ps(hi), 0x88);
  return _mm256_permute4x64_epi64(_mm256_castps_si256(even), 0xD8);
}

template <class T>
Mask<T> less(Ints a, Ints b);
template <>
NVC3D_INLINE Mask<float> less<float>(Ints a, Ints b) {
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(b.lo, a.lo)),
          _mm256_castsi256_ps(_mm256_cmpgt_epi32(b.hi, a.hi))};
}
template <>
NVC3D_INLINE Mask<double> less<double>(Ints a, Ints b) {
  return widen(_mm256_cmpgt_epi32(b.lo, a.lo), _mm256_cmpgt_epi32(b.hi, a.hi));
}
NVC3D_INLINE Ints select(Mask<float> m, Ints yes, Ints no) {
  return {_mm256_blendv_epi8(no.lo, yes.lo, _mm256_castps_si256(m.lo)),
          _mm256_blendv_epi8(no.hi, yes.hi, _mm256_castps_si256(m.hi))};
}
NVC3D_INLINE Ints select(Mask<double> m, Ints yes, Ints no) {
  return {_mm256_blendv_epi8(no.lo, yes.lo, narrow(m.q[0], m.q[1])),
          _mm256_blendv_epi8(no.hi, yes.hi, narrow(m.q[2], m.q[3]))};
}
// a + 1 where m is set.
NVC3D_INLINE Ints increment(Mask<float> m, Ints a) {
  return {_mm256_sub_epi32(a.lo, _mm256_castps_si256(m.lo)),
          _mm256_sub_epi32(a.hi, _mm256_castps_si256(m.hi))};
}
NVC3D_INLINE Ints increment(Mask<double> m, Ints a) {
  return {_mm256_sub_epi32(a.lo, narrow(m.q[0], m.q[1])),
          _mm256_sub_epi32(a.hi, narrow(m.q[2], m.q[3]))};
}
NVC3D_INLINE int32_t reduce_min(Ints a) {
  const __m256i eight = _mm256_min_epi32(a.lo, a.hi);
  __m128i four = _mm_min_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_min_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_min_epi32(four, _mm_shuffle_epi32(four, 0xB1)));
}
NVC3D_INLINE int32_t reduce_max(Ints a) {
  const __m256i eight = _mm256_max_epi32(a.lo, a.hi);
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_max_epi32(four, _mm_shuffle_epi32(four, 0xB1)));
}

NVC3D_INLINE Mask<float> Mask<float>::from_bits(uint32_t bits) {
  const __m256i place = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const auto half = [&](uint32_t eight) {
    const __m256i on = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(eight)), place);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(on, place));
  };
  return {half(bits), half(bits >> 8)};
}
NVC3D_INLINE Mask<double> Mask<double>::from_bits(uint32_t bits) {
  const Mask<float> narrow = Mask<float>::from_bits(bits);
  return widen(_mm256_castps_si256(narrow.lo), _mm256_castps_si256(narrow.hi));
}

// Towards zero; values must lie within int32.
NVC3D_INLINE Ints truncate(Floats a) {
  return {_mm256_cvttps_epi32(a.lo), _mm256_cvttps_epi32(a.hi)};
}
NVC3D_INLINE Ints truncate(Doubles a) {
  return {_mm256_set_m128i(_mm256_cvttpd_epi32(a.q[1]), _mm256_cvttpd_epi32(a.q[0])),
          _mm256_set_m128i(_mm256_cvttpd_epi32(a.q[3]), _mm256_cvttpd_epi32(a.q[2]))};
}

// Lane i with i + 8, then i + 4, i + 2, i + 1: the order of every variant.
NVC3D_INLINE float reduce_add(Floats a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
NVC3D_INLINE double reduce_add(Doubles a) {
  const __m256d four = _mm256_add_pd(_mm256_add_pd(a.q[0], a.q[2]), _mm256_add_pd(a.q[1], a.q[3]));
  const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
  return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

}  // namespace nvc3d::NVC3D_ISA

#include "simd_by_lane.h"
