// Runs CUDA sources on the CPU, so that kernels are tested where there is no GPU.
//
// It takes the place of NVIDIA's header of this name. A kernel's blocks run one after the other;
// the threads of a block are fibers of one CPU thread that take turns where they wait for each
// other: at barriers and at everything a warp does together. Which of them goes first changes from
// one wait to the next, shared memory starts as garbage, and a warp's threads must all meet where
// the kernel says so: a missing barrier is thus likely to change the answer. What this cannot show:
// whether real hardware is fast, runs out of registers, or reorders memory accesses of different
// blocks.
#pragma once

#include <setjmp.h>
#include <torch/csrc/stable/library.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __launch_bounds__(...)
#define CUDART_VERSION 13000

// The operators take tensors of the CPU, under a name of their own.
#undef STABLE_TORCH_LIBRARY_IMPL
#define STABLE_TORCH_LIBRARY_IMPL(ns, k, m) \
  _STABLE_TORCH_LIBRARY_IMPL(ns##_emulation, CPU, m, C10_UID)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace emulation {

constexpr int warp = 32;

// Where to go on. ucontext makes a fiber; from then on, jumps do, which ask nothing of the system.
struct Place {
  jmp_buf jump;
  ucontext_t context{};
  bool begun = false;
};

inline void go(Place& from, Place& to) {
  from.begun = true;
  if (_setjmp(from.jump)) return;
  if (to.begun) _longjmp(to.jump, 1);
  setcontext(&to.context);
}

struct Fiber {
  Place place;
  std::unique_ptr<char[]> stack{new char[size]};
  bool finished = false;
  const unsigned* waits = nullptr;  // for this count ...
  unsigned until = 0;               // ... to reach this value
  dim3 thread;
  static constexpr size_t size = 64 << 10;
};

// What the threads of a warp hand to each other, and how many times they have met.
struct Warp {
  uint64_t value[2][warp];  // used in turn: who is late may still read while others write
  unsigned arrived = 0, met = 0;
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  unsigned arrived = 0, met = 0, running = 0;
  unsigned long long votes = 0, result = 0;
  Place scheduler;
  std::function<void()> body;
};

inline thread_local Block* block = nullptr;
inline thread_local Fiber* fiber = nullptr;
inline std::mt19937 order{7};

inline void wait_until(const unsigned* count, unsigned value) {
  fiber->waits = count;
  fiber->until = value;
  while (static_cast<int>(*count - value) < 0) go(fiber->place, block->scheduler);
  fiber->waits = nullptr;
}

inline unsigned lane() { return fiber->thread.x % warp; }

// All threads of the block meet.
inline void meet_block() {
  const unsigned next = block->met + 1;
  if (++block->arrived == block->running) {
    block->arrived = 0;
    block->result = block->votes;
    block->votes = 0;
    ++block->met;
  }
  wait_until(&block->met, next);
}

// The lanes of a mask meet.
inline void meet_warp(unsigned mask) {
  Warp& mine = block->warps[fiber->thread.x / warp];
  if (!(mask >> lane() & 1)) std::abort();
  const unsigned next = mine.met + 1;
  if (++mine.arrived == static_cast<unsigned>(std::popcount(mask))) {
    mine.arrived = 0;
    ++mine.met;
  }
  wait_until(&mine.met, next);
}

// Calls combine(values of the warp) once all lanes of the mask have given theirs.
template <class T, class F>
auto together(unsigned mask, T value, const F& combine) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  Warp& mine = block->warps[fiber->thread.x / warp];
  uint64_t* const values = mine.value[mine.met % 2];
  std::memcpy(&values[lane()], &value, sizeof(T));
  meet_warp(mask);
  return combine([&](unsigned from) {
    T read;
    std::memcpy(&read, &values[from % warp], sizeof(T));
    return read;
  });
}

inline void enter() {
  block->body();
  fiber->finished = true;
  go(fiber->place, block->scheduler);
}

// Every block sees in its shared memory what the block before it left there.
inline void run_block(unsigned threads, const std::function<void()>& body) {
  Block here;
  here.body = body;
  here.running = threads;
  here.fibers.resize(threads);
  here.warps.resize((threads + warp - 1) / warp);
  block = &here;
  for (unsigned t = 0; t < threads; ++t) {
    Fiber& f = here.fibers[t];
    f.thread = dim3(t);
    getcontext(&f.place.context);
    f.place.context.uc_stack.ss_sp = f.stack.get();
    f.place.context.uc_stack.ss_size = Fiber::size;
    f.place.context.uc_link = nullptr;
    makecontext(&f.place.context, &enter, 0);
  }
  // One warp at a time is held back until no other can go on: the worst that a race can meet.
  const auto warps = static_cast<unsigned>(here.warps.size());
  unsigned left = threads, held = warps;
  while (left > 0) {
    const unsigned shift = static_cast<unsigned>(order()) % threads;
    const bool backwards = order() & 1;
    bool progress = false;
    for (unsigned i = 0; i < threads; ++i) {
      const unsigned t = ((backwards ? threads - 1 - i : i) + shift) % threads;
      Fiber& f = here.fibers[t];
      if (f.finished || t / warp == held) continue;
      if (f.waits && static_cast<int>(*f.waits - f.until) < 0) continue;
      progress = true;
      fiber = &f;
      go(here.scheduler, f.place);
      if (f.finished) {
        --left;
        // As on hardware, a thread that has left a block is not waited for.
        if (--here.running > 0 && here.arrived == here.running) {
          here.arrived = 0;
          here.result = here.votes;
          here.votes = 0;
          ++here.met;
        }
      }
    }
    if (progress) {
      if (held == warps && warps > 1) held = static_cast<unsigned>(order()) % warps;
    } else if (held < warps) {
      held = warps;
    } else {
      std::fprintf(stderr, "emulation: the threads of a block wait for each other for ever\n");
      std::abort();
    }
  }
  block = nullptr;
}

}  // namespace emulation

#define threadIdx (emulation::fiber->thread)
inline dim3 blockIdx;

inline void __syncthreads() { emulation::meet_block(); }
inline int __syncthreads_or(int vote) {
  emulation::block->votes += vote != 0;
  emulation::meet_block();
  return emulation::block->result != 0;
}
inline int __syncthreads_count(int vote) {
  emulation::block->votes += vote != 0;
  emulation::meet_block();
  return static_cast<int>(emulation::block->result);
}
inline void __syncwarp(unsigned mask = ~0u) { emulation::meet_warp(mask); }

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32) {
  const unsigned base = emulation::lane() / width * width;
  return emulation::together(mask, value, [&](auto of) { return of(base + from % width); });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int = 32) {
  return emulation::together(mask, value, [&](auto of) { return of(emulation::lane() ^ bits); });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int = 32) {
  const unsigned lane = emulation::lane();
  return emulation::together(mask, value,
                             [&](auto of) { return of(lane < by ? lane : lane - by); });
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int = 32) {
  const unsigned lane = emulation::lane();
  return emulation::together(mask, value,
                             [&](auto of) { return of(lane + by > 31 ? lane : lane + by); });
}
inline unsigned __ballot_sync(unsigned mask, int vote) {
  return emulation::together(mask, vote, [&](auto of) {
    unsigned bits = 0;
    for (unsigned i = 0; i < 32; ++i) bits |= (mask >> i & 1 && of(i) != 0 ? 1u : 0u) << i;
    return bits;
  });
}
inline int __any_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) != 0; }
inline int __all_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) == mask; }
template <class T>
T __reduce_min_sync(unsigned mask, T value) {
  static_assert(sizeof(T) == 4 && std::is_integral_v<T>);
  return emulation::together(mask, value, [&](auto of) {
    T least = value;
    for (unsigned i = 0; i < 32; ++i) least = mask >> i & 1 ? std::min(least, of(i)) : least;
    return least;
  });
}
template <class T>
T __reduce_max_sync(unsigned mask, T value) {
  static_assert(sizeof(T) == 4 && std::is_integral_v<T>);
  return emulation::together(mask, value, [&](auto of) {
    T most = value;
    for (unsigned i = 0; i < 32; ++i) most = mask >> i & 1 ? std::max(most, of(i)) : most;
    return most;
  });
}

// csrc/cuda/tensor_cores.cuh says which lane holds what.
namespace emulation {
struct Row {
  float at[8];
};
// Row or column `of` of a matrix that lies in the lanes in pairs (of, t), (of, t + 4).
inline Row gather_row(float early, float late, unsigned of) {
  return together(~0u, float2{early, late}, [&](auto held) {
    Row row;
    for (unsigned t = 0; t < 4; ++t) {
      const float2 pair = held(4 * of + t);
      row.at[t] = pair.x;
      row.at[t + 4] = pair.y;
    }
    return row;
  });
}
// Whose tensor cores multiply: tests set it with multiply_as_hopper.
inline bool hopper = false;

// sum + a . b of eight, as tensor cores add: they align the products, which are exact, and the sum
// so far to the largest of them, cut what lies below, and round the result towards zero. Up to Ada
// they keep 24 bits behind the largest one's leading bit and add four products at a time; Hopper
// and Blackwell keep 25 and add eight. (Fasi et al., "Numerical behavior of NVIDIA tensor cores",
// 2021; Khattak and Mikaitis, "Accurate models of NVIDIA tensor cores", 2025.) Where they leave
// open what is largest before products are normalised, this is the coarser of the two readings.
inline float tensor_core_sum(float sum, const float (&a)[8], const float (&b)[8]) {
  const int step = hopper ? 8 : 4, bits = hopper ? 25 : 24;
  for (int k = 0; k < 8; k += step) {
    double terms[9] = {sum};
    for (int i = 0; i < step; ++i) terms[1 + i] = double{a[k + i]} * double{b[k + i]};
    double largest = 0, all = 0;
    for (int i = 0; i <= step; ++i) {
      largest = std::max(largest, std::abs(terms[i]));
      all += terms[i];
    }
    if (!std::isfinite(all)) return static_cast<float>(all);
    if (largest == 0) continue;
    // The largest power of two in it, and the last bit that is kept.
    const double power = std::bit_cast<double>(std::bit_cast<uint64_t>(largest) & 0x7FFull << 52);
    const double unit = power / static_cast<double>(1 << bits);
    int64_t units = 0;  // no more than 30 bits
    for (int i = 0; i <= step; ++i) units += static_cast<int64_t>(terms[i] / unit);
    const double kept = static_cast<double>(units) * unit;
    sum = static_cast<float>(kept);
    if (std::isfinite(sum) && std::abs(double{sum}) > std::abs(kept))
      sum = std::nextafter(sum, 0.0f);
  }
  return sum;
}

inline void multiply_add(float (&sum)[4], const float (&a)[4], const float (&b)[2]) {
  for (const float value : {a[0], a[1], a[2], a[3], b[0], b[1]}) {
    // The hardware would read such a value without its last bits.
    if (!(std::bit_cast<unsigned>(value) & 0x1FFF) || value != value) continue;
    std::fprintf(stderr, "emulation: a tensor core got %a, which is not a TF32 number\n", value);
    std::abort();
  }
  const unsigned g = lane() / 4, t = lane() % 4;
  const Row rows[2] = {gather_row(a[0], a[2], g), gather_row(a[1], a[3], g)};
  const Row columns[2] = {gather_row(b[0], b[1], 2 * t), gather_row(b[0], b[1], 2 * t + 1)};
  for (unsigned i = 0; i < 4; ++i)
    sum[i] = tensor_core_sum(sum[i], rows[i / 2].at, columns[i % 2].at);
}
}  // namespace emulation

// One CPU thread runs all: what is atomic on hardware needs nothing here.
template <class T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, *at + value);
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, std::min(*at, value));
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  return std::exchange(*at, std::max(*at, value));
}

inline int __popc(unsigned bits) { return std::popcount(bits); }
inline int __ffs(unsigned bits) { return bits ? std::countr_zero(bits) + 1 : 0; }
inline int __clz(unsigned bits) { return std::countl_zero(bits); }
inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }
inline float __uint_as_float(unsigned value) { return std::bit_cast<float>(value); }
inline float __int_as_float(int value) { return std::bit_cast<float>(value); }
inline long long __double_as_longlong(double value) { return std::bit_cast<long long>(value); }
inline double __longlong_as_double(long long value) { return std::bit_cast<double>(value); }

using cudaStream_t = void*;
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorInvalidPtx = 218,
  cudaErrorUnsupportedPtxVersion = 222,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaDeviceAttr {
  cudaDevAttrComputeCapabilityMajor,
  cudaDevAttrComputeCapabilityMinor,
  cudaDevAttrMultiProcessorCount
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};
// What the next launch gives back, for tests of error messages.
inline cudaError_t emulated_failure = cudaSuccess;

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* configuration,
                               void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (emulated_failure != cudaSuccess) return std::exchange(emulated_failure, cudaSuccess);
  for (unsigned b = 0; b < configuration->gridDim.x; ++b) {
    blockIdx = dim3(b, 0, 0);
    emulation::run_block(configuration->blockDim.x, [&] { kernel(arguments...); });
  }
  return cudaSuccess;
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "emulated failure"; }
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaDriverGetVersion(int* version) { return *version = 12080, cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor   ? 7
           : attribute == cudaDevAttrComputeCapabilityMinor ? 5
                                                            : 4;
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* at, int value, size_t size, cudaStream_t) {
  return std::memset(at, value, size), cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size, cudaMemcpyKind,
                                   cudaStream_t) {
  return std::memcpy(to, from, size), cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
