// How a padded batch becomes single clouds on raw pointers, and how those are spread over threads.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <exception>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <vector>

#include "../checks.h"
#include "../core/kernels.h"
#include "interrupt.h"
#include "variant.h"

namespace nvc3d {

// A padded batch, contiguous; keeps its memory alive.
template <class T>
struct Clouds {
  Tensor points;                  // (B, N, D)
  std::optional<Tensor> lengths;  // (B,)
  const T* data;
  const int64_t* counts;  // nullptr without lengths
  int64_t batch, size, dim;

  Clouds(const Tensor& source, const std::optional<Tensor>& source_lengths)
      : points(torch::stable::contiguous(source)),
        data(static_cast<const T*>(points.data_ptr())),
        counts(nullptr),
        batch(points.size(0)),
        size(points.size(1)),
        dim(points.size(2)) {
    if (source_lengths) {
      lengths = torch::stable::contiguous(*source_lengths);
      counts = static_cast<const int64_t*>(lengths->data_ptr());
    }
  }

  const T* cloud(int64_t b) const { return data + b * size * dim; }
  int64_t count(int64_t b) const { return counts ? counts[b] : size; }
  // Whether these are the same clouds in the same memory, and none of their points is padding.
  bool hold(const Clouds& other) const {
    return data == other.data && batch == other.batch && size == other.size && !counts;
  }
};

// torch's threads. What a body throws is thrown again here, with its type: torch would turn it
// into a bare error code.
inline void torch_threads(void*, int64_t count, int64_t grain, void* context, Parallel::Body body) {
  std::exception_ptr thrown;
  std::mutex lock;
  torch::stable::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    try {
      body(context, begin, end);
    } catch (...) {
      const std::lock_guard<std::mutex> guard(lock);
      thrown = std::current_exception();
    }
  });
  if (thrown) std::rethrow_exception(thrown);
}

// One thread or all of torch's, for a call that Ctrl-C can end.
inline Parallel one_thread() {
  return {1, nullptr, &Interruptible::cancelled, Interruptible::current()};
}

inline Parallel all_threads() {
  Parallel parallel = one_thread();
  parallel.threads = static_cast<int64_t>(torch::stable::get_num_threads());
  parallel.run = &torch_threads;
  return parallel;
}

// Calls body(b, parallel) for every cloud of a batch: whole clouds side by side where there are
// enough of them to keep all threads busy, else one after the other, each spread over all threads.
// Returns early where the call is interrupted.
template <class Body>
void for_each_cloud(int64_t batch, const Body& body) {
  const Parallel one = one_thread(), all = all_threads();
  try {
    if (batch >= all.threads) {
      all(batch, 1, [&](int64_t begin, int64_t end) {
        for (int64_t b = begin; b < end; ++b) body(b, one);
      });
    } else {
      for (int64_t b = 0; b < batch; ++b) body(b, all);
    }
  } catch (const Cancelled&) {
  }
}

// `rank` 2 where the one cloud of the batch came as a matrix: then the position has no batch.
template <class T>
void require_finite(const Clouds<T>& clouds, const char* name, int rank = 3) {
  struct Bad {
    int64_t count, first;
  };
  std::vector<Bad> found(clouds.batch);
  for_each_cloud(clouds.batch, [&](int64_t b, const Parallel&) {
    found[b].count = kernels<T>().count_nonfinite(clouds.cloud(b), clouds.count(b) * clouds.dim,
                                                  &found[b].first);
  });
  int64_t total = 0, where = -1;
  for (int64_t b = 0; b < clouds.batch; ++b) {
    if (found[b].count > 0 && where < 0) where = b;
    total += found[b].count;
  }
  if (where < 0) return;
  const int64_t first = found[where].first;
  refuse_values(name, total, clouds.cloud(where)[first], where, first, clouds.dim, rank);
}

// Calls body(T{}), which gives the outputs, with the scalar type of a tensor that `require_float`
// let through. Ctrl-C can end the call; its unfinished outputs are then 0.
template <class Body>
auto with_type(const Tensor& tensor, const Body& body) {
  Interruptible call;
  auto outputs = tensor.scalar_type() == ScalarType::Double ? body(double{}) : body(float{});
  if (call.interrupted()) {
    if constexpr (std::is_same_v<decltype(outputs), Tensor>) {
      torch::stable::zero_(outputs);
    } else {
      std::apply([](auto&... output) { (torch::stable::zero_(output), ...); }, outputs);
    }
  }
  return outputs;
}

inline Tensor new_index(const Tensor& like, std::initializer_list<int64_t> size) {
  return torch::stable::new_empty(like, size, ScalarType::Long);
}

template <class T>
T* pointer(const Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

// Padded rows of an output (B, N, width) become 0.
template <class T, class V>
void clear_padding(const Clouds<T>& clouds, V* values, int64_t width) {
  for (int64_t b = 0; b < clouds.batch; ++b)
    std::fill(values + (b * clouds.size + clouds.count(b)) * width,
              values + (b + 1) * clouds.size * width, V(0));
}

}  // namespace nvc3d
