// The search of a tree for 16 queries at once: a packet, the points of one leaf of their own tree.
//
// Queries that are close in space want almost the same leaves. The packet walks down the tree as
// one box, nearest boxes first, and leaves out each box farther than the worst that any of its
// queries has found; at a leaf it asks once more, query by query. What is kept as found, and what
// is the worst of it, is the affair of Found:
//
//   Vec<T> worst, Ints worst_index       of each query: only what is below this pair can enter
//   bool looks_are_dear                  whether boxes are best taken strictly nearest first, and
//                                        not only the first of them
//   void look(packet, leaf, l, wanted)   compares the wanted queries (bits) with all points of
//                                        leaf number l
//
// Exact: a box is skipped only if it is farther than the worst, or as far and without an index low
// enough to win the tie (distance.h says why no margin is needed).
#pragma once

#include "tree.h"

namespace nvc3d::NVC3D_ISA {

template <class T, int Dim>
struct Packet {
  Vec<T> at[Dim];                 // of the 16 queries
  Vec<T> lower[Dim], upper[Dim];  // corners of the box around them, in all lanes
  T query[Dim][lanes];            // `at` once more, for reading one query
  int valid;                      // queries; the lanes above repeat the first one

  Packet(const Leaf<T, Dim>& leaf, int64_t count)
      : valid(static_cast<int>(least<int64_t>(count, lanes))) {
    const Mask<T> real = Mask<T>::from_bits((1u << valid) - 1);
    for (int axis = 0; axis < Dim; ++axis) {
      at[axis] = select(real, Vec<T>::load(leaf.at[axis]), Vec<T>::all(leaf.at[axis][0]));
      at[axis].store(query[axis]);
      lower[axis] = Vec<T>::all(reduce_min(at[axis]));
      upper[axis] = Vec<T>::all(reduce_max(at[axis]));
    }
  }

  // From query q to the points of a leaf.
  template <class Norm>
  NVC3D_INLINE Vec<T> distances(int q, const Leaf<T, Dim>& leaf) const {
    return distances_to_leaf<Norm>(
        leaf, [&](int axis) __attribute__((always_inline)) { return Vec<T>::all(query[axis][q]); });
  }
};

template <class T, int Dim, class Norm, class Found>
class PacketSearch {
 public:
  PacketSearch(const TreeView<T, Dim>& tree, const Packet<T, Dim>& packet, Found& found)
      : tree_(tree), packet_(packet), found_(found) {}

  // Looks at leaves begin .. end - 1 first, where near points are expected, then wherever else
  // something better may be. Returns how much work that was, in comparisons of 16 distances; in
  // three dimensions, where a walk always pays, nothing is counted.
  int64_t run(int64_t begin, int64_t end) {
    seen_begin_ = begin;
    seen_end_ = end;
    for (int64_t l = begin; l < end; ++l) found_.look(packet_, tree_.leaf[l], l, 0xFFFF);
    bound_ = reduce_max(found_.worst);
    steps_ += (end - begin) * lanes;
    walk(tree_.levels - 1, 0);
    return steps_;
  }

 private:
  void walk(int h, int64_t g) {
    const Group<T, Dim>& group = tree_.level[h].group[g];
    const Vec<T> distance = box_distance<Norm>(group, packet_.lower, packet_.upper);
    if constexpr (Dim > 3) steps_ += 2;
    const Ints least_index = Ints::load(group.least_index);
    // Coordinates that are not finite could make even an empty box seem near.
    const Mask<T> real = less<T>(least_index, Ints::all(no_index));
    uint32_t open = ((distance <= Vec<T>::all(bound_)) & real).bits();
    const uint32_t level_with_bound = (distance == Vec<T>::all(bound_)).bits();
    if (open & level_with_bound) {
      const Ints tie = Ints::all(reduce_max(found_.worst_index));
      open &= ~level_with_bound | less<T>(least_index, tie).bits();
    }
    if (!open) return;
    T at[lanes];
    distance.store(at);
    const uint32_t nearest =
        (distance == Vec<T>::all(reduce_min(distance))).bits() & open;  // 0 if all are NaN
    int c = lowest_bit(nearest ? nearest : open);
    for (;;) {
      if (at[c] <= bound_) {
        if (h > 0) {
          walk(h - 1, g * lanes + c);
        } else {
          look(group, g * lanes + c, c);
        }
      }
      open &= ~(1u << c);
      if (!open) break;
      c = Found::looks_are_dear ? nearest_of(distance, open) : lowest_bit(open);
    }
  }

  // `open` boxes have a distance that is a number.
  static NVC3D_INLINE int nearest_of(Vec<T> distance, uint32_t open) {
    distance = select(Mask<T>::from_bits(open), distance, Vec<T>::all(infinity<T>));
    return lowest_bit((distance == Vec<T>::all(reduce_min(distance))).bits() & open);
  }

  NVC3D_INLINE void look(const Group<T, Dim>& group, int64_t l, int c) {
    if (l >= seen_begin_ && l < seen_end_) return;
    const Vec<T> distance = distances_to_box<Norm>(group, c, packet_.at);
    const Mask<T> tied =
        (distance == found_.worst) & less<T>(Ints::all(group.least_index[c]), found_.worst_index);
    const uint32_t wanted = ((distance < found_.worst) | tied).bits();
    if constexpr (Dim > 3) steps_ += 2 + count_bits(wanted);
    if (!wanted) return;
    found_.look(packet_, tree_.leaf[l], l, wanted);
    bound_ = reduce_max(found_.worst);
  }

  const TreeView<T, Dim>& tree_;
  const Packet<T, Dim>& packet_;
  Found& found_;
  T bound_ = infinity<T>;
  int64_t seen_begin_ = 0, seen_end_ = 0, steps_ = 0;
};

// Whether walks through a tree pay for the packets of another one, against comparing all pairs:
// some of them are walked, search(leaf, start) each, which gives the work. In many dimensions
// this depends on how the points lie, and nothing but a trial tells.
template <class T, int Dim, class Search>
bool walks_pay(const TreeView<T, Dim>& x, const TreeView<T, Dim>& y, const Search& search) {
  if constexpr (Dim == 3) return true;
  constexpr int64_t dearer = 3;  // than a comparison of all pairs
  const int64_t trials = least<int64_t>(8, x.leaves);
  int64_t work = 0;
  for (int64_t i = 0; i < trials; ++i) {
    const int64_t leaf = x.leaves * i / trials;
    int64_t start = 0;
    search(leaf, start);  // now it is known where to begin, as it will be after another packet
    work += search(leaf, start);
  }
  return dearer * work < trials * lanes * y.leaves;
}

}  // namespace nvc3d::NVC3D_ISA
