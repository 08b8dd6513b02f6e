// A tree of boxes over a cloud of Dim coordinates, 16 to 1 at every step.
//
// Points stand in an order in which neighbours are near in space: along a curve in three
// dimensions, by halving in more; each 16 of them are a leaf. The bounding
// boxes of 16 leaves stand together as one group, the boxes around those groups again in groups of
// 16, and so on until one group is left: one vector operation compares all boxes of a group.
// Nothing points anywhere: box c of group g belongs to leaf (or group below) 16 g + c.
#pragma once

#include <type_traits>

#include "curve.h"
#include "distance.h"
#include "halving.h"
#include "kernels.h"

namespace nvc3d::NVC3D_ISA {

// 16 points in the order of their indices. Places past the cloud's end lie at infinity, with
// no_index.
template <class T, int Dim>
struct Leaf {
  T at[Dim][lanes];
  int32_t index[lanes];
};

// 16 boxes. Places past the last box are empty: at infinite distance from all, with no_index.
template <class T, int Dim>
struct Group {
  T lower[Dim][lanes];
  T upper[Dim][lanes];
  int32_t least_index[lanes];  // of the points inside
};

// From boxes with corners lower and upper (for points: the same) to the 16 boxes of a group.
// No point inside one of them is nearer, bit for bit.
template <class Norm, class T, int Dim>
NVC3D_INLINE Vec<T> box_distance(const Group<T, Dim>& group, const Vec<T> (&lower)[Dim],
                                 const Vec<T> (&upper)[Dim]) {
  return distance_of<Norm, Dim>([&](int axis) __attribute__((always_inline)) {
    return max(max(Vec<T>::load(group.lower[axis]) - upper[axis],
                   lower[axis] - Vec<T>::load(group.upper[axis])),
               Vec<T>::all(0));
  });
}

// From 16 points to box c of a group.
template <class Norm, class T, int Dim>
NVC3D_INLINE Vec<T> distances_to_box(const Group<T, Dim>& group, int c, const Vec<T> (&at)[Dim]) {
  return distance_of<Norm, Dim>([&](int axis) __attribute__((always_inline)) {
    return max(max(Vec<T>::all(group.lower[axis][c]) - at[axis],
                   at[axis] - Vec<T>::all(group.upper[axis][c])),
               Vec<T>::all(0));
  });
}

// From one point, coordinate by coordinate in all lanes, to the 16 of a leaf.
template <class Norm, class T, int Dim, class At>
NVC3D_INLINE Vec<T> distances_to_leaf(const Leaf<T, Dim>& leaf, const At& at) {
  return distance_of<Norm, Dim>([&](int axis) __attribute__((always_inline)) {
    return Vec<T>::load(leaf.at[axis]) - at(axis);
  });
}

// Where the parts of a tree lie, in memory of whoever keeps it: the same bytes for every
// instruction set.
template <class T, int Dim>
struct TreeView {
  static constexpr int most_levels = 8;  // 16^8 leaves

  int64_t points;
  int64_t leaves;
  int levels = 0;
  Leaf<T, Dim>* leaf;
  struct Level {
    int64_t boxes = 0;  // all but the last group are full
    int64_t groups = 0;
    Group<T, Dim>* group;
  };
  Level level[most_levels];  // level 0 bounds the leaves; the last one has a single group

  // Of n points, n >= 1; memory of bytes(n), or nullptr, only to count them.
  TreeView(int64_t n, char* memory) : points(n), leaves((n + lanes - 1) / lanes) { place(memory); }

  static int64_t bytes(int64_t n) { return TreeView(n, nullptr).place(nullptr); }

  // Returns how many bytes the tree takes.
  int64_t place(char* memory) {
    leaf = reinterpret_cast<Leaf<T, Dim>*>(memory);
    int64_t taken = leaves * sizeof(Leaf<T, Dim>);
    levels = 0;
    for (int64_t boxes = leaves; levels == 0 || boxes > 1; ++levels) {
      const int64_t groups = (boxes + lanes - 1) / lanes;
      level[levels] = {
          boxes, groups,
          reinterpret_cast<Group<T, Dim>*>(memory == nullptr ? nullptr : memory + taken)};
      taken += groups * sizeof(Group<T, Dim>);
      boxes = groups;
    }
    return taken;
  }
};

// A tree that is made here.
template <class T, int Dim>
class Tree : public TreeView<T, Dim> {
 public:
  using View = TreeView<T, Dim>;
  using View::points, View::leaves, View::levels, View::leaf, View::level;

  // Takes all memory for n points, n >= 1, but that of the tree where it is given; then sort() and
  // fill() make the tree, and cannot fail.
  explicit Tree(int64_t n, char* memory = nullptr)
      : View(n, nullptr),
        memory_(memory == nullptr ? View::bytes(n) : 0),
        order_(round_up<int64_t>(n, lanes * lanes)),
        sorted_(n) {
    this->place(memory == nullptr ? memory_.data() : memory);
  }

  // cloud (n, Dim).
  Tree(const T* cloud, int64_t n, const Parallel& parallel) : Tree(n) {
    sort(cloud, parallel);
    fill(cloud, parallel);
  }

  void sort(const T* cloud, const Parallel& parallel) {
    sorted_.sort(cloud, order_.data(), parallel);
    for (int64_t i = points; i < order_.size(); ++i) order_[i] = no_index;
  }

  void fill(const T* cloud, const Parallel& parallel) {
    parallel(level[0].groups, 32, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; ++g) fill_leaves(cloud, g, order_.data());
    });
    for (int h = 1; h < levels; ++h) {
      for (int64_t g = 0; g < level[h].groups; ++g) fill_group(h, g);
    }
  }

 private:
  // The 16 leaves of a group and their boxes.
  void fill_leaves(const T* cloud, int64_t g, int32_t* order) {
    int32_t* const mine = order + g * lanes * lanes;
    sort_each_16(mine);
    Group<T, Dim>& group = level[0].group[g];
    for (int c = 0; c < lanes; ++c) {
      const int64_t l = g * lanes + c;
      if (l >= leaves) {
        set_empty(group, c);
        continue;
      }
      for (int i = 0; i < lanes; ++i) {
        const int32_t index = mine[c * lanes + i];
        leaf[l].index[i] = index;
        for (int axis = 0; axis < Dim; ++axis) {
          leaf[l].at[axis][i] =
              index == no_index ? infinity<T> : cloud[int64_t{Dim} * index + axis];
        }
      }
      for (int axis = 0; axis < Dim; ++axis) {
        const Vec<T> at = Vec<T>::load(leaf[l].at[axis]);
        group.lower[axis][c] = reduce_min(at);
        group.upper[axis][c] =
            reduce_max(select(at < Vec<T>::all(infinity<T>), at, Vec<T>::all(-infinity<T>)));
      }
      group.least_index[c] = leaf[l].index[0];
    }
  }

  // A group one level up.
  void fill_group(int h, int64_t g) {
    Group<T, Dim>& group = level[h].group[g];
    for (int c = 0; c < lanes; ++c) {
      if (g * lanes + c >= level[h].boxes) {
        set_empty(group, c);
        continue;
      }
      const Group<T, Dim>& below = level[h - 1].group[g * lanes + c];
      for (int axis = 0; axis < Dim; ++axis) {
        group.lower[axis][c] = reduce_min(Vec<T>::load(below.lower[axis]));
        group.upper[axis][c] = reduce_max(Vec<T>::load(below.upper[axis]));
      }
      group.least_index[c] = reduce_min(Ints::load(below.least_index));
    }
  }

  static void set_empty(Group<T, Dim>& group, int c) {
    for (int axis = 0; axis < Dim; ++axis) {
      group.lower[axis][c] = infinity<T>;
      group.upper[axis][c] = -infinity<T>;
    }
    group.least_index[c] = no_index;
  }

  // Sorts 16 runs of 16 indices at once, each in a lane of its own: Batcher's odd-even merge sort.
  static void sort_each_16(int32_t* indices) {
    int32_t column[lanes][lanes];
    for (int run = 0; run < lanes; ++run) {
      for (int i = 0; i < lanes; ++i) column[i][run] = indices[run * lanes + i];
    }
    const auto compare = [&](int a, int b) {
      const Ints low = Ints::load(column[a]), high = Ints::load(column[b]);
      const Mask<float> swap = less<float>(high, low);
      select(swap, high, low).store(column[a]);
      select(swap, low, high).store(column[b]);
    };
    for (int p = 1; p < lanes; p *= 2) {
      for (int k = p; k >= 1; k /= 2) {
        for (int j = k % p; j + k < lanes; j += 2 * k) {
          for (int i = j; i < least(j + k, lanes - k); ++i) {
            if (i / (2 * p) == (i + k) / (2 * p)) compare(i, i + k);
          }
        }
      }
    }
    for (int run = 0; run < lanes; ++run) {
      for (int i = 0; i < lanes; ++i) indices[run * lanes + i] = column[i][run];
    }
  }

  Scratch<char> memory_;
  Scratch<int32_t> order_;
  using Order = std::conditional_t<Dim == 3, CurveOrder<T>, HalvedOrder<T, Dim>>;
  Order sorted_;
};

// The trees of two clouds, sorted side by side.
template <class T, int Dim>
struct TreePair {
  Tree<T, Dim> x, y;

  TreePair(const T* x_cloud, int64_t n, const T* y_cloud, int64_t m, const Parallel& parallel)
      : x(n), y(m) {
    parallel(2, 1, [&](int64_t begin, int64_t end) {
      if (begin == 0) x.sort(x_cloud, parallel);
      if (end == 2) y.sort(y_cloud, parallel);
    });
    x.fill(x_cloud, parallel);
    y.fill(y_cloud, parallel);
  }
};

}  // namespace nvc3d::NVC3D_ISA
