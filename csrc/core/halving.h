// The order of points by halving, for more than three coordinates: points are split in two along
// the axis in which they are widest, and so are the halves, until 16 are left.
//
// A tree of boxes takes its boxes from runs of 16 points, 256 and so on: splits fall on whole boxes
// of the level that is being split, as near to the middle as these allow.
#pragma once

#include "kernels.h"
#include "scratch.h"

namespace nvc3d::NVC3D_ISA {

template <class T, int Dim>
class HalvedOrder {
 public:
  explicit HalvedOrder(int64_t n) : items_(n), spare_(n) {}

  // Writes the indices of points (n, Dim) to `order`; in any order once the call is off.
  void sort(const T* points, int32_t* order, const Parallel& parallel) {
    points_ = points;
    parallel_ = &parallel;
    const int64_t n = items_.size();
    for (int64_t i = 0; i < n; ++i) items_[i].index = static_cast<int32_t>(i);
    split(0, n);
    for (int64_t i = 0; i < n; ++i) order[i] = items_[i].index;
  }

 private:
  struct Item {
    T value;  // along the axis of the current split
    int32_t index;
  };
  static constexpr int64_t rarely = 1 << 16;  // items that are split without asking

  void split(int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    if (count <= lanes || (count > rarely && parallel_->cancelled())) return;
    int64_t box = lanes;
    while (box * lanes < count) box *= lanes;
    const int64_t middle = begin + (count + box - 1) / box / 2 * box;
    const int axis = widest(begin, end);
    for (int64_t i = begin; i < end; ++i) {
      items_[i].value = points_[int64_t{Dim} * items_[i].index + axis];
    }
    select_around(begin, end, middle);
    split(begin, middle);
    split(middle, end);
  }

  // Of a sample: any axis gives right answers. All coordinates are taken a quarter as large, so
  // that no difference overflows.
  int widest(int64_t begin, int64_t end) const {
    constexpr int64_t sample = 96;
    const int64_t step = most<int64_t>(1, (end - begin) / sample);
    T lower[Dim], upper[Dim];
    for (int axis = 0; axis < Dim; ++axis) {
      lower[axis] = infinity<T>;
      upper[axis] = -infinity<T>;
    }
    for (int64_t i = begin; i < end; i += step) {
      const T* const p = points_ + int64_t{Dim} * items_[i].index;
      for (int axis = 0; axis < Dim; ++axis) {
        lower[axis] = least(p[axis], lower[axis]);
        upper[axis] = most(p[axis], upper[axis]);
      }
    }
    int found = 0;
    T extent = 0;
    for (int axis = 0; axis < Dim; ++axis) {
      const T here = upper[axis] / 4 - lower[axis] / 4;
      if (here > extent) {
        extent = here;
        found = axis;
      }
    }
    return found;
  }

  // No item before `middle` has a larger value than one behind it. Each round leaves out what lies
  // on the other side of a value, the middle one of three that are drawn.
  void select_around(int64_t begin, int64_t end, int64_t middle) {
    while (end - begin > 1) {
      const T a = drawn(begin, end), b = drawn(begin, end), c = drawn(begin, end);
      const T pivot = most(least(a, b), least(most(a, b), c));
      const int64_t below = partition(
          begin, end, [&](T value) __attribute__((always_inline)) { return value < pivot; });
      if (middle < below) {
        end = below;
        continue;
      }
      const int64_t above = partition(
          below, end, [&](T value) __attribute__((always_inline)) { return !(value > pivot); });
      if (middle < above) return;  // between equal ones, or NaN
      begin = above;
    }
  }

  T drawn(int64_t begin, int64_t end) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return items_[begin + static_cast<int64_t>((state_ >> 33) % static_cast<uint64_t>(end - begin))]
        .value;
  }

  // Puts the items that come first to the front, in their order; returns where they end.
  template <class First>
  NVC3D_INLINE int64_t partition(int64_t begin, int64_t end, const First& first) {
    int64_t front = begin, back = 0;
    for (int64_t i = begin; i < end; ++i) {
      const Item item = items_[i];
      const bool here = first(item.value);
      items_[front] = item;  // never behind i
      spare_[back] = item;
      front += here;
      back += !here;
    }
    for (int64_t i = 0; i < back; ++i) items_[front + i] = spare_[i];
    return front;
  }

  const T* points_ = nullptr;
  const Parallel* parallel_ = nullptr;
  uint64_t state_ = 1;
  Scratch<Item> items_, spare_;
};

}  // namespace nvc3d::NVC3D_ISA
