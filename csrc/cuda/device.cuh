// Where an operator runs: its device, torch's current stream there, and kernel launches whose
// failures say what to do about them.
#pragma once

#include <cuda_runtime.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <utility>

#include "../checks.h"
#include "usable.h"

namespace nvc3d {

class Device {
 public:
  // Makes the device of `on` current until the end of the scope. `operation` is for messages.
  Device(const Tensor& on, const char* operation);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  cudaStream_t stream() const { return stream_; }
  int processors() const;  // how many work side by side
  bool captures() const;   // whether what is launched becomes part of a CUDA graph
  const char* operation() const { return operation_; }

  template <class... Parameters, class... Arguments>
  void launch(void (*kernel)(Parameters...), int64_t blocks, int threads,
              Arguments&&... arguments) const {
    if (blocks == 0) return;
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = grid(blocks);
    configuration.blockDim = dim3(static_cast<unsigned>(threads));
    configuration.stream = stream_;
    check(cudaLaunchKernelEx(&configuration, kernel,
                             static_cast<Parameters>(std::forward<Arguments>(arguments))...));
  }

  // Sets all bytes to one value.
  void fill(void* at, int byte, int64_t bytes) const {
    if (bytes > 0) check(cudaMemsetAsync(at, byte, static_cast<size_t>(bytes), stream_));
  }

  // Throws unless the status is success.
  void check(cudaError_t status) const {
    if (status != cudaSuccess) fail(status);
  }

 private:
  dim3 grid(int64_t blocks) const;
  [[noreturn]] void fail(cudaError_t status) const;

  const char* operation_;
  int number_;
  // torch's own: where no work has been done on the device before, going back to it costs nothing.
  torch::stable::accelerator::DeviceGuard guard_;
  cudaStream_t stream_ = nullptr;
};

// A new tensor on the device of `like`. Where there is no room for it, the error has torch's words.
Tensor allocate(const Tensor& like, torch::headeronly::IntHeaderOnlyArrayRef shape,
                std::optional<ScalarType> type = std::nullopt);

// Memory of torch's allocator, in the order of the current stream: it may be given up while
// kernels that use it are still to run.
template <class T>
struct Memory {
  int64_t bytes;
  Tensor tensor;
  T* data;

  Memory(const Tensor& like, int64_t count)
      : bytes(count * static_cast<int64_t>(sizeof(T))),
        tensor(allocate(like, {bytes}, ScalarType::Byte)),
        data(static_cast<T*>(tensor.data_ptr())) {}
};

constexpr int64_t pieces(int64_t count, int64_t size) { return (count + size - 1) / size; }

}  // namespace nvc3d
