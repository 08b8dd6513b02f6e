// Whether the CUDA kernels can run in this process: torch, the driver and this build must fit.
#pragma once

namespace nvc3d {

// Kernels that cannot run are not registered: the plain definitions then answer for CUDA tensors.
bool cuda_usable();

}  // namespace nvc3d
