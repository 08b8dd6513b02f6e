// The exact one-to-one matching of two clouds, whatever they look like.
//
// Buyers are matched with goods, each of which has a price, so that everybody has what costs him
// least, distance plus price (Jonker, Volgenant, "A shortest augmenting path algorithm for dense
// and sparse linear assignment problems", Computing 38, 1987). Prices may come from an auction;
// else each starts at what makes the good free of charge for the buyer next to it. Buyers then take
// the cheapest that is left, or outbid one another as long as that goes on quickly. For each that
// is still without, the path of exchanges is found that costs least in all.
//
// Every step looks at a whole row of distances. In few dimensions these are computed when they are
// needed, and memory grows with n; in more, up to `table_size` points, they are kept.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "cost_rows.h"
#include "kernels.h"
#include "price_tree.h"

namespace nvc3d {

class ShortestPaths {
 public:
  static constexpr int64_t table_size = 4096;

  // buyers and goods (n, dim), finite, n >= 1, in a box whose sides add up to about `size`.
  ShortestPaths(const double* buyers, const double* goods, int64_t n, int64_t dim, double size,
                const CostRows& rows, const Parallel& parallel)
      : rows_(rows),
        parallel_(parallel),
        n_(n),
        dim_(dim),
        width_((n + cost_lanes - 1) / cost_lanes * cost_lanes),
        size_(size),
        buyers_(buyers),
        columns_(dim * width_),
        price_(width_, 0),
        bought_(n, -1),
        owner_(width_, -1) {
    for (int64_t j = 0; j < n; ++j)
      for (int64_t d = 0; d < dim; ++d) columns_[d * width_ + j] = goods[j * dim + d];
    const bool keep = dim > 4 && n <= table_size;
    table_.resize((keep ? n : 1) * width_);
    for (int64_t i = 0; keep && i < n; ++i) compute(i, table_.data() + i * width_);
    kept_ = keep;
  }

  void solve(const std::vector<double>& prices) {
    std::copy(prices.begin(), prices.end(), price_.begin());
    match();
  }

  void solve() {
    std::vector<double> least(width_, infinity);
    for (int64_t i = 0; i < n_; ++i) {
      const double* row = this->row(i);
      for (int64_t j = 0; j < width_; ++j) least[j] = row[j] < least[j] ? row[j] : least[j];
    }
    for (int64_t j = 0; j < n_; ++j) price_[j] = -least[j];
    match();
  }

  int64_t bought(int64_t buyer) const { return bought_[buyer]; }

  // How far the total may be above the least: what all pay beyond what the cheapest costs them, as
  // far as that is more than rounding.
  double gap() {
    double sum = 0, total = 0;
    for (int64_t i = 0; i < n_; ++i) {
      const double* row = this->row(i);
      const double price = price_[bought_[i]], distance = row[bought_[i]];
      const double regret = distance + price - rows_.two_least(row, price_.data(), width_).first;
      if (regret > rounding(size_, distance + price, price)) sum += regret;
      total += distance;
    }
    return std::min(sum, total);
  }

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  void compute(int64_t i, double* row) {
    parallel_.check();
    rows_.distances(buyers_ + i * dim_, columns_.data(), width_, dim_, row);
    std::fill(row + n_, row + width_, infinity);
  }

  const double* row(int64_t i) {
    if (kept_) {
      parallel_.check();
      return table_.data() + i * width_;
    }
    compute(i, table_.data());
    return table_.data();
  }

  void give(int64_t i, int64_t j) {
    bought_[i] = j;
    owner_[j] = i;
  }

  void match() {
    std::vector<int64_t> without;
    for (int64_t i = 0; i < n_; ++i) {
      const int64_t j = rows_.two_least(row(i), price_.data(), width_).at;
      if (owner_[j] < 0) {
        give(i, j);
      } else {
        without.push_back(i);
      }
    }
    for (int round = 0; round < 2; ++round) without = outbid(std::move(without));
    if (without.empty()) return;
    reached_.resize(width_);
    by_.resize(width_);
    for (const int64_t i : without) augment(i);
  }

  // Each takes what is cheapest for him, from its owner if need be, and raises its price to where
  // the second cheapest would do as well. Gives those who are without in the end.
  std::vector<int64_t> outbid(std::vector<int64_t> waiting) {
    std::vector<int64_t> without;
    std::reverse(waiting.begin(), waiting.end());
    for (int64_t left = steps_a_buyer * n_; !waiting.empty(); --left) {
      const int64_t i = waiting.back();
      waiting.pop_back();
      const double* row = this->row(i);
      const TwoLeast least = rows_.two_least(row, price_.data(), width_);
      int64_t j = least.at;
      const double raised = price_[j] + (least.second - least.first);
      const bool dearer = n_ > 1 && raised > price_[j];
      if (dearer) {
        price_[j] = raised;
      } else if (owner_[j] >= 0) {
        // One that costs the same and nobody has, if there is any.
        for (int64_t other = 0; other < n_; ++other)
          if (owner_[other] < 0 && row[other] + price_[other] == least.first) {
            j = other;
            break;
          }
      }
      const int64_t loser = owner_[j];
      if (loser >= 0 && !dearer) {
        without.push_back(i);
        continue;
      }
      give(i, j);
      if (loser >= 0) (left > 0 ? waiting : without).push_back(loser);
    }
    return without;
  }

  // Matches one more, along the path of exchanges that costs least.
  void augment(int64_t start) {
    std::fill(reached_.begin(), reached_.end(), infinity);
    std::vector<std::pair<int64_t, double>> settled;  // goods that were reached, at what cost
    std::vector<double> prices = price_;              // infinity once settled
    int64_t i = start, j;
    double paid = -infinity, base = 0;
    while (true) {
      const double* row = this->row(i);
      if (i != start) base = paid - (row[bought_[i]] + price_[bought_[i]]);
      j = rows_.relax(row, prices.data(), width_, base, i, reached_.data(), by_.data());
      const double before = std::exchange(paid, reached_[j]);
      if (paid == before && owner_[j] >= 0) {
        // Of goods at the same cost one that nobody has ends the path.
        for (int64_t other = j + 1; other < n_; ++other)
          if (owner_[other] < 0 && reached_[other] == paid) {
            j = other;
            break;
          }
      }
      if (owner_[j] < 0) break;
      settled.emplace_back(j, paid);
      reached_[j] = prices[j] = infinity;
      i = owner_[j];
    }
    for (const auto& [slot, cost] : settled) price_[slot] += paid - cost;
    while (true) {
      const int64_t taker = by_[j];
      const int64_t next = bought_[taker];
      give(taker, j);
      if (taker == start) return;
      j = next;
    }
  }

  static constexpr int64_t steps_a_buyer = 4;

  const CostRows& rows_;
  const Parallel& parallel_;
  int64_t n_, dim_, width_;
  double size_;
  const double* buyers_;
  std::vector<double> columns_;  // (dim, width): the goods
  std::vector<double> table_;    // the rows that are kept, or room for one
  bool kept_;
  std::vector<double> price_;    // (width,)
  std::vector<int64_t> bought_;  // the good of each buyer
  std::vector<int64_t> owner_;   // the buyer of each good
  std::vector<double> reached_;  // (width,): the cost of the cheapest path to each good
  std::vector<int64_t> by_;      // the buyer before it
};

}  // namespace nvc3d
