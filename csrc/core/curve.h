// The order of points along a Hilbert curve: what is near on the curve is near in space.
//
// The bounding cube is cut into cells, each point gets the number of its cell along the curve, and
// a radix sort puts the points in the order of these numbers. Where more points than a leaf holds
// share a cell, they are sorted again in the same way, within a bounding cube of their own: so a
// tiny cluster in a wide cloud costs one more round instead of one crowded cell.
#pragma once

#include "hilbert.h"
#include "kernels.h"
#include "scratch.h"

namespace nvc3d::NVC3D_ISA {

// The number of each cell (x, y, z) along the curve, for up to 10 bits each way.
NVC3D_INLINE Ints hilbert_number(Ints x, Ints y, Ints z, int bits) {
  to_hilbert(x, y, z, bits, [](int32_t value) { return Ints::all(value); });
  // Two zeros between any two bits.
  const auto spread = [](Ints a) __attribute__((always_inline)) {
    a = (a | a << 16) & Ints::all(0x030000FF);
    a = (a | a << 8) & Ints::all(0x0300F00F);
    a = (a | a << 4) & Ints::all(0x030C30C3);
    return (a | a << 2) & Ints::all(0x09249249);
  };
  return spread(x) << 2 | spread(y) << 1 | spread(z);
}

template <class T>
class CurveOrder {
 public:
  explicit CurveOrder(int64_t n) : items_(n), spare_(n) {}

  // Writes the indices of points (n, 3) to `order`, sorted; in any order once the call is off.
  void sort(const T* points, int32_t* order, const Parallel& parallel) {
    points_ = points;
    parallel_ = &parallel;
    const int64_t n = items_.size();
    for (int64_t i = 0; i < n; ++i) items_[i] = static_cast<uint64_t>(i);
    sort(0, n);
    for (int64_t i = 0; i < n; ++i) order[i] = static_cast<int32_t>(items_[i]);
  }

 private:
  static constexpr int64_t rarely = 1 << 16;  // items that are sorted without asking

  // An item is a cell number above the 32 bits of an index.
  static uint32_t cell(uint64_t item) { return static_cast<uint32_t>(item >> 32); }
  const T* point(uint64_t item) const { return points_ + int64_t{3} * static_cast<int32_t>(item); }

  void sort(int64_t begin, int64_t end) {
    const int64_t count = end - begin;
    if (count > rarely && parallel_->cancelled()) return;
    const int bits = count <= 8192 ? 6 : count <= 131072 ? 7 : 10;  // each way
    if (!number_cells(begin, end, bits)) return;
    if (count <= 64) {
      insertion_sort(begin, end);
    } else {
      radix_sort(begin, end, bits == 6 ? 9 : bits == 7 ? 11 : 10, bits == 10 ? 3 : 2);
    }
    for (int64_t first = begin, next; first < end; first = next) {
      next = first + 1;
      while (next < end && cell(items_[next]) == cell(items_[first])) ++next;
      if (next - first > lanes && next - first < count) sort(first, next);
    }
  }

  // False if the points cannot be told apart. All coordinates are taken a quarter as large, so
  // that no difference overflows.
  bool number_cells(int64_t begin, int64_t end, int bits) {
    T lower[3] = {infinity<T>, infinity<T>, infinity<T>};
    T upper[3] = {-infinity<T>, -infinity<T>, -infinity<T>};
    for (int64_t i = begin; i < end; ++i) {
      const T* p = point(items_[i]);
      for (int axis = 0; axis < 3; ++axis) {
        lower[axis] = least(p[axis], lower[axis]);
        upper[axis] = most(p[axis], upper[axis]);
      }
    }
    T extent = 0;
    for (int axis = 0; axis < 3; ++axis) {
      extent = most(upper[axis] / 4 - lower[axis] / 4, extent);
    }
    const T cells = static_cast<T>(1 << bits);
    const T scale = cells / extent;
    if (!(extent > 0 && scale > 0 && scale < infinity<T>)) return false;

    for (int64_t start = begin; start < end; start += lanes) {
      T at[3][lanes];
      int32_t number[lanes];
      for (int i = 0; i < lanes; ++i) {
        const T* p = point(items_[least(start + i, end - 1)]);
        for (int axis = 0; axis < 3; ++axis) at[axis][i] = p[axis];
      }
      const auto cell_of = [&](int axis) __attribute__((always_inline)) {
        const Vec<T> quarter = Vec<T>::load(at[axis]) * Vec<T>::all(T(0.25));
        const Vec<T> place = (quarter - Vec<T>::all(lower[axis] / 4)) * Vec<T>::all(scale);
        // In this order a NaN becomes 0.
        return truncate(min(max(place, Vec<T>::all(0)), Vec<T>::all(cells - 1)));
      };
      hilbert_number(cell_of(0), cell_of(1), cell_of(2), bits).store(number);
      for (int i = 0; i < lanes && start + i < end; ++i) {
        uint64_t& item = items_[start + i];
        item = static_cast<uint64_t>(number[i]) << 32 | static_cast<uint32_t>(item);
      }
    }
    return true;
  }

  void insertion_sort(int64_t begin, int64_t end) {
    for (int64_t i = begin + 1; i < end; ++i) {
      const uint64_t item = items_[i];
      int64_t place = i;
      for (; place > begin && items_[place - 1] > item; --place) items_[place] = items_[place - 1];
      items_[place] = item;
    }
  }

  // Stable, so that equal cells keep the order of their indices.
  void radix_sort(int64_t begin, int64_t end, int digit_bits, int digits) {
    const int buckets = 1 << digit_bits;
    const auto digit = [&](uint64_t item, int d) {
      return cell(item) >> (d * digit_bits) & (buckets - 1);
    };
    for (int d = 0; d < digits; ++d) {
      for (int b = 0; b < buckets; ++b) count_[d][b] = 0;
    }
    for (int64_t i = begin; i < end; ++i) {
      for (int d = 0; d < digits; ++d) ++count_[d][digit(items_[i], d)];
    }
    for (int d = 0; d < digits; ++d) {
      if (end - begin > rarely && parallel_->cancelled()) return;
      int32_t place = 0;
      for (int b = 0; b < buckets; ++b) {
        const int32_t here = count_[d][b];
        count_[d][b] = place;
        place += here;
      }
      for (int64_t i = begin; i < end; ++i) {
        spare_[begin + count_[d][digit(items_[i], d)]++] = items_[i];
      }
      if (end - begin == items_.size()) {
        exchange(items_, spare_);
      } else {
        for (int64_t i = begin; i < end; ++i) items_[i] = spare_[i];
      }
    }
  }

  const T* points_ = nullptr;
  const Parallel* parallel_ = nullptr;
  Scratch<uint64_t> items_, spare_;
  int32_t count_[3][1 << 11];  // by digit of the cell number and its value
};

}  // namespace nvc3d::NVC3D_ISA
