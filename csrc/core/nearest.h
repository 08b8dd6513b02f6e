// The entries nearest, nearest_both and knn of the table: which way to compute serves a call best.
#pragma once

#include "knn_brute.h"
#include "knn_tree.h"
#include "nearest_brute.h"
#include "nearest_tree.h"

namespace nvc3d::NVC3D_ISA {

// Points with fewer than three coordinates, filled up with zeros: no distance changes.
template <class T>
struct AtLeast3 {
  Scratch<T> memory;
  const T* points;

  AtLeast3(const T* source, int64_t n, int64_t dim) : points(source) {
    if (dim >= 3) return;
    memory = Scratch<T>(3 * n);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t d = 0; d < 3; ++d) memory[3 * i + d] = d < dim ? source[dim * i + d] : 0;
    }
    points = memory.data();
  }
};

// Names a type where a value is asked for.
template <class U>
struct Tag {
  using Type = U;
};

// Whether building trees over n and m points pays, against n * m pairs.
inline bool trees_pay(int64_t n, int64_t m, int64_t pairs_per_point) {
  return n * m > pairs_per_point * (n + m);
}

template <class T>
void nearest(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int norm, T* distance,
             int64_t* index, const Parallel& parallel) {
  if (n == 0) return;
  const AtLeast3<T> xs(x, n, dim), ys(y, m, dim);
  const auto run = [&](auto chosen_norm) {
    using Norm = decltype(chosen_norm);
    if (dim <= 3 && trees_pay(n, m, 350)) {
      const TreePair<T> trees(xs.points, n, ys.points, m, parallel);
      nearest_tree<T, Norm>(trees.x, trees.y, distance, index, parallel);
    } else if (dim <= 3) {
      nearest_brute<T, Norm, 3>(xs.points, n, ys.points, m, 3, distance, index, parallel);
    } else {
      nearest_brute<T, Norm, 0>(x, n, y, m, dim, distance, index, parallel);
    }
  };
  norm == 1 ? run(L1{}) : run(SquaredL2{});
}

template <class T>
void nearest_both(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int norm,
                  T* x_distance, int64_t* x_index, T* y_distance, int64_t* y_index,
                  const Parallel& parallel) {
  if (n == 0 || m == 0) return;
  const AtLeast3<T> xs(x, n, dim), ys(y, m, dim);
  const auto run = [&](auto chosen_norm) {
    using Norm = decltype(chosen_norm);
    if (dim <= 3 && trees_pay(n, m, 350)) {
      const TreePair<T> trees(xs.points, n, ys.points, m, parallel);
      nearest_tree<T, Norm>(trees.x, trees.y, x_distance, x_index, parallel);
      nearest_tree<T, Norm>(trees.y, trees.x, y_distance, y_index, parallel);
    } else if (dim <= 3) {
      nearest_both_brute<T, Norm, 3>(xs.points, n, ys.points, m, 3, x_distance, x_index, y_distance,
                                     y_index, parallel);
    } else {
      nearest_both_brute<T, Norm, 0>(x, n, y, m, dim, x_distance, x_index, y_distance, y_index,
                                     parallel);
    }
  };
  norm == 1 ? run(L1{}) : run(SquaredL2{});
}

template <class T>
void knn(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int64_t k, int norm,
         T* distance, int64_t* index, const Parallel& parallel) {
  if (n == 0) return;
  if (k == 1) return nearest<T>(x, n, y, m, dim, norm, distance, index, parallel);
  const AtLeast3<T> xs(x, n, dim), ys(y, m, dim);
  const auto run = [&](auto chosen_norm, auto chosen_best) {
    using Norm = decltype(chosen_norm);
    using Best = typename decltype(chosen_best)::Type;
    if (dim > 3) {
      knn_brute<T, Norm, 0, Best>(x, n, y, m, dim, k, distance, index, parallel);
    } else if (!trees_pay(n, m, 100)) {
      knn_brute<T, Norm, 3, Best>(xs.points, n, ys.points, m, 3, k, distance, index, parallel);
    } else if (x == y && n == m) {
      const Tree<T> tree(xs.points, n, parallel);
      knn_tree<T, Norm, Best>(tree, tree, k, distance, index, parallel);
    } else {
      const TreePair<T> trees(xs.points, n, ys.points, m, parallel);
      knn_tree<T, Norm, Best>(trees.x, trees.y, k, distance, index, parallel);
    }
  };
  const auto with_best = [&](auto best) { norm == 1 ? run(L1{}, best) : run(SquaredL2{}, best); };
  k <= RankedBest<T>::most_k ? with_best(Tag<RankedBest<T>>{}) : with_best(Tag<HeapBest<T>>{});
}

}  // namespace nvc3d::NVC3D_ISA
