// Anchors laid out for assign_anchors: in panels of one or two vectors, coordinate by coordinate,
// each anchor with the score that its sum starts from.
#pragma once

#include <cmath>

#include "scratch.h"

namespace nvc3d::NVC3D_ISA {

template <class T>
constexpr bool scores_are_distances = sizeof(T) == sizeof(double);

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

// The first `count` of 16 values as U, zeros after them.
template <class U, class T>
NVC3D_INLINE Vec<U> load_part(const T* from, int64_t count) {
  U values[lanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = from[i];
  return Vec<U>::load(values);
}

template <class T>
struct AnchorPanels {
  int64_t count, dim, width, panels;
  int64_t stride;      // of a row that is as long as an anchor: an odd number of vectors
  Scratch<T> centre;   // (stride,) what anchors and latents are moved by
  bool moved = false;  // whether that is anything at all
  T longest = 0;       // the largest squared length of an anchor, once moved
  Scratch<T> values;   // (panels, dim, width)
  Scratch<T> offsets;  // (panels, width): infinite past the last anchor, which thus never wins

  AnchorPanels(const T* anchors, int64_t m, int64_t dimension, int64_t panel_width)
      : count(m),
        dim(dimension),
        width(panel_width),
        panels((m + panel_width - 1) / panel_width),
        stride(((dimension + lanes - 1) / lanes | 1) * lanes),
        centre(stride),
        values(panels * dimension * panel_width),
        offsets(panels * panel_width) {
    for (int64_t d = 0; d < stride; ++d) centre[d] = 0;
    if constexpr (!scores_are_distances<T>) choose_centre(anchors);
    for (int64_t j = 0; j < panels * width; ++j) pack(j < count ? anchors + j * dim : nullptr, j);
  }

  const T* panel(int64_t p) const { return values.data() + p * dim * width; }
  const T* panel_offsets(int64_t p) const { return offsets.data() + p * width; }

 private:
  // The anchors' mean, where it is farther from the origin than any anchor is from it; else the
  // origin, for then moving would not narrow the scores by much.
  void choose_centre(const T* anchors) {
    Scratch<double> mean(dim);
    for (int64_t d = 0; d < dim; ++d) mean[d] = 0;
    for (int64_t j = 0; j < count; ++j) {
      for (int64_t d = 0; d < dim; ++d) mean[d] += anchors[j * dim + d];
    }
    double offset = 0, reach = 0;
    for (int64_t d = 0; d < dim; ++d) {
      mean[d] /= static_cast<double>(count);
      offset += mean[d] * mean[d];
    }
    for (int64_t j = 0; j < count; ++j) {
      double length = 0;
      for (int64_t d = 0; d < dim; ++d) {
        const double value = anchors[j * dim + d] - mean[d];
        length += value * value;
      }
      reach = most(reach, length);
    }
    moved = offset > reach;
    for (int64_t d = 0; moved && d < dim; ++d) centre[d] = static_cast<T>(mean[d]);
  }

  void pack(const T* anchor, int64_t j) {
    T* to = values.data() + j / width * dim * width + j % width;
    double length = 0;
    for (int64_t d = 0; d < dim; ++d) {
      const T value = anchor ? anchor[d] - centre[d] : 0;
      to[d * width] = scores_are_distances<T> ? value : -2 * value;
      length += static_cast<double>(value) * static_cast<double>(value);
    }
    offsets[j] = !anchor ? infinity<T> : scores_are_distances<T> ? 0 : static_cast<T>(length);
    if (anchor) longest = most(longest, offsets[j]);
  }
};

}  // namespace nvc3d::NVC3D_ISA
