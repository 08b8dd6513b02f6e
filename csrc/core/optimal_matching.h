// The one-to-one matching of two clouds of equal size with the least total Euclidean distance: by
// an auction where that goes quickly, and what it leaves over, or gives up, by shortest paths.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "auction.h"
#include "shortest_paths.h"

namespace nvc3d {

// x (n, dim) and y (n, dim): index (n,) is the y of each x; returns how far the mean distance may
// be above the least there is, at most a share `tolerance` of it: 0 is exact. Where coordinates are
// not finite each x gets the y of its own row.
// One thread's work, as bids follow one upon the other: `parallel` only says when to give up.
template <class T>
T optimal_matching(const T* x, const T* y, int64_t n, int64_t dim, double tolerance, int64_t* index,
                   const CostRows& rows, const Parallel& parallel) {
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
  std::vector<double> buyers(n * dim), points(n * dim);
  for (int64_t v = 0; v < n * dim; ++v) {
    buyers[v] = std::ldexp(static_cast<double>(x[v]), -power);
    points[v] = std::ldexp(static_cast<double>(y[v]), -power);
  }
  double size = 0;
  for (int64_t d = 0; d < dim; ++d) {
    low = high = buyers[d];
    for (int64_t v = d; v < n * dim; v += dim) {
      low = std::min({low, buyers[v], points[v]});
      high = std::max({high, buyers[v], points[v]});
    }
    size += high - low;
  }
  PriceTree goods(points.data(), n, dim);
  Auction auction(buyers.data(), goods, n, dim, size, parallel);
  const auto answer = [&](auto& matched) {
    for (int64_t i = 0; i < n; ++i) index[i] = goods.index(matched.bought(i));
    return static_cast<T>(std::ldexp(matched.gap() / n, power));
  };
  if (auction.solve(tolerance)) return answer(auction);
  ShortestPaths paths(buyers.data(), goods.points(), n, dim, size, rows, parallel);
  if (auction.pays()) {
    paths.solve(goods.prices());
  } else {
    paths.solve();
  }
  return answer(paths);
}

}  // namespace nvc3d
