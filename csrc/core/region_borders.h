// Neighbours that are in different regions.
//
// Pairs are counted first, block by block, so each block knows where its own begin: threads change
// nothing.
#pragma once

#include <algorithm>

#include "kernels.h"

namespace nvc3d {

constexpr int64_t border_block = 4096;  // points

inline int64_t border_blocks(int64_t n) { return (n + border_block - 1) / border_block; }

// Calls visit(i, j) for each point i of a block and its neighbours j in other regions. index (n,
// k), region (n,).
template <class Visit>
void each_border(const int64_t* index, const int64_t* region, int64_t n, int64_t k, int64_t block,
                 const Visit& visit) {
  for (int64_t i = block * border_block; i < std::min(n, (block + 1) * border_block); ++i) {
    for (int64_t j = i * k; j < (i + 1) * k; ++j) {
      if (region[index[j]] != region[i]) visit(i, index[j]);
    }
  }
}

// How many pairs there are; `before` (blocks,) of each block's is overwritten.
inline int64_t count_borders(const int64_t* index, const int64_t* region, int64_t n, int64_t k,
                             int64_t* before, const Parallel& parallel) {
  const int64_t blocks = border_blocks(n);
  parallel(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      int64_t count = 0;
      each_border(index, region, n, k, block, [&](int64_t, int64_t) { ++count; });
      before[block] = count;
    }
  });
  int64_t total = 0;
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t own = before[block];
    before[block] = total;
    total += own;
  }
  return total;
}

// The points and their neighbours, pair by pair, in their order: one and other (pairs,).
inline void region_borders(const int64_t* index, const int64_t* region, int64_t n, int64_t k,
                           const int64_t* before, int64_t* one, int64_t* other,
                           const Parallel& parallel) {
  parallel(border_blocks(n), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      int64_t at = before[block];
      each_border(index, region, n, k, block, [&](int64_t i, int64_t j) {
        one[at] = i;
        other[at++] = j;
      });
    }
  });
}

}  // namespace nvc3d
