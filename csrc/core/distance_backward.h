// The gradient of the distances between points and their chosen neighbours.
//
// What a point of x receives stands in its own row. What a point of y receives comes from all rows
// that chose it; each thread owns a range of y's rows and walks all choices in order, so that sums
// are formed in one order, without atomics, however many threads there are.
#pragma once

#include "kernels.h"

namespace nvc3d {

template <class T>
T distance_slope(T difference, int norm) {
  if (norm == 2) return 2 * difference;
  return static_cast<T>((difference > 0) - (difference < 0));
}

// x (n, dim), y (m, dim), grad and index (n, k); grad_x and grad_y are overwritten.
template <class T>
void accumulate_gradients(const T* grad, const T* x, int64_t n, const T* y, int64_t m,
                       const int64_t* index, int64_t k, int64_t dim, int norm, T* grad_x, T* grad_y,
                       const Parallel& parallel) {
  parallel(n, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t d = 0; d < dim; ++d) grad_x[i * dim + d] = 0;
      for (int64_t j = i * k; j < (i + 1) * k; ++j)
        for (int64_t d = 0; d < dim; ++d)
          grad_x[i * dim + d] +=
              grad[j] * distance_slope(x[i * dim + d] - y[index[j] * dim + d], norm);
    }
  });
  parallel(m, (m + parallel.threads - 1) / parallel.threads, [&](int64_t begin, int64_t end) {
    for (int64_t v = begin * dim; v < end * dim; ++v) grad_y[v] = 0;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i * k; j < (i + 1) * k; ++j) {
        const int64_t row = index[j];
        if (row < begin || row >= end) continue;
        for (int64_t d = 0; d < dim; ++d)
          grad_y[row * dim + d] -= grad[j] * distance_slope(x[i * dim + d] - y[row * dim + d], norm);
      }
  });
}

}  // namespace nvc3d
