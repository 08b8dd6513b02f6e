// The one-to-one matching of two clouds by an auction, within a share of the least total distance.
//
// The points of x bid for those of y, each for the one that costs it least, distance plus price,
// and raises its price to where the second cheapest would do as well, plus epsilon (Bertsekas, "The
// auction algorithm", Annals of Operations Research 14, 1988). Whatever the prices, no matching has
// a smaller total than the sum over x of what the cheapest y costs, less all prices: so the error
// of a matching is at most the sum over x of its regret, what it pays beyond the cheapest. Auctions
// follow with ever smaller epsilons, each from the prices of the one before, until that is small
// enough. Memory grows with n.
//
// Where clouds are far apart, in many dimensions, or where many points cost the same, the tree of
// prices leaves out few of them and prices crawl. The auction counts how many points are looked at,
// and gives up in time.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "price_tree.h"

namespace nvc3d {

class Auction {
 public:
  // buyers (n, dim), and goods as many, finite, n >= 1, in a box whose sides add up to `size`.
  Auction(const double* buyers, PriceTree& goods, int64_t n, int64_t dim, double size,
          const Parallel& parallel)
      : parallel_(parallel),
        goods_(goods),
        n_(n),
        dim_(dim),
        size_(size),
        buyers_(buyers),
        bought_(n, -1),
        owner_(n, -1) {}

  // Whether it has matched all within a share `tolerance` of the least total. If not, but it pays,
  // prices are near those of the exact matching.
  bool solve(double tolerance) {
    constexpr double step = 5;
    if (nearest_is_a_matching()) return true;
    // Where the exact matching is wanted, shortest paths are the faster way from here on.
    const double enough = std::max(tolerance, 1e-5);
    for (double epsilon = size_ / 4; epsilon > 1e-12 * size_; epsilon /= step) {
      if (!auction(epsilon)) return false;
      if (gap() <= enough * total()) break;
    }
    return gap() <= tolerance * total();
  }

  // Whether looking at a tree is less work than at all points, and than shortest paths are.
  bool pays() const {
    return looked_ * dearer <= (asked_ + patience) * n_ && looked_ <= budget * n_ * n_;
  }

  int64_t bought(int64_t buyer) const { return bought_[buyer]; }

  // How far the total may be above the least: what all pay beyond what the cheapest costs them.
  double gap() {
    double sum = 0;
    for (int64_t i = 0; i < n_; ++i) sum += regret(i);
    return std::min(sum, total());
  }

 private:
  // A point of the tree takes the time of so many of a row; how many points of rows shortest paths
  // look at, by n^2, as points of the tree; and after how many questions this is judged.
  static constexpr int64_t dearer = 24, budget = 3, patience = 256;

  const double* buyer(int64_t i) const { return buyers_ + i * dim_; }
  double distance(int64_t i) const { return euclidean(buyer(i), goods_.point(bought_[i]), dim_); }

  double total() const {
    double sum = 0;
    for (int64_t i = 0; i < n_; ++i) sum += distance(i);
    return sum;
  }

  PriceTree::Offer cheapest(int64_t i) {
    if (++asked_ % 256 == 0) parallel_.check();
    const PriceTree::Offer offer = goods_.cheapest(buyer(i));
    looked_ += offer.looked;
    return offer;
  }

  double regret(int64_t i) {
    const double price = goods_.price(bought_[i]), pays = distance(i) + price;
    const double regret = pays - cheapest(i).cost;
    return regret > rounding(size_, pays, price) ? regret : 0;
  }

  void give(int64_t i, int64_t slot) {
    bought_[i] = slot;
    owner_[slot] = i;
  }

  // At prices of 0 each takes its nearest; if nobody is in another's way, that is the answer. So
  // is any matching where all points are in one place.
  bool nearest_is_a_matching() {
    for (int64_t i = 0; i < n_; ++i) {
      const int64_t slot = size_ > 0 ? cheapest(i).slot : i;
      if (owner_[slot] >= 0) return false;
      give(i, slot);
    }
    return true;
  }

  // False where it is given up.
  bool auction(double epsilon) {
    std::fill(bought_.begin(), bought_.end(), -1);
    std::fill(owner_.begin(), owner_.end(), -1);
    std::vector<int64_t> waiting(n_);
    std::iota(waiting.rbegin(), waiting.rend(), int64_t{0});
    while (!waiting.empty()) {
      if (!pays()) return false;
      const int64_t i = waiting.back();
      waiting.pop_back();
      const PriceTree::Offer offer = cheapest(i);
      const double price = goods_.price(offer.slot);
      const double lead = n_ > 1 ? offer.second - offer.cost : 0;
      goods_.set_price(
          offer.slot, std::max(price + lead + epsilon, std::nextafter(price, PriceTree::infinity)));
      const int64_t loser = owner_[offer.slot];
      give(i, offer.slot);
      if (loser >= 0) waiting.push_back(loser);
    }
    return true;
  }

  const Parallel& parallel_;
  PriceTree& goods_;  // the slots
  int64_t n_, dim_;
  double size_;
  const double* buyers_;
  std::vector<int64_t> bought_;  // the slot of each buyer
  std::vector<int64_t> owner_;   // the buyer of each slot
  int64_t asked_ = 0, looked_ = 0;
};

}  // namespace nvc3d
