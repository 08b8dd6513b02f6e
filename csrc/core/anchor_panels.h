// Anchors laid out for assign_anchors: in panels of 12, coordinate by coordinate, each anchor with
// the score that its sum starts from.
#pragma once

#include "scratch.h"

namespace nvc3d::NVC3D_ISA {

template <class T>
constexpr bool scores_are_distances = sizeof(T) == sizeof(double);

template <class T>
struct AnchorPanels {
  static constexpr int width = 12;  // anchors; a multiple of every tile's

  int64_t count, dim, panels;
  Scratch<T> centre;  // (dim,) what anchors and latents are moved by
  T longest = 0;      // the largest squared length of an anchor, once moved
  Scratch<T> values;  // (panels, dim, width), and some more that may be read
  Scratch<T> start;   // (panels, width), likewise: infinite past the last anchor, which never wins

  AnchorPanels(const T* anchors, int64_t m, int64_t dimension)
      : count(m),
        dim(dimension),
        panels((m + width - 1) / width),
        centre(dimension),
        values(panels * dimension * width + lanes),
        start(panels * width + lanes) {
    for (int64_t d = 0; d < dim; ++d) centre[d] = 0;
    if constexpr (!scores_are_distances<T>) choose_centre(anchors);
    for (int64_t j = 0; j < panels * width; ++j) pack(j < count ? anchors + j * dim : nullptr, j);
    for (int i = 0; i < lanes; ++i) {
      values[panels * dim * width + i] = 0;
      start[panels * width + i] = infinity<T>;
    }
  }

  // Coordinates of anchor j: `width` values further on is its next one.
  const T* anchor(int64_t j) const { return values.data() + j / width * dim * width + j % width; }

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
    for (int64_t d = 0; offset > reach && d < dim; ++d) centre[d] = static_cast<T>(mean[d]);
  }

  void pack(const T* anchor, int64_t j) {
    T* to = values.data() + j / width * dim * width + j % width;
    double length = 0;
    for (int64_t d = 0; d < dim; ++d) {
      const T value = anchor ? anchor[d] - centre[d] : 0;
      to[d * width] = scores_are_distances<T> ? value : -2 * value;
      length += static_cast<double>(value) * static_cast<double>(value);
    }
    start[j] = !anchor ? infinity<T> : scores_are_distances<T> ? 0 : static_cast<T>(length);
    if (anchor) longest = most(longest, start[j]);
  }
};

}  // namespace nvc3d::NVC3D_ISA
