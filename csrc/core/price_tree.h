// Points with prices, arranged so that the two cheapest ones for a buyer are found quickly.
//
// A point costs a buyer their Euclidean distance plus its price. The tree halves the points along
// the widest side of their box; every node knows its box and the least price below it, and is
// skipped where both together cannot beat the second best found so far.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels.h"

namespace nvc3d {

inline double euclidean(const double* a, const double* b, int64_t dim) {
  // Four sums side by side keep the processor busy in many dimensions.
  double sums[4] = {0, 0, 0, 0};
  int64_t d = 0;
  for (; d + 4 <= dim; d += 4)
    for (int s = 0; s < 4; ++s) sums[s] += (a[d + s] - b[d + s]) * (a[d + s] - b[d + s]);
  for (; d < dim; ++d) sums[0] += (a[d] - b[d]) * (a[d] - b[d]);
  return std::sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// A regret up to this may be nothing but rounding: of what is paid, in a box of that size.
inline double rounding(double size, double pays, double price) {
  return 8 * std::numeric_limits<double>::epsilon() * (size + std::abs(pays) + std::abs(price));
}

class PriceTree {
 public:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  // What a buyer would pay for the cheapest point, which, and for the second cheapest.
  struct Offer {
    double cost = infinity;
    double second = infinity;
    int64_t slot = -1;
    int64_t looked = 0;  // at how many points
  };

  // points (n, dim), n >= 1. From here on a point is known by its slot, in which order
  // neighbours in space are neighbours in memory.
  template <class T>
  PriceTree(const T* points, int64_t n, int64_t dim) : dim_(dim), index_(n), prices_(n) {
    std::iota(index_.begin(), index_.end(), int64_t{0});
    leaves_ = 1;
    while (n > leaves_ * leaf_size) leaves_ *= 2;
    first_.resize(2 * leaves_);
    last_.resize(2 * leaves_);
    boxes_.resize(2 * leaves_ * 2 * dim);
    least_.assign(2 * leaves_, 0);
    split(points, 1, 0, n);
    points_.resize(n * dim);
    for (int64_t slot = 0; slot < n; ++slot)
      for (int64_t d = 0; d < dim; ++d) points_[slot * dim + d] = points[index_[slot] * dim + d];
    leaf_of_.resize(n);
    for (int64_t leaf = leaves_; leaf < 2 * leaves_; ++leaf)
      std::fill(leaf_of_.begin() + first_[leaf], leaf_of_.begin() + last_[leaf], leaf);
  }

  int64_t index(int64_t slot) const { return index_[slot]; }
  const double* points() const { return points_.data(); }  // (n, dim), by slot
  const double* point(int64_t slot) const { return points_.data() + slot * dim_; }
  double price(int64_t slot) const { return prices_[slot]; }
  const std::vector<double>& prices() const { return prices_; }

  void set_price(int64_t slot, double price) {
    prices_[slot] = price;
    int64_t node = leaf_of_[slot];
    double least = *std::min_element(prices_.begin() + first_[node], prices_.begin() + last_[node]);
    while (least_[node] != least) {
      least_[node] = least;
      if (node == 1) return;
      node /= 2;
      least = std::min(least_[2 * node], least_[2 * node + 1]);
    }
  }

  Offer cheapest(const double* buyer) const {
    struct Visit {
      int64_t node;
      double bound;
    };
    Visit stack[64];
    int depth = 0;
    stack[depth++] = {1, 0};
    Offer offer;
    while (depth > 0) {
      const Visit visit = stack[--depth];
      if (visit.bound >= offer.second) continue;
      if (visit.node >= leaves_) {
        look_at_leaf(visit.node, buyer, offer);
        continue;
      }
      Visit near{2 * visit.node, bound(2 * visit.node, buyer)};
      Visit far{2 * visit.node + 1, bound(2 * visit.node + 1, buyer)};
      if (far.bound < near.bound) std::swap(near, far);
      if (far.bound < offer.second) stack[depth++] = far;
      if (near.bound < offer.second) stack[depth++] = near;
    }
    return offer;
  }

 private:
  static constexpr int64_t leaf_size = 8;

  double bound(int64_t node, const double* buyer) const {
    const double* low = boxes_.data() + node * 2 * dim_;
    const double* high = low + dim_;
    double sum = 0;
    for (int64_t d = 0; d < dim_; ++d) {
      const double outside = std::max(0.0, std::max(low[d] - buyer[d], buyer[d] - high[d]));
      sum += outside * outside;
    }
    return std::sqrt(sum) + least_[node];
  }

  void look_at_leaf(int64_t leaf, const double* buyer, Offer& offer) const {
    offer.looked += last_[leaf] - first_[leaf];
    for (int64_t slot = first_[leaf]; slot < last_[leaf]; ++slot) {
      const double cost = euclidean(buyer, point(slot), dim_) + prices_[slot];
      if (cost < offer.cost) {
        offer.second = offer.cost;
        offer.cost = cost;
        offer.slot = slot;
      } else if (cost < offer.second) {
        offer.second = cost;
      }
    }
  }

  template <class T>
  void split(const T* points, int64_t node, int64_t begin, int64_t end) {
    first_[node] = begin;
    last_[node] = end;
    double* low = boxes_.data() + node * 2 * dim_;
    double* high = low + dim_;
    int64_t widest = 0;
    for (int64_t d = 0; d < dim_; ++d) {
      low[d] = infinity;
      high[d] = -infinity;
      for (int64_t i = begin; i < end; ++i) {
        const double value = points[index_[i] * dim_ + d];
        low[d] = std::min(low[d], value);
        high[d] = std::max(high[d], value);
      }
      if (high[d] - low[d] > high[widest] - low[widest]) widest = d;
    }
    if (node >= leaves_) return;
    const int64_t middle = begin + (end - begin) / 2;
    std::nth_element(index_.begin() + begin, index_.begin() + middle, index_.begin() + end,
                     [&](int64_t a, int64_t b) {
                       const T left = points[a * dim_ + widest], right = points[b * dim_ + widest];
                       return left < right || (left == right && a < b);
                     });
    split(points, 2 * node, begin, middle);
    split(points, 2 * node + 1, middle, end);
  }

  int64_t dim_;
  int64_t leaves_;                     // a power of two; node 1 is the root, the leaves come last
  std::vector<int64_t> index_;         // of each slot in the caller's order
  std::vector<double> prices_;         // of each slot
  std::vector<double> points_;         // (n, dim), by slot
  std::vector<int64_t> leaf_of_;       // the node of each slot
  std::vector<int64_t> first_, last_;  // slots of each node
  std::vector<double> boxes_;          // low and high corner of each node
  std::vector<double> least_;          // price in each node
};

}  // namespace nvc3d
