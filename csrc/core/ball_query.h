// The first k points within a radius, in the order of their indices.
//
// Distances to a block of points are first taken in the form that every compiler vectorises; only
// the points that this form, with a margin for its rounding, cannot rule out are looked at with
// the one definition of a distance (distance.h): so the answer is exact, and the same everywhere.
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "kernels.h"

namespace nvc3d {

// As distance.h defines it for norm 2.
template <class T>
T squared_distance(const T* a, const T* b, int64_t dim) {
  const T first = a[0] - b[0];
  T sum = first * first;
  for (int64_t d = 1; d < dim; ++d) {
    const T difference = a[d] - b[d];
    sum = std::fma(difference, difference, sum);
  }
  return sum;
}

// x (n, dim), y (m, dim); distance and index (n, k), where rows with fewer than k points end in
// distance 0 and index -1. A point counts if its squared distance is below squared_radius.
template <class T>
void first_within(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, T squared_radius,
                  int64_t k, T* distance, int64_t* index, const Parallel& parallel) {
  constexpr int64_t block = 256;
  using Limits = std::numeric_limits<T>;
  // Both forms are within dim + 1 roundings of the true value, and of underflow.
  const T margin = squared_radius * (1 + 4 * (dim + 1) * Limits::epsilon()) + Limits::min();
  std::vector<T> columns(m * dim);  // (dim, m)
  for (int64_t j = 0; j < m; ++j)
    for (int64_t d = 0; d < dim; ++d) columns[d * m + j] = y[j * dim + d];

  parallel(n, 16, [&](int64_t begin, int64_t end) {
    T rough[block];
    for (int64_t i = begin; i < end; ++i) {
      const T* point = x + i * dim;
      int64_t found = 0;
      for (int64_t start = 0; start < m && found < k; start += block) {
        const int64_t count = m - start < block ? m - start : block;
        for (int64_t j = 0; j < count; ++j) rough[j] = 0;
        for (int64_t d = 0; d < dim; ++d) {
          const T* column = columns.data() + d * m + start;
          for (int64_t j = 0; j < count; ++j) {
            const T difference = point[d] - column[j];
            rough[j] += difference * difference;
          }
        }
        int candidates = 0;
        for (int64_t j = 0; j < count; ++j) candidates += rough[j] <= margin;
        for (int64_t j = 0; candidates > 0 && j < count && found < k; ++j) {
          if (!(rough[j] <= margin)) continue;
          --candidates;
          const T exact = squared_distance(point, y + (start + j) * dim, dim);
          if (!(exact < squared_radius)) continue;
          distance[i * k + found] = exact;
          index[i * k + found++] = start + j;
        }
      }
      for (; found < k; ++found) {
        distance[i * k + found] = 0;
        index[i * k + found] = -1;
      }
    }
  });
}

}  // namespace nvc3d
