#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include "device.cuh"

#ifndef NVC3D_CUDA_ARCHITECTURES
#define NVC3D_CUDA_ARCHITECTURES "unknown architectures"
#endif

// Only a torch with CUDA has it: the library loads on torch for the CPU as well.
#pragma weak aoti_torch_get_current_cuda_stream
// torch has it from 2.13.
extern "C" const char* torch_exception_get_what_without_backtrace();
#pragma weak torch_exception_get_what_without_backtrace

namespace nvc3d {

Device::Device(const Tensor& on, const char* operation)
    : operation_(operation), number_(on.get_device()), guard_(number_) {
  require(aoti_torch_get_current_cuda_stream != nullptr, operation,
          " needs a torch that is built with CUDA: move the tensors to the CPU");
  void* stream = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(number_, &stream));
  stream_ = static_cast<cudaStream_t>(stream);
}

int Device::processors() const {
  int count = 0;
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, number_));
  return count;
}

bool Device::captures() const {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream_, &status));
  return status != cudaStreamCaptureStatusNone;
}

dim3 Device::grid(int64_t blocks) const {
  require(blocks <= INT32_MAX, operation_,
          " got more points than a GPU can be given at once: ", "split the batch");
  return dim3(static_cast<unsigned>(blocks));
}

void Device::fail(cudaError_t status) const {
  cudaGetLastError();  // a later call of torch must not find this error
  int major = 0, minor = 0, driver = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, number_);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, number_);
  cudaDriverGetVersion(&driver);
  std::ostringstream text;
  text << "nvc3d: " << operation_ << " did not run on cuda:" << number_ << " (architecture sm_"
       << major << minor << "): " << cudaGetErrorString(status) << "; ";
  switch (status) {
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorInvalidPtx:
      text << "this build holds kernels for " << NVC3D_CUDA_ARCHITECTURES
           << ": build nvc3d for this GPU (NVC3D_CUDA_ARCHITECTURES=" << major << minor
           << " pip install ..., with nvcc on the PATH), or move the tensors to the CPU";
      break;
    case cudaErrorInsufficientDriver:
      text << "the driver knows CUDA " << driver / 1000 << "." << driver % 1000 / 10
           << " and this build needs " << CUDART_VERSION / 1000 << ".0: update the driver, build "
           << "nvc3d with an older nvcc, or move the tensors to the CPU";
      break;
    case cudaErrorMemoryAllocation:
      text << "CUDA out of memory. Use a smaller batch, or free memory with "
           << "torch.cuda.empty_cache()";
      break;
    default: text << "if an earlier kernel failed, CUDA_LAUNCH_BLOCKING=1 shows which one";
  }
  throw std::runtime_error(text.str());
}

Tensor allocate(const Tensor& like, torch::headeronly::IntHeaderOnlyArrayRef shape,
                std::optional<ScalarType> type) {
  try {
    return torch::stable::new_empty(like, shape, type);
  } catch (const std::runtime_error&) {
    if (torch_exception_get_what_without_backtrace != nullptr)
      throw std::runtime_error(torch_exception_get_what_without_backtrace());
    // Older ones tell nobody why. An error of the device is not forgotten; else there is no room.
    if (cudaPeekAtLastError() != cudaSuccess) throw;
    throw std::runtime_error(
        "CUDA out of memory. nvc3d could not allocate a tensor: use a smaller batch, or free "
        "memory with torch.cuda.empty_cache()");
  }
}

}  // namespace nvc3d
