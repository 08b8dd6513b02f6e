// The gradient of the distances between points and their chosen neighbours.
//
// What a point of x receives comes from its own choices; what a point of y receives, from all rows
// that chose it. The work is cut into parts that each own a range of x's rows and a range of y's,
// walk over all choices in order and write to what they own: every sum is formed in one order,
// without atomics, however many parts there are.
#pragma once

#include "kernels.h"

namespace nvc3d {

template <class T>
T distance_slope(T difference, int norm) {
  if (norm == 2) return 2 * difference;
  return static_cast<T>((difference > 0) - (difference < 0));
}

struct Rows {
  int64_t begin, end;

  // Part p of `parts` of n rows.
  static Rows part(int64_t n, int64_t p, int64_t parts) {
    return {n * p / parts, n * (p + 1) / parts};
  }
  bool hold(int64_t row) const { return begin <= row && row < end; }
};

// Neighbours lie anywhere: where the clouds outgrow the near caches, waiting is most of the work.
template <class T>
void prefetch(const T* value) {
#if defined(__GNUC__)
  __builtin_prefetch(value);
#endif
}

// Dim is the dimension if the compiler is to know it, else 0.
template <class T, int Dim>
void accumulate_part(const T* grad, const T* x, int64_t n, const T* y, const int64_t* index,
                     int64_t k, int64_t dimension, int norm, Rows of_x, Rows of_y, T* grad_x,
                     T* grad_y, const Parallel& parallel) {
  const int64_t dim = Dim ? Dim : dimension;
  constexpr int64_t ahead = 12;  // choices
  for (int64_t v = of_x.begin * dim; v < of_x.end * dim; ++v) grad_x[v] = 0;
  for (int64_t v = of_y.begin * dim; v < of_y.end * dim; ++v) grad_y[v] = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (i % 65536 == 0 && parallel.cancelled()) return;
    const bool from_here = of_x.hold(i);
    for (int64_t j = i * k; j < (i + 1) * k; ++j) {
      const int64_t row = index[j];
      if (j + ahead < n * k) {
        prefetch(y + index[j + ahead] * dim);
        prefetch(grad_y + index[j + ahead] * dim);
      }
      const bool to_here = of_y.hold(row);
      if (!from_here && !to_here) continue;
      if constexpr (Dim != 0) {
        // All reads before all writes, which for all that the compiler knows might change them.
        T pull[Dim];
        for (int d = 0; d < Dim; ++d) {
          pull[d] = grad[j] * distance_slope(x[i * dim + d] - y[row * dim + d], norm);
        }
        for (int d = 0; from_here && d < Dim; ++d) grad_x[i * dim + d] += pull[d];
        for (int d = 0; to_here && d < Dim; ++d) grad_y[row * dim + d] -= pull[d];
        continue;
      }
      for (int64_t d = 0; d < dim; ++d) {
        const T pull = grad[j] * distance_slope(x[i * dim + d] - y[row * dim + d], norm);
        if (from_here) grad_x[i * dim + d] += pull;
        if (to_here) grad_y[row * dim + d] -= pull;
      }
    }
  }
}

// x (n, dim), y (m, dim), grad and index (n, k); grad_x and grad_y are overwritten.
template <class T>
void accumulate_gradients(const T* grad, const T* x, int64_t n, const T* y, int64_t m,
                          const int64_t* index, int64_t k, int64_t dim, int norm, T* grad_x,
                          T* grad_y, const Parallel& parallel) {
  const int64_t parts = parallel.threads;
  const auto accumulate = dim == 3 ? &accumulate_part<T, 3> : &accumulate_part<T, 0>;
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      accumulate(grad, x, n, y, index, k, dim, norm, Rows::part(n, p, parts),
                 Rows::part(m, p, parts), grad_x, grad_y, parallel);
    }
  });
}

}  // namespace nvc3d
