// The one-to-one matching of two clouds of equal size with the least total Euclidean distance.
//
// First an auction (Bertsekas, "The auction algorithm", Annals of Operations Research 14, 1988):
// the points of x bid for those of y, each for the one that costs it least, distance plus price,
// and raises its price to where the second cheapest would do as well, plus epsilon. Whatever the
// prices, no matching has a smaller total than the sum over x of what the cheapest y costs, less
// all prices: so the error of a matching is at most the sum over x of its regret, what it pays
// beyond the cheapest. Auctions follow with ever smaller epsilons, each from the prices of the
// one before, until that is small enough.
//
// For a tolerance of 0 the exact matching is then found from those prices by shortest augmenting
// paths (Jonker, Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
// assignment problems", Computing 38, 1987), which end where nobody regrets anything. Distances
// are taken when they are needed: memory grows with n, not with its square.
#pragma once

#include "price_tree.h"

namespace nvc3d {

class Matching {
 public:
  // buyers (n, dim) and goods (n, dim), finite, n >= 1, both in a box with sides of about `size`.
  Matching(std::vector<double> buyers, const std::vector<double>& goods, int64_t n, int64_t dim,
           double size, const Parallel& parallel)
      : parallel_(parallel),
        n_(n),
        dim_(dim),
        size_(size),
        buyers_(std::move(buyers)),
        goods_(goods.data(), n, dim),
        bought_(n, -1),
        owner_(n, -1) {}

  // Matches within a share `tolerance` of the least total; 0 is exact.
  void solve(double tolerance) {
    constexpr double step = 5;
    if (nearest_is_a_matching()) return;
    // Where the exact matching is wanted, shortest paths are the faster way from here on.
    const double enough = tolerance > 0 ? tolerance : 1e-5;
    for (double epsilon = size_ / 4; epsilon > 1e-12 * size_; epsilon /= step) {
      auction(epsilon);
      if (gap() <= enough * total()) break;
    }
    if (gap() > tolerance * total()) finish();
  }

  int64_t match(int64_t buyer) const { return goods_.index(bought_[buyer]); }

  double total() const {
    double sum = 0;
    for (int64_t i = 0; i < n_; ++i) sum += distance(i, bought_[i]);
    return sum;
  }

  // How far the total may be above the least: what all pay beyond what the cheapest costs them.
  double gap() const {
    double sum = 0;
    for (int64_t i = 0; i < n_; ++i) sum += regret(i);
    return std::min(sum, total());
  }

 private:
  const double* buyer(int64_t i) const { return buyers_.data() + i * dim_; }
  double distance(int64_t i, int64_t slot) const {
    return euclidean(buyer(i), goods_.point(slot), dim_);
  }

  double regret(int64_t i) const {
    const double price = goods_.price(bought_[i]), pays = distance(i, bought_[i]) + price;
    const double regret = pays - goods_.cheapest(buyer(i)).cost;
    // The least that is more than rounding.
    const double least =
        8 * std::numeric_limits<double>::epsilon() * (size_ + std::abs(pays) + std::abs(price));
    return regret > least ? regret : 0;
  }

  void give(int64_t i, int64_t slot) {
    bought_[i] = slot;
    owner_[slot] = i;
  }

  void clear() {
    std::fill(bought_.begin(), bought_.end(), -1);
    std::fill(owner_.begin(), owner_.end(), -1);
  }

  // At prices of 0 each takes its nearest; if nobody is in another's way, that is the answer. So
  // is any matching where all points are in one place.
  bool nearest_is_a_matching() {
    for (int64_t i = 0; i < n_; ++i) {
      if (i % 256 == 0) parallel_.check();
      const int64_t slot = size_ > 0 ? goods_.cheapest(buyer(i)).slot : i;
      if (owner_[slot] >= 0) return false;
      give(i, slot);
    }
    return true;
  }

  void auction(double epsilon) {
    clear();
    std::vector<int64_t> waiting(n_);
    std::iota(waiting.rbegin(), waiting.rend(), int64_t{0});
    for (int64_t bids = 1; !waiting.empty(); ++bids) {
      if (bids % 256 == 0) parallel_.check();
      const int64_t i = waiting.back();
      waiting.pop_back();
      const PriceTree::Offer offer = goods_.cheapest(buyer(i));
      const double price = goods_.price(offer.slot);
      const double lead = n_ > 1 ? offer.second - offer.cost : 0;
      goods_.set_price(
          offer.slot, std::max(price + lead + epsilon, std::nextafter(price, PriceTree::infinity)));
      const int64_t loser = owner_[offer.slot];
      give(i, offer.slot);
      if (loser >= 0) waiting.push_back(loser);
    }
  }

  // From a matching close to the best one to the best one.
  void finish() {
    // Where somebody regrets what he bought, its price comes down to what he would pay elsewhere.
    // A few rounds of this take the auction's epsilon back out of the prices.
    for (int round = 0; round < 10; ++round) {
      bool content = true;
      parallel_.check();
      for (int64_t i = 0; i < n_; ++i) {
        const double loss = regret(i);
        if (loss <= 0) continue;
        content = false;
        goods_.set_price(bought_[i], goods_.price(bought_[i]) - loss);
      }
      if (content) return;
    }
    // Who still regrets gives it back and is matched anew.
    std::vector<int64_t> left;
    std::vector<double> budget(n_);  // what the cheapest y costs each x
    for (int64_t i = 0; i < n_; ++i) {
      if (regret(i) > 0) left.push_back(i);
      budget[i] = goods_.cheapest(buyer(i)).cost;
    }
    for (const int64_t i : left) {
      owner_[bought_[i]] = -1;
      bought_[i] = -1;
    }
    std::vector<double> prices = goods_.prices();
    for (const int64_t i : left) augment(i, prices, budget);
    for (int64_t slot = 0; slot < n_; ++slot)
      if (prices[slot] != goods_.price(slot)) goods_.set_price(slot, prices[slot]);
  }

  // Matches one more: along the path of exchanges that costs least more than everybody's budget.
  void augment(int64_t start, std::vector<double>& prices, std::vector<double>& budget) {
    std::vector<double> excess(n_, PriceTree::infinity);  // of the cheapest path to each slot
    std::vector<int64_t> from(n_), open(n_), reached;     // buyer before a slot; slots
    std::iota(open.begin(), open.end(), int64_t{0});
    int64_t i = start, slot = -1;
    double paid = 0;
    while (true) {
      parallel_.check();
      size_t nearest = 0;
      for (size_t o = 0; o < open.size(); ++o) {
        const int64_t s = open[o];
        const double here = paid + (distance(i, s) + prices[s] - budget[i]);
        if (here < excess[s]) {
          excess[s] = here;
          from[s] = i;
        }
        const int64_t best = open[nearest];
        if (excess[s] < excess[best] ||
            (excess[s] == excess[best] && owner_[s] < 0 && owner_[best] >= 0))
          nearest = o;
      }
      slot = open[nearest];
      paid = excess[slot];
      if (owner_[slot] < 0) break;
      reached.push_back(slot);
      open[nearest] = open.back();
      open.pop_back();
      i = owner_[slot];
    }
    budget[start] += paid;
    for (const int64_t s : reached) {
      budget[owner_[s]] += paid - excess[s];
      prices[s] += paid - excess[s];
    }
    while (true) {
      const int64_t taker = from[slot];
      const int64_t next = bought_[taker];
      give(taker, slot);
      if (taker == start) return;
      slot = next;
    }
  }

  const Parallel& parallel_;
  int64_t n_, dim_;
  double size_;
  std::vector<double> buyers_;   // (n, dim)
  PriceTree goods_;              // the slots
  std::vector<int64_t> bought_;  // the slot of each buyer
  std::vector<int64_t> owner_;   // the buyer of each slot
};

// x (n, dim) and y (n, dim): index (n,) is the y of each x; returns how far the mean distance may
// be above the least there is. Where coordinates are not finite each x gets the y of its own row.
// One thread's work, as bids follow one upon the other: `parallel` only says when to give up.
template <class T>
T optimal_matching(const T* x, const T* y, int64_t n, int64_t dim, double tolerance, int64_t* index,
                   const Parallel& parallel) {
  double low = 0, high = 0, largest = 0;
  for (const T* points : {x, y})
    for (int64_t v = 0; v < n * dim; ++v)
      largest = std::isfinite(points[v]) ? std::max<double>(largest, std::abs(points[v]))
                                         : PriceTree::infinity;
  if (!(largest < PriceTree::infinity)) {
    std::iota(index, index + n, int64_t{0});
    return std::numeric_limits<T>::quiet_NaN();
  }
  // A power of two, so that nothing is rounded, under which squares stay within range.
  const int power = largest > 0 ? std::ilogb(largest) : 0;
  std::vector<double> buyers(n * dim), goods(n * dim);
  for (int64_t v = 0; v < n * dim; ++v) {
    buyers[v] = std::ldexp(static_cast<double>(x[v]), -power);
    goods[v] = std::ldexp(static_cast<double>(y[v]), -power);
  }
  double size = 0;
  for (int64_t d = 0; d < dim; ++d) {
    low = high = buyers[d];
    for (int64_t v = d; v < n * dim; v += dim) {
      low = std::min({low, buyers[v], goods[v]});
      high = std::max({high, buyers[v], goods[v]});
    }
    size += high - low;
  }
  Matching matching(std::move(buyers), goods, n, dim, size, parallel);
  matching.solve(tolerance);
  for (int64_t i = 0; i < n; ++i) index[i] = matching.match(i);
  return static_cast<T>(std::ldexp(matching.gap() / n, power));
}

}  // namespace nvc3d
