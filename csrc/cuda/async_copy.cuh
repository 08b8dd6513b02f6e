// Copies from global to shared memory that go on while the thread does. Before sm_80, where there
// are none, the thread makes them itself.
#pragma once

#include "warp.cuh"

namespace nvc3d {

// Begins to copy `Bytes` (4 or 16, and both addresses multiples of that), or zeros where there is
// nothing real to copy.
template <int Bytes>
__device__ void copy_async(float* to, const float* from, bool real) {
#if NVC3D_BEFORE_SM80
  for (int i = 0; i < Bytes / 4; ++i) to[i] = real ? from[i] : 0;
#elif defined(__CUDACC__)
  const auto shared = static_cast<unsigned>(__cvta_generic_to_shared(to));
  const int size = real ? Bytes : 0;
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(size)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared), "l"(from),
                 "n"(Bytes), "r"(size)
                 : "memory");
  }
#else
  emulation::copy_async(to, from, Bytes, real);
#endif
}

// Closes the group of all copies that this thread has begun since it closed the last one.
inline __device__ void close_copies() {
#if NVC3D_BEFORE_SM80
#elif defined(__CUDACC__)
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulation::close_copies();
#endif
}

// Waits for all of this thread's groups but the latest `Open`.
template <int Open>
__device__ void wait_for_copies() {
#if NVC3D_BEFORE_SM80
#elif defined(__CUDACC__)
  asm volatile("cp.async.wait_group %0;" ::"n"(Open) : "memory");
#else
  emulation::wait_for_copies(Open);
#endif
}

}  // namespace nvc3d
