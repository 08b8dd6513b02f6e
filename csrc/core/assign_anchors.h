// The nearest anchor of every latent: a matrix product whose result is never stored.
//
// Nearest is the lowest index among the anchors whose squared distance, in double and coordinate
// by coordinate as distance.h defines it, is least. For double that is what is computed. Float
// latents are scored by |a|^2 - 2 z.a, which costs one fused multiply-add per coordinate. Latents
// are turned so that each has a lane of its own; a tile of them and a few anchors is scored in
// registers, and each lane keeps its least two scores.
//
// A score decides a latent where the second is above the least by more than roundings can be (see
// AnchorDecision). Latents that it leaves open are gathered and scored again: by the same form in
// double, and where that too leaves some open, by their distances in double. So what is costly is
// done to whole tiles, and only to latents that need it. Anchors and latents are first moved by the
// anchors' mean where they lie far from the origin: else the roundings would decide nothing.
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

// The first `count` of 16 values as U, zeros after them.
template <class U, class T>
NVC3D_INLINE Vec<U> load_part(const T* from, int64_t count) {
  U values[lanes] = {};
  for (int64_t i = 0; i < count; ++i) values[i] = from[i];
  return Vec<U>::load(values);
}

// |z - a|^2 of 16 pairs, each in 16 partial sums that are added as reduce_add adds them: their
// order, and so the result, is that of every variant.
template <class U, class T>
NVC3D_INLINE Vec<U> squared_distances(const T* const* z, const T* const* a, int64_t dim) {
  Vec<U> part[lanes];
  for (int i = 0; i < lanes; ++i) {
    Vec<U> sum = Vec<U>::all(0);
    int64_t d = 0;
    for (; d + lanes <= dim; d += lanes) {
      const Vec<U> difference = load_as<U>(z[i] + d) - load_as<U>(a[i] + d);
      sum = fma(difference, difference, sum);
    }
    if (d < dim) {
      const Vec<U> difference = load_part<U>(z[i] + d, dim - d) - load_part<U>(a[i] + d, dim - d);
      sum = fma(difference, difference, sum);
    }
    part[i] = sum;
  }
  transpose(part);
  NVC3D_UNROLL
  for (int half = lanes / 2; half > 0; half /= 2) {
    NVC3D_UNROLL
    for (int i = 0; i < half; ++i) part[i] = part[i] + part[i + half];
  }
  return part[0];
}

// Latents to be scored: `count` of those that a list names, or of all, from the one at `first` on.
template <class Latent>
struct Latents {
  const Latent* data;
  int64_t dim, first, count;
  const int64_t* list = nullptr;

  int64_t number(int64_t i) const { return list ? list[first + i] : first + i; }
};

// Latents as the tiles read them: moved as the anchors are, coordinate by coordinate, each latent
// in a lane; and what each has found.
template <class Latent, class T, Form form>
class LatentBlock {
 public:
  using Tile = AnchorTile<T>;
  using Panels = AnchorPanels<T, form>;
  static constexpr int rows = Tile::rows;

  static int64_t size(int64_t dim) { return rows * dim; }
  explicit LatentBlock(T* memory) : values_(memory) {}

  // Takes in the latents from `first` on; rows past the last of them repeat it.
  NVC3D_INLINE void place(const Latents<Latent>& latents, int64_t first, const Panels& anchors) {
    const int64_t dim = anchors.dim;
    const T* centre = anchors.centre.data();
    for (int64_t r = 0; r < rows; ++r)
      row[r] = latents.data + latents.number(least(first + r, latents.count - 1)) * dim;
    // The tiles bring the next block nearer, where it is known to follow this one.
    const bool follows = !latents.list && first + 2 * rows <= latents.count;
    next_ = row[0] + (follows ? rows * dim : 0);
    if (dim < lanes) {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t d = 0; d < dim; ++d) values_[d * rows + r] = row[r][d] - centre[d];
      }
    } else {
      for (int v = 0; v < Tile::vectors; ++v) {
        // The last step may begin before the one ahead of it ends: nothing past a row is read.
        for (int64_t d = 0; d < dim; d += lanes) {
          const int64_t at = least(d, dim - lanes);
          turn(row + v * lanes, at, centre, values_ + at * rows + v * lanes, rows);
        }
      }
    }
    for (int v = 0; v < Tile::vectors; ++v) {
      best_[v] = second_[v] = Vec<T>::all(infinity<T>);
      winner_[v] = Ints::all(0);
    }
  }

  // Compares all latents with all anchors.
  void score(const Panels& anchors) {
    int64_t j = 0;
    for (; anchors.count - j > Tile::last_anchors; j += Tile::anchors) {
      score_tile<Tile::anchors>(anchors, j);
    }
    for (; j < anchors.count; j += Tile::last_anchors) {
      score_tile<Tile::last_anchors>(anchors, j);
    }
    for (int v = 0; v < Tile::vectors; ++v) {
      best_[v].store(best + v * lanes);
      second_[v].store(second + v * lanes);
      winner_[v].store(winner + v * lanes);
    }
  }

  const Latent* row[rows];

  // Of each row the least score, the least but that one (of products), and the first anchor that
  // has the least.
  T best[rows], second[rows];
  int32_t winner[rows];

 private:
  template <int Anchors>
  NVC3D_INLINE void score_tile(const Panels& anchors, int64_t first) {
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
    const Latent* next = next_;
    const int64_t step = first == 0 && next != row[0] ? rows : 0;
    for (int64_t d = 0; d < anchors.dim;
         ++d, anchor += anchors.width, latent += rows, next += step) {
      prefetch<rows>(next);
      Vec<T> value_of[vectors];
      NVC3D_UNROLL
      for (int v = 0; v < vectors; ++v) value_of[v] = Vec<T>::load(latent + v * lanes);
      NVC3D_UNROLL
      for (int a = 0; a < Anchors; ++a) {
        const Vec<T> value = Vec<T>::all(anchor[a]);
        NVC3D_UNROLL
        for (int v = 0; v < vectors; ++v) {
          if constexpr (form == Form::distance) {
            const Vec<T> difference = value_of[v] - value;
            score[a][v] = fma(difference, difference, score[a][v]);
          } else {
            score[a][v] = fma(value_of[v], value, score[a][v]);
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
        // An overflow to NaN is of no consequence: then the bound of the decision overflows too.
        if constexpr (form == Form::product) {
          second_[v] = min(max(score[a][v], best_[v]), second_[v]);
        }
        best_[v] = min(score[a][v], best_[v]);
      }
    }
  }

  T* values_;  // (dim, rows)
  const Latent* next_ = nullptr;
  Vec<T> best_[Tile::vectors], second_[Tile::vectors];
  Ints winner_[Tile::vectors];
};

// Which scores decide, and what they decide.
//
// A score decides a latent when its second is above the bound here. Proof, for u half an ulp of 1
// in T, z and a a latent and an anchor once moved, n coordinates, L the largest |a|^2, r = |z - w|
// for the winner w, and B = |a|^2 + 2|z||a| <= 3L + 2 sqrt(L) r, since |z| <= |w| + r:
//   moving a and z rounds each coordinate once, which turns the exact score by at most 2u B;
//   |a|^2 is summed in double, then rounded to T: in float u B, in double n u L;
//   each of n fused steps rounds a sum that is not above B: n u B.
// As L is at most a third of the bound on B, a score is off by at most (4/3 n + 3) u B, and twice
// that can hide between two scores. 3 u (n + 8) B is more by an eighth, which covers, as long as
// n u <= 1/32, the terms in u^2, the roundings of `found` and of the bound itself. (For longer
// latents nothing is decided.) A score that overflows has a B, and so a bound, that does.
//   Below the normal numbers a step loses at most the least of them, as does a sum of squares, and
// L is taken larger by that: n + 2 times it, twice, is in `absolute`. Where the processor takes
// such numbers for zero, a product loses at most that times its other factor, and 3 sqrt(L) r u,
// with that L, is far more.
//   That distances in double see it the same way: each is off by at most v (n + 2) times itself, v
// half an ulp of 1 in double. Their order is that of the exact ones if these are apart by more than
// 2 v (n + 2) times the less: 3 v (n + 8) of `found` is more.
template <class Latent, class T, Form form>
class AnchorDecision {
 public:
  AnchorDecision(const DistinctAnchors<Latent>& anchors, const AnchorPanels<T, form>& panels)
      : anchors_(anchors) {
    constexpr T half_ulp = std::numeric_limits<T>::epsilon() / 2;
    constexpr T smallest = std::numeric_limits<T>::min();  // of the normal numbers
    const auto dim = static_cast<T>(panels.dim);
    three_longest_ = 3 * (panels.longest + smallest);
    two_roots_ = 2 * ::sqrt(panels.longest + smallest);
    of_sum_ = dim * half_ulp > T(1) / 32 ? infinity<T> : 3 * half_ulp * (dim + 8);
    of_distance_ = static_cast<T>(1.5 * std::numeric_limits<double>::epsilon()) * (dim + 8);
    absolute_ = 4 * smallest * (dim + 8);
  }

  // Answers for the latents of a block whose scores are known, which are those from `first` on.
  // What is left open gets index -1; gives how many are.
  int64_t operator()(const Latents<Latent>& latents, int64_t first,
                     const LatentBlock<Latent, T, form>& block, int64_t* index,
                     Latent* squared) const {
    constexpr bool same_type = sizeof(T) == sizeof(Latent);
    const int64_t count = least<int64_t>(block.rows, latents.count - first);
    int64_t open = 0;
    for (int64_t start = 0; start < count; start += lanes) {
      const Latent* winner[lanes];
      for (int i = 0; i < lanes; ++i) winner[i] = anchors_[block.winner[start + i]];
      const Latent* const* row = block.row + start;
      Latent distance[lanes];
      uint32_t decided = 0xFFFF;
      if constexpr (form == Form::product) {
        const Vec<T> found = squared_distances<T>(row, winner, latents.dim);
        const Vec<T> spread =
            fma(Vec<T>::all(two_roots_), sqrt(found), Vec<T>::all(three_longest_));
        const Vec<T> slack = fma(Vec<T>::all(of_distance_), found, Vec<T>::all(absolute_));
        const Vec<T> bound =
            Vec<T>::load(block.best + start) + fma(Vec<T>::all(of_sum_), spread, slack);
        decided = (bound < Vec<T>::load(block.second + start)).bits();
        if constexpr (same_type) found.store(distance);
      }
      if constexpr (form == Form::distance && same_type) {
        Vec<T>::load(block.best + start).store(distance);
      } else if constexpr (!same_type) {
        if (decided) squared_distances<Latent>(row, winner, latents.dim).store(distance);
      }
      const int here = static_cast<int>(least<int64_t>(lanes, count - start));
      for (int i = 0; i < here; ++i) {
        const int64_t number = latents.number(first + start + i);
        index[number] = anchors_.number(block.winner[start + i]);
        squared[number] = distance[i];
      }
      for (uint32_t left = ~decided & 0xFFFFu >> (lanes - here); left; left &= left - 1, ++open)
        index[latents.number(first + start + lowest_bit(left))] = -1;
    }
    return open;
  }

 private:
  const DistinctAnchors<Latent>& anchors_;
  T three_longest_, two_roots_, of_sum_, of_distance_, absolute_;
};

// Writes what scores decide; gives how many latents are left open.
template <class T, Form form, class Latent>
int64_t score_anchors(const Latents<Latent>& latents, const DistinctAnchors<Latent>& anchors,
                      const AnchorPanels<T, form>& panels, int64_t* index, Latent* squared,
                      const Parallel& parallel) {
  using Block = LatentBlock<Latent, T, form>;
  const AnchorDecision<Latent, T, form> decide(anchors, panels);
  const int64_t blocks = (latents.count + Block::rows - 1) / Block::rows;
  const int64_t workers = most<int64_t>(1, least(blocks, parallel.threads));
  const int64_t size = Block::size(latents.dim);
  Scratch<T> memory(workers * size);
  Scratch<int64_t> open(workers);
  parallel(workers, 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) {
      Block block(memory.data() + worker * size);
      int64_t mine = 0;
      for (int64_t b = blocks * worker / workers; b < blocks * (worker + 1) / workers; ++b) {
        if (b % 16 == 0 && parallel.cancelled()) return;
        block.place(latents, b * Block::rows, panels);
        block.score(panels);
        mine += decide(latents, b * Block::rows, block, index, squared);
      }
      open[worker] = mine;
    }
  });
  int64_t total = 0;
  for (int64_t worker = 0; worker < workers; ++worker) total += open[worker];
  return total;
}

// The same, but where scores leave most of a sample open, all others are left open unseen: no
// answer depends on which scores decide it.
template <class T, Form form, class Latent>
int64_t try_scores(const Latents<Latent>& latents, const DistinctAnchors<Latent>& anchors,
                   int64_t* index, Latent* squared, const Parallel& parallel) {
  const AnchorPanels<T, form> panels(anchors);
  Latents<Latent> sample = latents, rest = latents;
  sample.count = latents.count < 2048 ? 0 : latents.count / 1024 * 64;
  rest.first += sample.count;
  rest.count -= sample.count;
  int64_t open = 0;
  if (sample.count > 0) open = score_anchors(sample, anchors, panels, index, squared, parallel);
  if (2 * open <= sample.count)
    return open + score_anchors(rest, anchors, panels, index, squared, parallel);
  for (int64_t i = 0; i < rest.count; ++i) index[rest.number(i)] = -1;
  return open + rest.count;
}

// latents (n, dim), anchors (m, dim) with m >= 1; index and squared (n,).
template <class T>
void assign_anchors(const T* latents, int64_t n, const T* anchors, int64_t m, int64_t dim,
                    int64_t* index, T* squared, const Parallel& parallel) {
  if (n <= 0) return;
  const DistinctAnchors<T> distinct(anchors, m, dim);
  Latents<T> open{latents, dim, 0, n};
  Scratch<int64_t> list;
  if constexpr (sizeof(T) < sizeof(double)) {
    const auto keep_open = [&](int64_t count) {
      Scratch<int64_t> left(count);
      for (int64_t i = 0, at = 0; at < count; ++i) {
        if (index[i] < 0) left[at++] = i;
      }
      list = static_cast<Scratch<int64_t>&&>(left);
      open = {latents, dim, 0, count, list.data()};
    };
    keep_open(try_scores<float, Form::product>(open, distinct, index, squared, parallel));
    if (open.count == 0) return;
    keep_open(try_scores<double, Form::product>(open, distinct, index, squared, parallel));
    if (open.count == 0) return;
  }
  const AnchorPanels<double, Form::distance> panels(distinct);
  score_anchors(open, distinct, panels, index, squared, parallel);
}

}  // namespace nvc3d::NVC3D_ISA
