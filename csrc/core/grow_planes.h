// Regions of points on a plane, each grown from a seed over the graph of neighbours.
//
// Invariant: a point belongs to one region at most, and for ever once its region is large enough;
// a region that is not gives its points back, and none of them is a seed again.
#pragma once

#include <vector>

#include "kernels.h"
#include "plane_fit.h"

namespace nvc3d {

template <class T>
struct PlaneGraph {
  const T *points, *normal;  // (n, 3)
  const T* tolerance;        // (n,): how far from a plane around here
  const int64_t* index;      // (n, k): neighbours
  int64_t n, k;
};

template <class T>
class PlaneGrowth {
 public:
  // seed (n,): of the region of every point, or -1.
  PlaneGrowth(const PlaneGraph<T>& graph, double cosine, int64_t least, int64_t* seed)
      : graph_(graph), cosine_(cosine), least_(least), seed_(seed), tried_(graph.n) {
    std::fill(seed, seed + graph.n, -1);
  }

  void grow(int64_t seed) {
    if (seed_[seed] >= 0 || tried_[seed]) return;
    start(seed);
    spread(seed, true);
    settle(moments_of_members(seed).fit());
    if (drop_what_is_far()) spread(seed, false);
    if (static_cast<int64_t>(members_.size()) >= least_) return;
    for (const int64_t i : members_) {
      seed_[i] = -1;
      tried_[i] = 1;
    }
    tried_[seed] = 1;
  }

 private:
  static constexpr int64_t first_fit = 24;  // members

  Vector3 point(int64_t i) const { return vector3(graph_.points + 3 * i); }

  bool near(int64_t i) const {
    return std::abs(plane_.normal.dot(point(i) - plane_.centre)) <= tolerance_;
  }
  bool fits(int64_t i) const {
    const double across = plane_.normal.dot(vector3(graph_.normal + 3 * i));
    return near(i) && std::abs(across) >= cosine_;
  }

  void take(int64_t i, int64_t seed) {
    seed_[i] = seed;
    members_.push_back(i);
  }

  // From the seed's normal, through the middle of those neighbours that are near its plane.
  void start(int64_t seed) {
    tolerance_ = static_cast<double>(graph_.tolerance[seed]);
    plane_ = {point(seed), vector3(graph_.normal + 3 * seed), {0, 0, 0}};
    Vector3 sum{0, 0, 0};
    double count = 0;
    for (int64_t j = 0; j < graph_.k; ++j) {
      const int64_t i = graph_.index[seed * graph_.k + j];
      if (!near(i)) continue;
      const Vector3 d = point(i) - point(seed);
      sum.x += d.x, sum.y += d.y, sum.z += d.z;
      ++count;
    }
    if (count > 0) plane_.centre = point(seed) - sum.over(-count);
    members_.clear();
    take(seed, seed);
  }

  // From all members on to their neighbours; `refit` the plane whenever they are twice as many.
  void spread(int64_t seed, bool refit) {
    Moments moments(point(seed));
    int64_t next = first_fit;
    for (size_t head = 0; head < members_.size(); ++head) {
      const int64_t from = members_[head];
      if (refit) {
        moments.add(point(from));
        if (moments.count() == next) {
          settle(moments.fit());
          next *= 2;
        }
      }
      for (int64_t j = from * graph_.k; j < (from + 1) * graph_.k; ++j) {
        const int64_t i = graph_.index[j];
        if (seed_[i] < 0 && fits(i)) take(i, seed);
      }
    }
  }

  // The plane of the members, unless they lie on a line. The tolerance is the lower median of
  // theirs (the flattest of all points, the seed, is so by chance), or up to twice that where they
  // are not as close to their plane as points are to those around them.
  void settle(const PlaneFit& fit) {
    if (fit.determined()) plane_ = fit;
    tolerances_.clear();
    for (const int64_t i : members_) tolerances_.push_back(graph_.tolerance[i]);
    const auto middle = tolerances_.begin() + (tolerances_.size() - 1) / 2;
    std::nth_element(tolerances_.begin(), middle, tolerances_.end());
    const double usual = static_cast<double>(*middle);
    tolerance_ = std::min(std::max(usual, 3 * std::sqrt(plane_.variance[0])), 2 * usual);
  }

  Moments moments_of_members(int64_t seed) const {
    Moments moments(point(seed));
    for (const int64_t i : members_) moments.add(point(i));
    return moments;
  }

  // Whether any member is left.
  bool drop_what_is_far() {
    size_t kept = 0;
    for (const int64_t i : members_) {
      if (near(i)) {
        members_[kept++] = i;
      } else {
        seed_[i] = -1;
      }
    }
    members_.resize(kept);
    return kept > 0;
  }

  PlaneGraph<T> graph_;
  double cosine_;
  int64_t least_;
  int64_t* seed_;
  std::vector<char> tried_;
  std::vector<int64_t> members_;
  std::vector<T> tolerances_;
  PlaneFit plane_;
  double tolerance_ = 0;
};

// One seed after the other, in their order; a single thread's work.
template <class T>
void grow_planes(const PlaneGraph<T>& graph, const int64_t* seeds, int64_t count, double cosine,
                 int64_t least, int64_t* seed, const Parallel& parallel) {
  PlaneGrowth<T> growth(graph, cosine, least, seed);
  for (int64_t s = 0; s < count; ++s) {
    if (s % 1024 == 0) parallel.check();
    growth.grow(seeds[s]);
  }
}

}  // namespace nvc3d
