// What lies around: the maximum and the sum of the values of chosen neighbours, by channel.
//
// Rows are read once: of a block of channels, the maximum so far, where it was found and the sum
// stay in registers while the neighbours pass by, in the order in which they are given. Sums are
// formed in that order, in the gradient in the order of the rows: so no result depends on threads
// or on the instruction set.
#pragma once

#include "kernels.h"
#include "simd.h"

namespace nvc3d::NVC3D_ISA {

// The `width` channels of one row from `channel` on, one by one. NaN is greater than all, and the
// first of equals stays.
template <class T>
void pool_single(const T* values, int64_t dim, const int64_t* index, int64_t k, int64_t channel,
                 int64_t width, T* maximum, T* total, int32_t* which) {
  for (int64_t c = 0; c < width; ++c) {
    T best = 0, sum = 0;
    int32_t found = -1;
    for (int64_t j = 0; j < k; ++j) {
      if (index[j] < 0) continue;
      const T value = values[index[j] * dim + channel + c];
      // Chosen without a branch, which nobody could predict.
      const bool more = (found < 0) | (value > best) | (value != value);
      best = more ? value : best;
      found = more ? static_cast<int32_t>(index[j]) : found;
      sum += value;
    }
    maximum[c] = best;
    total[c] = sum;
    which[c] = found;
  }
}

// Sixteen channels of one row from `channel` on. Numbers alone: with NaN among them, which the sum
// tells, they are looked at one by one.
template <class T>
NVC3D_INLINE void pool_block(const T* values, int64_t dim, const int64_t* index, int64_t k,
                             int64_t channel, T* maximum, T* total, int32_t* which) {
  Vec<T> best = Vec<T>::all(0), sum = best;
  Ints found = Ints::all(-1);
  int64_t j = 0;
  while (j < k && index[j] < 0) ++j;
  if (j < k) {
    best = Vec<T>::load(values + index[j] * dim + channel);
    found = Ints::all(static_cast<int32_t>(index[j]));
  }
  for (; j < k; ++j) {
    if (index[j] < 0) continue;
    const Vec<T> value = Vec<T>::load(values + index[j] * dim + channel);
    const Mask<T> more = best < value;
    best = select(more, value, best);
    found = select(more, Ints::all(static_cast<int32_t>(index[j])), found);
    sum = sum + value;
  }
  if ((sum == sum).bits() != 0xFFFF)
    return pool_single(values, dim, index, k, channel, lanes, maximum, total, which);
  best.store(maximum);
  sum.store(total);
  found.store(which);
}

template <class T>
void pool_neighbours(const T* values, int64_t dim, const int64_t* index, int64_t rows, int64_t k,
                     T* maximum, T* total, int32_t* which, const Parallel& parallel) {
  parallel(rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t *chosen = index + i * k, at = i * dim;
      int64_t c = 0;
      for (; c + lanes <= dim; c += lanes)
        pool_block(values, dim, chosen, k, c, maximum + at + c, total + at + c, which + at + c);
      pool_single(values, dim, chosen, k, c, dim - c, maximum + at + c, total + at + c,
                  which + at + c);
    }
  });
}

// Of a block of channels, of which a part has its own.
template <class T>
void pool_backward_block(const T* maximum_grad, const T* total_grad, const int64_t* index,
                         const int32_t* which, int64_t rows, int64_t k, int64_t dim, int64_t begin,
                         int64_t end, int64_t size, T* grad, const Parallel& parallel) {
  for (int64_t n = 0; n < size; ++n) {
    for (int64_t c = begin; c < end; ++c) grad[n * dim + c] = 0;
  }
  for (int64_t i = 0; i < rows; ++i) {
    if (i % 4096 == 0 && parallel.cancelled()) return;
    for (int64_t j = i * k; j < (i + 1) * k; ++j) {
      if (index[j] < 0) continue;
      T* to = grad + index[j] * dim;
      const T* from = total_grad + i * dim;
      int64_t c = begin;
      for (; c + lanes <= end; c += lanes)
        (Vec<T>::load(to + c) + Vec<T>::load(from + c)).store(to + c);
      for (; c < end; ++c) to[c] += from[c];
    }
    for (int64_t c = begin; c < end; ++c) {
      const int32_t found = which[i * dim + c];
      if (found >= 0) grad[found * dim + c] += maximum_grad[i * dim + c];
    }
  }
}

template <class T>
void pool_neighbours_backward(const T* maximum_grad, const T* total_grad, const int64_t* index,
                              const int32_t* which, int64_t rows, int64_t k, int64_t dim,
                              int64_t size, T* grad, const Parallel& parallel) {
  // As many channels as two lines of the cache hold: what they add to stays near.
  constexpr int64_t width = 128 / sizeof(T);
  const int64_t parts = (dim + width - 1) / width;
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      pool_backward_block(maximum_grad, total_grad, index, which, rows, k, dim, p * width,
                          least(dim, (p + 1) * width), size, grad, parallel);
  });
}

}  // namespace nvc3d::NVC3D_ISA
