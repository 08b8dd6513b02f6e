// A pool for kernels that are called without torch.
#pragma once

#include <algorithm>
#include <thread>
#include <vector>

#include "../../csrc/core/kernels.h"

// Pieces of nearly equal size, each on a thread of its own.
inline void run_on_threads(void* pool, int64_t count, int64_t grain, void* context,
                           nvc3d::Parallel::Body body) {
  const int64_t most = *static_cast<int64_t*>(pool);
  const int64_t pieces = std::min(most, (count + grain - 1) / grain);
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < pieces; ++i) {
    threads.emplace_back(body, context, count * i / pieces, count * (i + 1) / pieces);
  }
  for (std::thread& thread : threads) thread.join();
}

inline nvc3d::Parallel on_threads(int64_t& threads) {
  return nvc3d::Parallel{threads, &run_on_threads, nullptr, &threads};
}
