// The nearest anchor of every latent: a matrix product whose result is never stored.
//
// Float uses |z - a|^2 = |z|^2 + (|a|^2 - 2 z.a): only the bracket, the score, depends on the
// anchor, and it costs one fused multiply-add per coordinate. Latents are turned so that each has
// a lane of its own; a tile of them and a few anchors is scored in registers, and each lane keeps
// its least two scores.
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

#include <cmath>

#include "anchor_panels.h"
#include "kernels.h"

namespace nvc3d::NVC3D_ISA {

// A tile that fills the register file: anchors * vectors sums beside one coordinate of the latents.
template <class T>
struct AnchorTile {
  static constexpr bool many_registers = NVC3D_SELECT(NVC3D_ISA) == 2;
  static constexpr bool is_double = sizeof(T) == sizeof(double);
  static constexpr int vectors = many_registers && !is_double ? 2 : 1;  // of latents
  static constexpr int rows = vectors * lanes;
  static constexpr int anchors = many_registers ? 12 : is_double ? 3 : 6;
  static constexpr int last_anchors = anchors / 3;  // where no more than that are left
};

// Brings `Count` values nearer: latents are read 16 side by side, a pattern that the machine does
// not foresee.
template <int Count, class T>
NVC3D_INLINE void prefetch(const T* values) {
#if defined(__GNUC__)
  constexpr int line = 64 / sizeof(T);
  NVC3D_UNROLL
  for (int i = 0; i < Count; i += line) __builtin_prefetch(values + i, 0, 2);
#endif
}

// Latents as the tiles read them: moved as the anchors are, coordinate by coordinate, each latent
// in a lane; and what each has found.
template <class T>
class LatentBlock {
 public:
  using Tile = AnchorTile<T>;
  static constexpr int rows = Tile::rows;

  static int64_t size(int64_t dim) { return rows * dim; }
  explicit LatentBlock(T* memory) : values_(memory) {}

  // Takes `count` latents in; lanes past them repeat the last one.
  void place(const T* latents, int64_t count, const AnchorPanels<T>& anchors) {
    const int64_t dim = anchors.dim;
    const T* centre = anchors.centre.data();
    if (count < rows || dim < lanes) {
      for (int64_t r = 0; r < rows; ++r) {
        const T* row = latents + least(r, count - 1) * dim;
        for (int64_t d = 0; d < dim; ++d) values_[d * rows + r] = row[d] - centre[d];
      }
    } else {
      for (int v = 0; v < Tile::vectors; ++v) {
        // The last step may begin before the one ahead of it ends: nothing past a row is read.
        for (int64_t d = 0; d < dim; d += lanes) {
          const int64_t at = least(d, dim - lanes);
          turn(latents + v * lanes * dim + at, dim, Vec<T>::load(centre + at),
               values_ + at * rows + v * lanes);
        }
      }
    }
    for (int v = 0; v < Tile::vectors; ++v) {
      best_[v] = second_[v] = Vec<T>::all(infinity<T>);
      winner_[v] = Ints::all(0);
    }
  }

  // Compares all latents with all anchors. `next` are the latents of the block to come.
  void score(const AnchorPanels<T>& anchors, const T* next) {
    int64_t j = 0;
    for (; anchors.count - j > Tile::last_anchors; j += Tile::anchors) {
      score_tile<Tile::anchors>(anchors, j, next);
    }
    for (; j < anchors.count; j += Tile::last_anchors) {
      score_tile<Tile::last_anchors>(anchors, j, next);
    }
    for (int v = 0; v < Tile::vectors; ++v) {
      best_[v].store(best + v * lanes);
      second_[v].store(second + v * lanes);
      winner_[v].store(winner + v * lanes);
    }
  }

  // Coordinate d of row r, once moved.
  T value(int64_t d, int64_t r) const { return values_[d * rows + r]; }

  // Of each row the least score, the least but that one, and the first anchor that has the least.
  T best[rows], second[rows];
  int32_t winner[rows];

 private:
  // 16 coordinates of 16 latents.
  static NVC3D_INLINE void turn(const T* from, int64_t dim, Vec<T> centre, T* to) {
    Vec<T> vec[lanes];
    NVC3D_UNROLL
    for (int i = 0; i < lanes; ++i) vec[i] = Vec<T>::load(from + i * dim) - centre;
    transpose(vec);
    NVC3D_UNROLL
    for (int i = 0; i < lanes; ++i) vec[i].store(to + i * rows);
  }

  template <int Anchors>
  NVC3D_INLINE void score_tile(const AnchorPanels<T>& anchors, int64_t first, const T* next) {
    constexpr int vectors = Tile::vectors;
    Vec<T> score[Anchors][vectors];
    NVC3D_UNROLL
    for (int a = 0; a < Anchors; ++a) {
      NVC3D_UNROLL
      for (int v = 0; v < vectors; ++v) score[a][v] = Vec<T>::all(anchors.start[first + a]);
    }
    const T* anchor = anchors.anchor(first);
    const T* latent = values_;
    // The first tile asks for the next block, little by little; the others, for nothing new.
    const int64_t step = first == 0 ? rows : 0;
    for (int64_t d = 0; d < anchors.dim;
         ++d, anchor += anchors.width, latent += rows, next += step) {
      prefetch<rows>(next);
      Vec<T> row[vectors];
      NVC3D_UNROLL
      for (int v = 0; v < vectors; ++v) row[v] = Vec<T>::load(latent + v * lanes);
      NVC3D_UNROLL
      for (int a = 0; a < Anchors; ++a) {
        const Vec<T> value = Vec<T>::all(anchor[a]);
        NVC3D_UNROLL
        for (int v = 0; v < vectors; ++v) {
          if constexpr (scores_are_distances<T>) {
            const Vec<T> difference = row[v] - value;
            score[a][v] = fma(difference, difference, score[a][v]);
          } else {
            score[a][v] = fma(row[v], value, score[a][v]);
          }
        }
      }
    }
    NVC3D_UNROLL
    for (int a = 0; a < Anchors; ++a) {
      const Ints here = Ints::all(static_cast<int32_t>(first + a));
      NVC3D_UNROLL
      for (int v = 0; v < vectors; ++v) {
        winner_[v] = select(score[a][v] < best_[v], here, winner_[v]);
        // A score that is NaN leaves both as they are.
        if constexpr (!scores_are_distances<T>) {
          second_[v] = min(max(score[a][v], best_[v]), second_[v]);
        }
        best_[v] = min(score[a][v], best_[v]);
      }
    }
  }

  T* values_;  // (dim, rows)
  Vec<T> best_[Tile::vectors], second_[Tile::vectors];
  Ints winner_[Tile::vectors];
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

// The first `count` of 16 values as U, zeros after them.
template <class U, class T>
NVC3D_INLINE Vec<U> load_part(const T* from, int64_t count) {
  U values[lanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = from[i];
  return Vec<U>::load(values);
}

// |z - a|^2 in 16 partial sums: their order, and so the result, is that of every variant.
template <class U, class T>
NVC3D_INLINE Vec<U> partial_sums(const T* z, const T* a, int64_t dim) {
  Vec<U> sum = Vec<U>::all(0);
  int64_t d = 0;
  for (; d + lanes <= dim; d += lanes) {
    const Vec<U> difference = load_as<U>(z + d) - load_as<U>(a + d);
    sum = fma(difference, difference, sum);
  }
  if (d < dim) {
    const Vec<U> difference = load_part<U>(z + d, dim - d) - load_part<U>(a + d, dim - d);
    sum = fma(difference, difference, sum);
  }
  return sum;
}

// Makes the answers for the latents of a block whose scores are known.
template <class T>
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

  // latents (count, dim), count at most block.rows.
  void operator()(const T* latents, int64_t count, const LatentBlock<T>& block, int64_t* index,
                  T* squared) const {
    for (int64_t r = 0; r < count; ++r) index[r] = block.winner[r];
    if constexpr (scores_are_distances<T>) {
      for (int64_t r = 0; r < count; ++r) squared[r] = block.best[r];
      return;
    } else {
      for (int64_t start = 0; start < count; start += lanes) {
        const Vec<T> found = distances_to(latents, block.winner, start, count);
        // |z| is at most |a| + |z - a|, whichever anchor a is.
        const Vec<T> spread =
            fma(Vec<T>::all(2 * longest_root_), sqrt(found), Vec<T>::all(3 * panels_.longest));
        const Vec<T> bound = Vec<T>::load(block.best + start) +
                             fma(Vec<T>::all(relative_), spread, Vec<T>::all(absolute_));
        // Where overflow gave NaN, nothing is clear.
        const uint32_t clear = (bound < Vec<T>::load(block.second + start)).bits();
        T distance[lanes], bounds[lanes];
        found.store(distance);
        bound.store(bounds);
        for (int64_t r = start; r < least(start + lanes, count); ++r) {
          squared[r] = distance[r - start];
          if (clear >> (r - start) & 1) continue;
          const T* z = latents + r * panels_.dim;
          index[r] = decide_in_double(z, block, r, bounds[r - start]);
          squared[r] = reduce_add(sums<T>(z, index[r]));
        }
      }
    }
  }

 private:
  template <class U>
  NVC3D_INLINE Vec<U> sums(const T* z, int64_t anchor) const {
    return partial_sums<U>(z, anchors_ + anchor * panels_.dim, panels_.dim);
  }

  // From latents start .. start + 15 to the anchors named: as reduce_add adds the sums, but all
  // latents at once.
  Vec<T> distances_to(const T* latents, const int32_t* anchor, int64_t start, int64_t count) const {
    Vec<T> part[lanes];
    for (int i = 0; i < lanes; ++i) {
      const int64_t r = least(start + i, count - 1);
      part[i] = sums<T>(latents + r * panels_.dim, anchor[r]);
    }
    transpose(part);
    NVC3D_UNROLL
    for (int half = lanes / 2; half > 0; half /= 2) {
      NVC3D_UNROLL
      for (int i = 0; i < half; ++i) part[i] = part[i] + part[i + half];
    }
    return part[0];
  }

  // The lowest index among the least distances of all anchors whose score is not above the bound.
  // The scores are those of the tiles again, bit for bit, with anchors in the lanes.
  int64_t decide_in_double(const T* z, const LatentBlock<T>& block, int64_t r, T bound) const {
    constexpr int width = AnchorPanels<T>::width;
    double least_distance = infinity<double>;
    int64_t nearest = 0;
    for (int64_t first = 0; first < panels_.count; first += width) {
      Vec<T> score = Vec<T>::load(panels_.start.data() + first);
      const T* values = panels_.anchor(first);
      for (int64_t d = 0; d < panels_.dim; ++d, values += width) {
        score = fma(Vec<T>::all(block.value(d, r)), Vec<T>::load(values), score);
      }
      const uint32_t worse = (Vec<T>::all(bound) < score).bits();
      for (int i = 0; i < width && first + i < panels_.count; ++i) {
        if (worse >> i & 1) continue;
        const double here = reduce_add(sums<double>(z, first + i));
        if (here < least_distance) {
          least_distance = here;
          nearest = first + i;
        }
      }
    }
    return nearest;
  }

  const T* anchors_;
  const AnchorPanels<T>& panels_;
  T longest_root_, relative_, absolute_;
};

// latents (n, dim), anchors (m, dim) with m >= 1; index and squared (n,).
template <class T>
void assign_anchors(const T* latents, int64_t n, const T* anchors, int64_t m, int64_t dim,
                    int64_t* index, T* squared, const Parallel& parallel) {
  if (n <= 0) return;
  constexpr int64_t rows = LatentBlock<T>::rows;
  const AnchorPanels<T> panels(anchors, m, dim);
  const AnchorDecision<T> decide(anchors, panels);
  const int64_t blocks = (n + rows - 1) / rows;
  const int64_t workers = most<int64_t>(1, least(blocks, parallel.threads));
  const int64_t size = LatentBlock<T>::size(dim);
  Scratch<T> memory(workers * size);
  parallel(workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      LatentBlock<T> block(memory.data() + worker * size);
      for (int64_t b = blocks * worker / workers; b < blocks * (worker + 1) / workers; ++b) {
        if (b % 16 == 0 && parallel.cancelled()) return;
        const int64_t first = b * rows, count = least(rows, n - first);
        block.place(latents + first * dim, count, panels);
        const bool last = first + 2 * rows > n;
        block.score(panels, latents + (last ? first : first + rows) * dim);
        decide(latents + first * dim, count, block, index + first, squared + first);
      }
    }
  });
}

}  // namespace nvc3d::NVC3D_ISA
