// The nearest anchor of every latent: a matrix product whose result is never stored.
//
// Float uses |z - a|^2 = |z|^2 + (|a|^2 - 2 z.a): only the bracket, the score, depends on the
// anchor, and it costs one fused multiply-add per coordinate. A tile of rows times one panel of
// anchors is scored in registers, and each lane keeps its least two scores.
//
// Why the index is exact all the same. The error of a score is bounded by counting roundings. A row
// whose second best score is within twice that bound of the best is decided again, in double,
// among all anchors that may have won. Anchors and latents are first moved by the anchors' mean
// where they lie far from the origin: else the bound would be too wide to decide anything. The
// squared distance is computed from the original coordinates of the winner.
//
// Double scores a pair by its distance itself, coordinate by coordinate as distance.h defines it:
// there is nothing left to decide again.
#pragma once

#include "anchor_panels.h"
#include "kernels.h"

namespace nvc3d::NVC3D_ISA {

// A tile that fills the register file: rows * columns sums beside one coordinate of the anchors.
template <class T, bool Narrow>
struct AnchorTile {
  static constexpr bool many_registers = NVC3D_SELECT(NVC3D_ISA) == 2;
  static constexpr bool is_double = sizeof(T) == sizeof(double);
  static constexpr int columns = many_registers && !is_double && !Narrow ? 2 : 1;
  static constexpr int rows = many_registers ? (is_double ? 12 : 24 / columns) : is_double ? 3 : 6;
};

// Latents as the tiles read them: a row every `stride` values.
template <class T>
struct LatentRows {
  const T* first;
  int64_t stride;
};

// What one worker keeps of the rows it works on.
template <class T>
struct RowBlock {
  T* copy;          // (rows, panels.stride)
  T* best;          // (rows, 16) each lane's least score
  T* second;        // (rows, 16) each lane's least score but that one
  int32_t* column;  // (rows, 16) where each lane found its best: the anchor of lane 0 there
};

template <class T>
class RowBlocks {
 public:
  RowBlocks(int64_t workers, int64_t rows, int64_t stride)
      : rows_(rows),
        copied_(rows * stride),
        values_(workers * (copied_ + 2 * rows * lanes)),
        columns_(workers * rows * lanes) {}

  RowBlock<T> of(int64_t worker) {
    T* copy = values_.data() + worker * (copied_ + 2 * rows_ * lanes);
    T* best = copy + copied_;
    return {copy, best, best + rows_ * lanes, columns_.data() + worker * rows_ * lanes};
  }

 private:
  int64_t rows_, copied_;
  Scratch<T> values_;
  Scratch<int32_t> columns_;
};

// Scores of Rows rows against one panel of Columns * 16 anchors.
template <class T, int Rows, int Columns>
NVC3D_INLINE void score_tile(LatentRows<T> rows, const AnchorPanels<T>& anchors, int64_t panel,
                             Vec<T> (&score)[Rows][Columns]) {
  const T* offsets = anchors.panel_offsets(panel);
  NVC3D_UNROLL
  for (int c = 0; c < Columns; ++c) {
    const Vec<T> start = Vec<T>::load(offsets + c * lanes);
    NVC3D_UNROLL
    for (int r = 0; r < Rows; ++r) score[r][c] = start;
  }
  const T* values = anchors.panel(panel);
  for (int64_t d = 0; d < anchors.dim; ++d, values += Columns * lanes) {
    Vec<T> value[Columns];
    NVC3D_UNROLL
    for (int c = 0; c < Columns; ++c) value[c] = Vec<T>::load(values + c * lanes);
    NVC3D_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const Vec<T> row = Vec<T>::all(rows.first[r * rows.stride + d]);
      NVC3D_UNROLL
      for (int c = 0; c < Columns; ++c) {
        if constexpr (scores_are_distances<T>) {
          const Vec<T> difference = row - value[c];
          score[r][c] = fma(difference, difference, score[r][c]);
        } else {
          score[r][c] = fma(row, value[c], score[r][c]);
        }
      }
    }
  }
}

template <class T, int Rows, int Columns>
NVC3D_INLINE void merge_tile(const Vec<T> (&score)[Rows][Columns], int64_t panel, int64_t first_row,
                             const RowBlock<T>& block) {
  NVC3D_UNROLL
  for (int r = 0; r < Rows; ++r) {
    const int64_t at = (first_row + r) * lanes;
    Vec<T> best = Vec<T>::all(infinity<T>), second = best;
    Ints column = Ints::all(0);
    if (panel > 0) {
      best = Vec<T>::load(block.best + at);
      second = Vec<T>::load(block.second + at);
      column = Ints::load(block.column + at);
    }
    NVC3D_UNROLL
    for (int c = 0; c < Columns; ++c) {
      const int32_t here = static_cast<int32_t>((panel * Columns + c) * lanes);
      column = select(score[r][c] < best, Ints::all(here), column);
      // A score that is NaN leaves both as they are.
      if constexpr (!scores_are_distances<T>) second = min(max(score[r][c], best), second);
      best = min(score[r][c], best);
    }
    best.store(block.best + at);
    if constexpr (!scores_are_distances<T>) second.store(block.second + at);
    column.store(block.column + at);
  }
}

// Decides rows whose scores have been merged from all panels.
template <class T, int Columns>
class AnchorDecision {
 public:
  AnchorDecision(const T* anchors, const AnchorPanels<T>& panels)
      : anchors_(anchors), panels_(panels), longest_root_(::sqrt(panels.longest)) {
    // Each of a score's dim + 1 roundings is at most half an ulp of |a|^2 + 2|z||a|, and moving z
    // and a adds no more than two such. Twice that, as both scores may be off, and a little for
    // the roundings of the tolerance itself.
    const T half_ulp = std::numeric_limits<T>::epsilon() / 2;
    relative_ = static_cast<T>(2.25) * half_ulp * static_cast<T>(panels.dim + 8);
    // Below the normal numbers, roundings do not shrink with the value.
    absolute_ = 4 * std::numeric_limits<T>::min() * static_cast<T>(panels.dim);
  }

  // Row r of the block, and of `rows`, belongs to the latent z.
  NVC3D_INLINE void operator()(const T* z, int64_t r, LatentRows<T> rows, const RowBlock<T>& block,
                               int64_t* index, T* squared) const {
    const Vec<T> best = Vec<T>::load(block.best + r * lanes);
    const T least_score = reduce_min(best);
    const Mask<T> winners = best == Vec<T>::all(least_score);
    if constexpr (scores_are_distances<T>) {
      const Ints anchor = Ints::load(block.column + r * lanes) + Ints::load(lane_numbers);
      *index = reduce_min(select(winners, anchor, Ints::all(no_index)));
      *squared = least_score;
    } else {
      const int lane = lowest_bit(winners.bits());
      *index = block.column[r * lanes + lane] + lane;
      *squared = squared_distance<T>(z, anchors_ + *index * panels_.dim);
      // |z| is at most |a| + |z - a|, whichever anchor a is.
      const T spread = 3 * panels_.longest + 2 * longest_root_ * ::sqrtf(*squared);
      const T bound = least_score + (relative_ * spread + absolute_);
      const Vec<T> second = Vec<T>::load(block.second + r * lanes);
      const Vec<T> bounds = Vec<T>::all(bound);
      // All but the winner must be worse for sure: where overflow gave NaN, nothing is.
      const uint32_t surely_worse = (bounds < best).bits() << lanes | (bounds < second).bits();
      if (count_bits(surely_worse) != 2 * lanes - 1) {
        *index = decide_in_double(z, {rows.first + r * rows.stride, rows.stride}, bound);
        *squared = squared_distance<T>(z, anchors_ + *index * panels_.dim);
      }
    }
  }

 private:
  // The lowest index among the least distances of all anchors whose score is not above the bound.
  int64_t decide_in_double(const T* z, LatentRows<T> row, T bound) const {
    double least_distance = infinity<double>;
    int64_t winner = 0;
    for (int64_t panel = 0; panel < panels_.panels; ++panel) {
      Vec<T> score[1][Columns];
      score_tile<T, 1, Columns>(row, panels_, panel, score);
      for (int c = 0; c < Columns; ++c) {
        const int64_t first = (panel * Columns + c) * lanes;
        const uint32_t worse = (Vec<T>::all(bound) < score[0][c]).bits();
        for (int i = 0; i < lanes && first + i < panels_.count; ++i) {
          if (worse >> i & 1) continue;
          const double distance = squared_distance<double>(z, anchors_ + (first + i) * panels_.dim);
          if (distance < least_distance) {
            least_distance = distance;
            winner = first + i;
          }
        }
      }
    }
    return winner;
  }

  // In 16 partial sums of U: their order, and so the result, is that of every variant.
  template <class U>
  NVC3D_INLINE U squared_distance(const T* z, const T* anchor) const {
    Vec<U> sum = Vec<U>::all(0);
    int64_t d = 0;
    for (; d + lanes <= panels_.dim; d += lanes) {
      const Vec<U> difference = load_as<U>(z + d) - load_as<U>(anchor + d);
      sum = fma(difference, difference, sum);
    }
    if (d < panels_.dim) {
      const int64_t left = panels_.dim - d;
      const Vec<U> difference = load_part<U>(z + d, left) - load_part<U>(anchor + d, left);
      sum = fma(difference, difference, sum);
    }
    return reduce_add(sum);
  }

  static constexpr int32_t lane_numbers[lanes] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                  8, 9, 10, 11, 12, 13, 14, 15};
  const T* anchors_;
  const AnchorPanels<T>& panels_;
  T longest_root_, relative_, absolute_;
};

// The rows of a block as the tiles may read them: where they are, or a copy that is moved as the
// anchors are, has no two rows in one set of the cache, and zeros up to the last tile's end.
template <class T>
LatentRows<T> place_rows(const T* latents, int64_t count, int64_t tile_rows,
                         const AnchorPanels<T>& panels, T* copy) {
  constexpr int64_t harmless_stride = 256;
  const int64_t dim = panels.dim;
  if (!panels.moved && count % tile_rows == 0 && dim <= harmless_stride) return {latents, dim};
  for (int64_t r = 0; r < count; ++r, latents += dim) {
    T* to = copy + r * panels.stride;
    const T* centre = panels.centre.data();
    int64_t d = 0;
    for (; d + lanes <= dim; d += lanes) {
      (Vec<T>::load(latents + d) - Vec<T>::load(centre + d)).store(to + d);
    }
    for (; d < dim; ++d) to[d] = latents[d] - centre[d];
  }
  for (int64_t r = count; r < round_up(count, tile_rows); ++r) {
    for (int64_t d = 0; d < dim; ++d) copy[r * panels.stride + d] = 0;
  }
  return {copy, panels.stride};
}

// Asks for a row of the next block while this one is decided: tiles read their rows side by side,
// a pattern that the machine does not foresee.
template <class T>
NVC3D_INLINE void prefetch(const T* row, int64_t dim) {
#if defined(__GNUC__)
  constexpr int64_t line = 64 / sizeof(T);
  for (int64_t d = 0; d < dim; d += line) __builtin_prefetch(row + d, 0, 2);
#endif
}

template <class T, bool Narrow>
void assign_in_tiles(const T* latents, int64_t n, const T* anchors, int64_t m, int64_t dim,
                     int64_t* index, T* squared, const Parallel& parallel) {
  using Tile = AnchorTile<T, Narrow>;
  const AnchorPanels<T> panels(anchors, m, dim, Tile::columns * lanes);
  const AnchorDecision<T, Tile::columns> decide(anchors, panels);

  // A block of rows stays in the second-level cache while all panels pass by.
  constexpr int64_t block_bytes = 128 * 1024;
  const int64_t tile_bytes = Tile::rows * panels.stride * static_cast<int64_t>(sizeof(T));
  const int64_t most_tiles = panels.panels > 1 ? 8 : 1;
  const int64_t block_rows =
      Tile::rows * most<int64_t>(1, least(most_tiles, block_bytes / tile_bytes));

  const int64_t blocks = (n + block_rows - 1) / block_rows;
  const int64_t workers = most<int64_t>(1, least(blocks, parallel.threads));
  RowBlocks<T> memory(workers, block_rows, panels.stride);
  parallel(workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      const RowBlock<T> block = memory.of(worker);
      for (int64_t b = blocks * worker / workers; b < blocks * (worker + 1) / workers; ++b) {
        const int64_t first = b * block_rows;
        const int64_t count = least(block_rows, n - first);
        const LatentRows<T> rows =
            place_rows<T>(latents + first * dim, count, Tile::rows, panels, block.copy);
        for (int64_t panel = 0; panel < panels.panels; ++panel) {
          for (int64_t r = 0; r < count; r += Tile::rows) {
            Vec<T> score[Tile::rows][Tile::columns];
            score_tile<T>({rows.first + r * rows.stride, rows.stride}, panels, panel, score);
            merge_tile(score, panel, r, block);
          }
        }
        for (int64_t r = 0; r < count; ++r) {
          if (first + r + block_rows < n) prefetch(latents + (first + r + block_rows) * dim, dim);
          decide(latents + (first + r) * dim, r, rows, block, index + first + r,
                 squared + first + r);
        }
      }
    }
  });
}

// latents (n, dim), anchors (m, dim) with m >= 1; index and squared (n,).
template <class T>
void assign_anchors(const T* latents, int64_t n, const T* anchors, int64_t m, int64_t dim,
                    int64_t* index, T* squared, const Parallel& parallel) {
  if (n <= 0) return;
  // Narrow panels where wide ones would be a quarter or more padding.
  const int64_t vectors = (m + lanes - 1) / lanes;
  if (vectors == 1 || vectors == 3) {
    assign_in_tiles<T, true>(latents, n, anchors, m, dim, index, squared, parallel);
  } else {
    assign_in_tiles<T, false>(latents, n, anchors, m, dim, index, squared, parallel);
  }
}

}  // namespace nvc3d::NVC3D_ISA
