// Runs CUDA sources on the CPU, so that kernels are tested where there is no GPU.
//
// It takes the place of NVIDIA's header of this name. The threads of a block are fibers of one CPU
// thread that take turns where they wait for each other: at barriers and at everything a warp does
// together. Which of them goes first changes from one wait to the next, as does the order of the
// blocks, with the seed (NVC3D_EMULATION_SEED). Shared memory starts as NaN. What a GPU would leave
// undefined stops the kernel, and its launch throws: threads that meet at different places of the
// source or under a wrong mask, or that wait for ever, and numbers that tensor cores cannot read.
// Built for ThreadSanitizer, it reports accesses that nothing orders, even if the answer is right:
// of the threads of a block, of blocks (NVC3D_EMULATION_UNORDERED=1), and of the host, which must
// wait for the stream before it reads. Built for the address sanitizer, what lies out of bounds.
//
// What this cannot show: whether real hardware is fast, or runs out of registers.
#pragma once

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <bit>
#include <climits>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define CUDART_VERSION 13000

// Tensors of the CPU stand for those of a GPU, whose values the host would have to wait for.
#define NVC3D_EMULATED
#define NVC3D_PINNED false

// The operators take tensors of the CPU, under a name of their own.
#undef STABLE_TORCH_LIBRARY_IMPL
#define STABLE_TORCH_LIBRARY_IMPL(ns, k, m) \
  _STABLE_TORCH_LIBRARY_IMPL(ns##_emulation, CPU, m, C10_UID)

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace emulation {

template <class T>
uint64_t packed(T value) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

// Calls combine(values of the warp) once all lanes of the mask have given theirs.
template <class T, class F>
auto together(unsigned mask, T value, const Where& where, const F& combine) {
  const uint64_t* const values = exchange(mask, packed(value), where);
  return combine([&](unsigned from) {
    T read;
    std::memcpy(&read, &values[from % warp], sizeof(T));
    return read;
  });
}

}  // namespace emulation

inline void __syncthreads(emulation::Where at = emulation::Where::current()) {
  emulation::meet_block(0, at);
}
inline int __syncthreads_or(int vote, emulation::Where at = emulation::Where::current()) {
  return emulation::meet_block(vote != 0, at) != 0;
}
inline int __syncthreads_count(int vote, emulation::Where at = emulation::Where::current()) {
  return static_cast<int>(emulation::meet_block(vote != 0, at));
}
inline void __syncwarp(unsigned mask = ~0u, emulation::Where at = emulation::Where::current()) {
  emulation::meet_warp(mask, at);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32,
              emulation::Where at = emulation::Where::current()) {
  const unsigned base = emulation::lane() / width * width;
  return emulation::together(mask, value, at, [&](auto of) { return of(base + from % width); });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int = 32,
                  emulation::Where at = emulation::Where::current()) {
  return emulation::together(mask, value, at,
                             [&](auto of) { return of(emulation::lane() ^ bits); });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int = 32,
                 emulation::Where at = emulation::Where::current()) {
  const unsigned lane = emulation::lane();
  return emulation::together(mask, value, at,
                             [&](auto of) { return of(lane < by ? lane : lane - by); });
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int = 32,
                   emulation::Where at = emulation::Where::current()) {
  const unsigned lane = emulation::lane();
  return emulation::together(mask, value, at,
                             [&](auto of) { return of(lane + by > 31 ? lane : lane + by); });
}
inline unsigned __ballot_sync(unsigned mask, int vote,
                              emulation::Where at = emulation::Where::current()) {
  return emulation::together(mask, vote, at, [&](auto of) {
    unsigned bits = 0;
    for (unsigned i = 0; i < 32; ++i) bits |= (mask >> i & 1 && of(i) != 0 ? 1u : 0u) << i;
    return bits;
  });
}
inline int __any_sync(unsigned mask, int vote, emulation::Where at = emulation::Where::current()) {
  return __ballot_sync(mask, vote, at) != 0;
}
inline int __all_sync(unsigned mask, int vote, emulation::Where at = emulation::Where::current()) {
  return __ballot_sync(mask, vote, at) == mask;
}
template <class T>
T __reduce_min_sync(unsigned mask, T value, emulation::Where at = emulation::Where::current()) {
  static_assert(sizeof(T) == 4 && std::is_integral_v<T>);
  return emulation::together(mask, value, at, [&](auto of) {
    T least = value;
    for (unsigned i = 0; i < 32; ++i) least = mask >> i & 1 ? std::min(least, of(i)) : least;
    return least;
  });
}
template <class T>
T __reduce_max_sync(unsigned mask, T value, emulation::Where at = emulation::Where::current()) {
  static_assert(sizeof(T) == 4 && std::is_integral_v<T>);
  return emulation::together(mask, value, at, [&](auto of) {
    T most = value;
    for (unsigned i = 0; i < 32; ++i) most = mask >> i & 1 ? std::max(most, of(i)) : most;
    return most;
  });
}

// Asynchronous copies are made when they are waited for: until then, what they will overwrite is
// NaN.
namespace emulation {
struct Copy {
  float* to;
  const float* from;
  int bytes;
  bool real;
};
struct Copies {
  std::vector<Copy> begun;
  std::vector<std::vector<Copy>> closed;  // groups, the oldest first
};
inline Copies copies[1024];  // of the threads of a block

inline void copy_async(float* to, const float* from, int bytes, bool real) {
  const auto misaligned = [&](const void* at) { return reinterpret_cast<uintptr_t>(at) % bytes; };
  if (misaligned(to) || misaligned(from)) std::abort();
#ifdef __SANITIZE_THREAD__  // what follows would itself be shared by blocks
  for (int i = 0; i < bytes / 4; ++i) to[i] = real ? from[i] : 0;
#else
  for (int i = 0; i < bytes / 4; ++i) to[i] = NAN;
  copies[threadIdx.x].begun.push_back({to, from, bytes, real});
#endif
}
inline void close_copies() {
#ifndef __SANITIZE_THREAD__
  Copies& mine = copies[threadIdx.x];
  mine.closed.push_back(std::exchange(mine.begun, {}));
#endif
}
inline void wait_for_copies([[maybe_unused]] size_t open) {
#ifndef __SANITIZE_THREAD__
  auto& closed = copies[threadIdx.x].closed;
  while (closed.size() > open) {
    for (const Copy& copy : closed.front())
      for (int i = 0; i < copy.bytes / 4; ++i) copy.to[i] = copy.real ? copy.from[i] : 0;
    closed.erase(closed.begin());
  }
#endif
}
}  // namespace emulation

// One CPU thread runs all: these are atomic so that ThreadSanitizer takes them for what they are.
template <class T, class F>
T emulated_atomic(T* at, const F& next) {
  using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  static_assert(sizeof(T) == sizeof(Bits));
  auto* const bits = reinterpret_cast<Bits*>(at);
  Bits held = __atomic_load_n(bits, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(bits, &held,
                                      std::bit_cast<Bits>(next(std::bit_cast<T>(held))), false,
                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return std::bit_cast<T>(held);
}
template <class T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [&](T held) { return static_cast<T>(held + value); });
}
inline int atomicCAS(int* at, int expected, int value) {
  return emulated_atomic(at, [&](int held) { return held == expected ? value : held; });
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [&](T held) { return std::min(held, value); });
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  return emulated_atomic(at, [&](T held) { return std::max(held, value); });
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

namespace emulation {
template <class... Parameters>
struct LaunchOf : Launch {
  void (*kernel)(Parameters...);
  std::tuple<Parameters...> arguments;

  template <class... Arguments>
  explicit LaunchOf(void (*kernel)(Parameters...), Arguments&&... arguments)
      : kernel(kernel), arguments(std::forward<Arguments>(arguments)...) {}
  void run() const override { std::apply(kernel, arguments); }
};
}  // namespace emulation

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* configuration,
                               void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (emulated_failure != cudaSuccess) return std::exchange(emulated_failure, cudaSuccess);
  emulation::launch(configuration->gridDim.x, configuration->blockDim.x,
                    new emulation::LaunchOf<Parameters...>(kernel, arguments...));
  return cudaSuccess;
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaPeekAtLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(cudaError_t) { return "emulated failure"; }
inline cudaError_t cudaDriverGetVersion(int* version) { return *version = 12080, cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor   ? 7
           : attribute == cudaDevAttrComputeCapabilityMinor ? 5
                                                            : 4;
  return cudaSuccess;
}
// Whether the stream captures a graph, in which the host cannot wait for anything.
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
inline cudaStreamCaptureStatus emulated_capture = cudaStreamCaptureStatusNone;
inline cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  return *status = emulated_capture, cudaSuccess;
}

inline cudaError_t cudaMemsetAsync(void* at, int value, size_t size, cudaStream_t) {
  return emulation::fill(at, value, size), cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t size, cudaMemcpyKind,
                                   cudaStream_t) {
  return emulation::copy(to, from, size), cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
  if (emulated_capture == cudaStreamCaptureStatusNone) return emulation::synchronize(), cudaSuccess;
  std::fprintf(stderr, "emulation: the host waits for a stream that captures a graph\n");
  std::abort();
}

using cudaEvent_t = void*;
constexpr unsigned cudaEventDisableTiming = 2;
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  return *event = new char, cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaStreamSynchronize(nullptr); }
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return delete static_cast<char*>(event), cudaSuccess;
}
