// Marks small functions that stand once for the CPU and for CUDA kernels.
#pragma once

#if defined(__CUDACC__)
#define NVC3D_HOST_DEVICE __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define NVC3D_HOST_DEVICE inline __attribute__((always_inline))
#else
#define NVC3D_HOST_DEVICE inline
#endif
