// The entries nearest, nearest_both and knn of the table: which way to compute serves a call best.
#pragma once

#include <type_traits>

#include "knn_brute.h"
#include "knn_tree.h"
#include "nearest_brute.h"
#include "nearest_tree.h"

namespace nvc3d::NVC3D_ISA {

// Points with fewer than Dim coordinates, filled up with zeros: no distance changes.
template <class T, int Dim>
struct Filled {
  Scratch<T> memory;
  const T* points;

  Filled(const T* source, int64_t n, int64_t dim) : points(source) {
    if (dim == Dim) return;
    memory = Scratch<T>(Dim * n);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t d = 0; d < Dim; ++d) memory[Dim * i + d] = d < dim ? source[dim * i + d] : 0;
    }
    points = memory.data();
  }
};

// Names a type, or a number, where a value is asked for.
template <class U>
struct Tag {
  using Type = U;
};
template <int Number>
struct Constant {
  static constexpr int value = Number;
};

// Trees exist for three and eight coordinates, as each number takes its time to compile; for L1 for
// three alone.
template <class Norm>
constexpr int64_t most_tree_dim = std::is_same_v<Norm, L1> ? 3 : 8;
template <class Norm, class Run>
void with_tree_dim(int64_t dim, const Run& run) {
  if (dim <= 3) return run(Constant<3>{});
  if constexpr (most_tree_dim<Norm> > 3) {
    run(Constant<8>{});
  }
}

// Whether building trees over n points and, if that is not there, m may pay, against n * m pairs. A
// tree in more than three dimensions takes longer to build.
template <class Norm>
bool trees_pay(int64_t n, int64_t m, int64_t dim, int64_t pairs_per_point, bool there = false) {
  return dim <= most_tree_dim<Norm> &&
         n * m > (dim > 3 ? 3 : 1) * pairs_per_point * (there ? n : n + m);
}

// Trees over y (m, dim) that outlive a call: those of squared distances, which serve L1 as well
// where it has trees.
template <class T>
int64_t tree_bytes(int64_t m, int64_t dim) {
  int64_t bytes = 0;
  if (m == 0 || dim > most_tree_dim<SquaredL2>) return bytes;
  with_tree_dim<SquaredL2>(
      dim, [&](auto chosen) { bytes = TreeView<T, decltype(chosen)::value>::bytes(m); });
  return bytes;
}

template <class T>
void build_tree(const T* y, int64_t m, int64_t dim, void* memory, const Parallel& parallel) {
  with_tree_dim<SquaredL2>(dim, [&](auto chosen_dim) {
    constexpr int Dim = decltype(chosen_dim)::value;
    const Filled<T, Dim> ys(y, m, dim);
    Tree<T, Dim> tree(m, static_cast<char*>(memory));
    tree.sort(ys.points, parallel);
    tree.fill(ys.points, parallel);
  });
}

template <class T, int Dim>
TreeView<T, Dim> built_tree(const void* memory, int64_t m) {
  return TreeView<T, Dim>(m, static_cast<char*>(const_cast<void*>(memory)));
}

template <class T, class Norm>
void nearest_of_all(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, T* distance,
                    int64_t* index, const Parallel& parallel) {
  if (dim > 3) {
    nearest_brute<T, Norm, 0>(x, n, y, m, dim, distance, index, parallel);
  } else {
    const Filled<T, 3> xs(x, n, dim), ys(y, m, dim);
    nearest_brute<T, Norm, 3>(xs.points, n, ys.points, m, 3, distance, index, parallel);
  }
}

template <class T>
void nearest_with(const void* built, const T* x, int64_t n, const T* y, int64_t m, int64_t dim,
                  int norm, T limit, T* distance, int64_t* index, const Parallel& parallel) {
  if (n == 0) return;
  const auto run = [&](auto chosen_norm) {
    using Norm = decltype(chosen_norm);
    bool done = false;
    if (trees_pay<Norm>(n, m, dim, 350, built != nullptr)) {
      with_tree_dim<Norm>(dim, [&](auto chosen_dim) {
        constexpr int Dim = decltype(chosen_dim)::value;
        const auto walk = [&](const TreeView<T, Dim>& from, const TreeView<T, Dim>& to) {
          const NearestWalks<T, Dim, Norm> walks(from, to, limit, distance, index);
          done = walks.pay();
          if (done) walks.run(parallel);
        };
        const Filled<T, Dim> xs(x, n, dim);
        if (built != nullptr) {
          walk(Tree<T, Dim>(xs.points, n, parallel), built_tree<T, Dim>(built, m));
        } else {
          const Filled<T, Dim> ys(y, m, dim);
          const TreePair<T, Dim> trees(xs.points, n, ys.points, m, parallel);
          walk(trees.x, trees.y);
        }
      });
    }
    if (!done) nearest_of_all<T, Norm>(x, n, y, m, dim, distance, index, parallel);
  };
  norm == 1 ? run(L1{}) : run(SquaredL2{});
}

template <class T>
void nearest(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int norm, T* distance,
             int64_t* index, const Parallel& parallel) {
  nearest_with<T>(nullptr, x, n, y, m, dim, norm, infinity<T>, distance, index, parallel);
}

template <class T>
void nearest_both(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int norm,
                  T* x_distance, int64_t* x_index, T* y_distance, int64_t* y_index,
                  const Parallel& parallel) {
  if (n == 0 || m == 0) return;
  const auto run = [&](auto chosen_norm) {
    using Norm = decltype(chosen_norm);
    bool there = false, back = false;  // which directions trees have answered
    if (trees_pay<Norm>(n, m, dim, 350)) {
      with_tree_dim<Norm>(dim, [&](auto chosen_dim) {
        constexpr int Dim = decltype(chosen_dim)::value;
        const Filled<T, Dim> xs(x, n, dim), ys(y, m, dim);
        const TreePair<T, Dim> trees(xs.points, n, ys.points, m, parallel);
        const NearestWalks<T, Dim, Norm> to_y(trees.x, trees.y, infinity<T>, x_distance, x_index);
        const NearestWalks<T, Dim, Norm> to_x(trees.y, trees.x, infinity<T>, y_distance, y_index);
        there = to_y.pay();
        back = to_x.pay();
        if (there) to_y.run(parallel);
        if (back) to_x.run(parallel);
      });
    }
    if (there && back) return;
    if (there) {
      nearest_of_all<T, Norm>(y, m, x, n, dim, y_distance, y_index, parallel);
    } else if (back) {
      nearest_of_all<T, Norm>(x, n, y, m, dim, x_distance, x_index, parallel);
    } else if (dim > 3) {
      nearest_both_brute<T, Norm, 0>(x, n, y, m, dim, x_distance, x_index, y_distance, y_index,
                                     parallel);
    } else {
      const Filled<T, 3> xs(x, n, dim), ys(y, m, dim);
      nearest_both_brute<T, Norm, 3>(xs.points, n, ys.points, m, 3, x_distance, x_index, y_distance,
                                     y_index, parallel);
    }
  };
  norm == 1 ? run(L1{}) : run(SquaredL2{});
}

template <class T>
void knn(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int64_t k, int norm, T limit,
         const void* built, T* distance, int64_t* index, const Parallel& parallel) {
  if (n == 0) return;
  if (k == 1)
    return nearest_with<T>(built, x, n, y, m, dim, norm, limit, distance, index, parallel);
  const auto run = [&](auto chosen_norm, auto chosen_best) {
    using Norm = decltype(chosen_norm);
    using Best = typename decltype(chosen_best)::Type;
    bool done = false;
    if (trees_pay<Norm>(n, m, dim, 100, built != nullptr)) {
      with_tree_dim<Norm>(dim, [&](auto chosen_dim) {
        constexpr int Dim = decltype(chosen_dim)::value;
        const auto walk = [&](const TreeView<T, Dim>& from, const TreeView<T, Dim>& to) {
          const KnnWalks<T, Dim, Norm, Best> walks(from, to, k, limit, distance, index);
          done = walks.pay();
          if (done) walks.run(parallel);
        };
        const Filled<T, Dim> xs(x, n, dim);
        if (built != nullptr) {
          walk(Tree<T, Dim>(xs.points, n, parallel), built_tree<T, Dim>(built, m));
        } else if (x == y && n == m) {
          const Tree<T, Dim> tree(xs.points, n, parallel);
          walk(tree, tree);
        } else {
          const Filled<T, Dim> ys(y, m, dim);
          const TreePair<T, Dim> trees(xs.points, n, ys.points, m, parallel);
          walk(trees.x, trees.y);
        }
      });
    }
    if (done) return;
    if (dim > 3) {
      knn_brute<T, Norm, 0, Best>(x, n, y, m, dim, k, limit, distance, index, parallel);
    } else {
      const Filled<T, 3> xs(x, n, dim), ys(y, m, dim);
      knn_brute<T, Norm, 3, Best>(xs.points, n, ys.points, m, 3, k, limit, distance, index,
                                  parallel);
    }
  };
  const auto with_best = [&](auto best) { norm == 1 ? run(L1{}, best) : run(SquaredL2{}, best); };
  k <= RankedBest<T>::most_k ? with_best(Tag<RankedBest<T>>{}) : with_best(Tag<MergedBest<T>>{});
}

}  // namespace nvc3d::NVC3D_ISA
