// Anchors laid out for assign_anchors: equal ones taken once, in panels of 12, coordinate by
// coordinate, each with the score that its sum starts from.
#pragma once

#include <cstring>

#include "scratch.h"

namespace nvc3d::NVC3D_ISA {

// The first anchor of all that are equal, in order: with the others a score could not but tie.
template <class T>
class DistinctAnchors {
 public:
  int64_t count = 0;
  const int64_t dim;

  DistinctAnchors(const T* anchors, int64_t m, int64_t dimension)
      : dim(dimension), anchors_(anchors), number_(m) {
    int64_t places = 4;
    while (places < 2 * m) places *= 2;
    Scratch<int32_t> table(places);  // of a distinct anchor, or -1
    Scratch<uint64_t> hashes(m);
    for (int64_t i = 0; i < places; ++i) table[i] = -1;
    for (int64_t j = 0; j < m; ++j) {
      const T* anchor = anchors + j * dim;
      const uint64_t hash = hash_of(anchor);
      int64_t at = static_cast<int64_t>(hash) & (places - 1);
      while (table[at] >= 0 && !(hashes[table[at]] == hash && equal((*this)[table[at]], anchor)))
        at = (at + 1) & (places - 1);
      if (table[at] >= 0) continue;
      table[at] = static_cast<int32_t>(count);
      hashes[count] = hash;
      number_[count++] = j;
    }
  }

  int64_t number(int64_t j) const { return number_[j]; }  // among all anchors
  const T* operator[](int64_t j) const { return anchors_ + number_[j] * dim; }

 private:
  // Equal values have equal hashes, whatever the sign of a zero.
  uint64_t hash_of(const T* anchor) const {
    constexpr int chains = 4;  // side by side: a multiplication takes its time
    constexpr uint64_t factor = 0x9E3779B97F4A7C15;
    uint64_t chain[chains] = {1, 2, 3, 4};
    for (int64_t d = 0; d < dim; ++d) {
      uint64_t& hash = chain[d % chains];
      hash = (hash ^ bits_of(anchor[d] + 0)) * factor;
    }
    uint64_t hash = 0;
    for (uint64_t part : chain) hash = (hash ^ part ^ part >> 32) * factor;
    return hash ^ hash >> 32;
  }
  static uint64_t bits_of(T value) {
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(value));
    return bits;
  }
  bool equal(const T* a, const T* b) const {
    for (int64_t d = 0; d < dim; ++d) {
      if (!(a[d] == b[d])) return false;
    }
    return true;
  }

  const T* anchors_;
  Scratch<int64_t> number_;
};

// 16 values as U.
template <class U, class T>
NVC3D_INLINE Vec<U> load_as(const T* from) {
  if constexpr (sizeof(U) == sizeof(T)) {
    return Vec<U>::load(from);
  } else {
    U values[lanes];
    for (int i = 0; i < lanes; ++i) values[i] = from[i];
    return Vec<U>::load(values);
  }
}

// Turns 16 coordinates of 16 points, so that each point has a lane, and moves them by a centre.
template <class T, class From>
NVC3D_INLINE void turn(const From* const* points, int64_t at, const T* centre, T* to,
                       int64_t stride) {
  Vec<From> vec[lanes];
  NVC3D_UNROLL
  for (int i = 0; i < lanes; ++i) vec[i] = Vec<From>::load(points[i] + at);
  if constexpr (sizeof(T) == sizeof(From)) {
    const Vec<T> origin = Vec<T>::load(centre + at);
    NVC3D_UNROLL
    for (int i = 0; i < lanes; ++i) vec[i] = vec[i] - origin;
    transpose(vec);
    NVC3D_UNROLL
    for (int i = 0; i < lanes; ++i) vec[i].store(to + i * stride);
  } else {
    transpose(vec);
    for (int i = 0; i < lanes; ++i) {
      From values[lanes];
      vec[i].store(values);
      (load_as<T>(values) - Vec<T>::all(centre[at + i])).store(to + i * stride);
    }
  }
}

// How a pair is scored: by |a|^2 - 2 z.a, which differs from |z - a|^2 by what all anchors share,
// or by |z - a|^2 itself.
enum class Form { product, distance };

// Panels for scores in T.
template <class T, Form form>
struct AnchorPanels {
  static constexpr int width = 12;  // anchors; a multiple of every tile's

  int64_t count, dim, panels;
  Scratch<T> centre;  // (dim,) what anchors and latents are moved by
  T longest = 0;      // the largest squared length of an anchor, once moved
  Scratch<T> values;  // (panels, dim, width), and a little that may be overwritten
  Scratch<T> start;   // (panels, width), likewise: infinite past the last anchor, which never wins

  template <class Anchor>
  explicit AnchorPanels(const DistinctAnchors<Anchor>& anchors)
      : count(anchors.count),
        dim(anchors.dim),
        panels((count + width - 1) / width),
        centre(dim),
        values(panels * dim * width + lanes),
        start(panels * width) {
    for (int64_t d = 0; d < dim; ++d) centre[d] = 0;
    if constexpr (form == Form::product) choose_centre(anchors);
    for (int64_t panel = 0; panel < panels; ++panel) pack(anchors, panel);
    for (int64_t j = 0; j < count; ++j) longest = most(longest, start[j]);
    for (int64_t j = count; j < start.size(); ++j) start[j] = infinity<T>;
  }

  // Coordinates of anchor j: `width` values further on is its next one.
  const T* anchor(int64_t j) const { return values.data() + j / width * dim * width + j % width; }

 private:
  // The anchors' mean, where it is farther from the origin than any anchor is from it; else the
  // origin, for then moving would not narrow the scores by much.
  template <class Anchor>
  void choose_centre(const DistinctAnchors<Anchor>& anchors) {
    Scratch<double> mean(dim);
    for (int64_t d = 0; d < dim; ++d) mean[d] = 0;
    for (int64_t j = 0; j < count; ++j) {
      const Anchor* anchor = anchors[j];
      for (int64_t d = 0; d < dim; ++d) mean[d] += anchor[d];
    }
    double offset = 0, reach = 0;
    for (int64_t d = 0; d < dim; ++d) {
      mean[d] /= static_cast<double>(count);
      offset += mean[d] * mean[d];
    }
    for (int64_t j = 0; j < count && reach < offset; ++j) {
      const Anchor* anchor = anchors[j];
      double length = 0;
      for (int64_t d = 0; d < dim; ++d) {
        const double value = anchor[d] - mean[d];
        length += value * value;
      }
      reach = most(reach, length);
    }
    for (int64_t d = 0; offset > reach && d < dim; ++d) centre[d] = static_cast<T>(mean[d]);
  }

  // Past the last anchor the panel repeats it, and every panel is followed by what may be
  // overwritten: the next one, or that little.
  template <class Anchor>
  void pack(const DistinctAnchors<Anchor>& anchors, int64_t panel) {
    const Anchor* anchor[lanes];
    for (int i = 0; i < lanes; ++i) anchor[i] = anchors[least(panel * width + i, count - 1)];
    T* to = values.data() + panel * dim * width;
    Vec<double> length = Vec<double>::all(0);
    for (int64_t first = 0; first < dim; first += lanes) {
      const int64_t part = least<int64_t>(lanes, dim - first);
      T turned[lanes][lanes];
      if (part == lanes) {
        turn(anchor, first, centre.data(), turned[0], lanes);
      } else {
        for (int64_t d = 0; d < part; ++d) {
          for (int i = 0; i < lanes; ++i) turned[d][i] = anchor[i][first + d] - centre[first + d];
        }
      }
      for (int64_t d = 0; d < part; ++d, to += width) {
        const Vec<T> value = Vec<T>::load(turned[d]);
        const Vec<double> wide = load_as<double>(turned[d]);
        length = fma(wide, wide, length);
        (form == Form::product ? value * Vec<T>::all(-2) : value).store(to);
      }
    }
    double lengths[lanes];
    length.store(lengths);
    for (int i = 0; i < width; ++i) {
      start[panel * width + i] = form == Form::product ? static_cast<T>(lengths[i]) : 0;
    }
  }
};

}  // namespace nvc3d::NVC3D_ISA
