// What shortest_paths.h does with whole rows of distances: once for AVX2, once for any machine.
//
// The same bits come either way: every number is rounded on its own, and of equal ones the lowest
// index is taken. Widths are multiples of `cost_lanes`; what lies beyond the last column costs
// infinity.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>

namespace nvc3d {

constexpr int64_t cost_lanes = 8;

struct TwoLeast {
  double first, second;  // equal where two columns cost the same
  int64_t at;            // of the first
};

struct CostRows {
  // Euclidean distances from a point (dim,) to columns (dim, width).
  void (*distances)(const double* point, const double* columns, int64_t width, int64_t dim,
                    double* row);
  // Of row + price.
  TwoLeast (*two_least)(const double* row, const double* price, int64_t width);
  // reached = min(reached, base + row + price), and by = buyer where that was less: the column
  // that is then reached at the least cost.
  int64_t (*relax)(const double* row, const double* price, int64_t width, double base,
                   int64_t buyer, double* reached, int64_t* by);
};

namespace rows {

// Vectors of the compiler's, which need not lie at multiples of their size.
template <int Bytes>
struct Vectors {
  typedef double Values __attribute__((vector_size(Bytes), aligned(8), may_alias));
  typedef int64_t Indices __attribute__((vector_size(Bytes), aligned(8), may_alias));
};

template <int Bytes>
inline __attribute__((always_inline)) void distances(const double* point, const double* columns,
                                                     int64_t width, int64_t dim, double* row) {
  constexpr int64_t block = 512;  // stays in the nearest cache
  for (int64_t begin = 0; begin < width; begin += block) {
    const int64_t end = begin + block < width ? begin + block : width;
    for (int64_t j = begin; j < end; ++j) row[j] = 0;
    for (int64_t d = 0; d < dim; ++d) {
      const double from = point[d];
      const double* to = columns + d * width;
      for (int64_t j = begin; j < end; ++j) row[j] += (to[j] - from) * (to[j] - from);
    }
    for (int64_t j = begin; j < end; ++j) row[j] = std::sqrt(row[j]);
  }
}

template <int Bytes>
inline __attribute__((always_inline)) TwoLeast two_least(const double* row, const double* price,
                                                         int64_t width) {
  using V = typename Vectors<Bytes>::Values;
  using I = typename Vectors<Bytes>::Indices;
  constexpr int lanes = Bytes / 8, parts = cost_lanes / lanes;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  V first[parts], second[parts];
  I at[parts], here[parts];
  for (int k = 0; k < parts; ++k) {
    for (int l = 0; l < lanes; ++l) {
      first[k][l] = second[k][l] = infinity;
      at[k][l] = here[k][l] = k * lanes + l;
    }
  }
  for (int64_t j = 0; j < width; j += cost_lanes) {
    for (int k = 0; k < parts; ++k) {
      const V cost = *reinterpret_cast<const V*>(row + j + k * lanes) +
                     *reinterpret_cast<const V*>(price + j + k * lanes);
      const I less = cost < first[k];
      const V larger = less ? first[k] : cost;
      second[k] = larger < second[k] ? larger : second[k];
      first[k] = less ? cost : first[k];
      at[k] = less ? here[k] : at[k];
      here[k] += cost_lanes;
    }
  }
  TwoLeast least{infinity, infinity, 0};
  for (int k = 0; k < parts; ++k) {
    for (int l = 0; l < lanes; ++l) {
      const double cost = first[k][l];
      const bool less = cost < least.first || (cost == least.first && at[k][l] < least.at);
      const double larger = less ? least.first : cost;
      if (less) {
        least.first = cost;
        least.at = at[k][l];
      }
      if (larger < least.second) least.second = larger;
      if (second[k][l] < least.second) least.second = second[k][l];
    }
  }
  return least;
}

template <int Bytes>
inline __attribute__((always_inline)) int64_t relax(const double* row, const double* price,
                                                    int64_t width, double base, int64_t buyer,
                                                    double* reached, int64_t* by) {
  using V = typename Vectors<Bytes>::Values;
  using I = typename Vectors<Bytes>::Indices;
  constexpr int lanes = Bytes / 8, parts = cost_lanes / lanes;
  V least[parts];
  I at[parts], here[parts];
  for (int k = 0; k < parts; ++k) {
    for (int l = 0; l < lanes; ++l) {
      least[k][l] = std::numeric_limits<double>::infinity();
      at[k][l] = here[k][l] = k * lanes + l;
    }
  }
  for (int64_t j = 0; j < width; j += cost_lanes) {
    for (int k = 0; k < parts; ++k) {
      const int64_t place = j + k * lanes;
      V& known = *reinterpret_cast<V*>(reached + place);
      I& last = *reinterpret_cast<I*>(by + place);
      const V cost = base + (*reinterpret_cast<const V*>(row + place) +
                             *reinterpret_cast<const V*>(price + place));
      const I closer = cost < known;
      const V now = closer ? cost : known;
      known = now;
      last = closer ? I{} + buyer : last;
      const I less = now < least[k];
      least[k] = less ? now : least[k];
      at[k] = less ? here[k] : at[k];
      here[k] += cost_lanes;
    }
  }
  int64_t best = at[0][0];
  for (int k = 0; k < parts; ++k) {
    for (int l = 0; l < lanes; ++l) {
      const int64_t other = at[k][l];
      if (reached[other] < reached[best] || (reached[other] == reached[best] && other < best))
        best = other;
    }
  }
  return best;
}

// The functions above with 16 bytes a vector, which every machine has, and with AVX2's 32.
#define NVC3D_COST_ROWS(name, bytes, flags)                                                       \
  flags inline void distances_##name(const double* point, const double* columns, int64_t width,   \
                                     int64_t dim, double* row) {                                  \
    distances<bytes>(point, columns, width, dim, row);                                            \
  }                                                                                               \
  flags inline TwoLeast two_least_##name(const double* row, const double* price, int64_t width) { \
    return two_least<bytes>(row, price, width);                                                   \
  }                                                                                               \
  flags inline int64_t relax_##name(const double* row, const double* price, int64_t width,        \
                                    double base, int64_t buyer, double* reached, int64_t* by) {   \
    return relax<bytes>(row, price, width, base, buyer, reached, by);                             \
  }                                                                                               \
  constexpr CostRows name{&distances_##name, &two_least_##name, &relax_##name};

NVC3D_COST_ROWS(portable, 16, )
#if defined(__x86_64__)
NVC3D_COST_ROWS(avx2, 32, __attribute__((target("avx2"))))
#endif
#undef NVC3D_COST_ROWS

}  // namespace rows

// Those for the instruction set of a Variant.
inline const CostRows& cost_rows(std::string_view isa) {
#if defined(__x86_64__)
  if (isa != "portable") return rows::avx2;
#endif
  return rows::portable;
}

}  // namespace nvc3d
