// What the CUDA sources need beside the kernels that are emulated.
#include <numeric>

#include "../../csrc/cuda/sort.cuh"

// Under a name that does not collide with the real operators.
#undef STABLE_TORCH_LIBRARY
#define STABLE_TORCH_LIBRARY(ns, m) STABLE_TORCH_LIBRARY_FRAGMENT(nvc3d_emulation, m)
#include "../../csrc/library.cpp"

static bool no_stream = false;
extern "C" AOTITorchError aoti_torch_get_current_cuda_stream(int32_t, void** stream) {
  *stream = nullptr;
  return std::exchange(no_stream, false) ? AOTI_TORCH_FAILURE : AOTI_TORCH_SUCCESS;
}
// The next call is not told its stream.
extern "C" __attribute__((visibility("default"))) void emulate_lost_stream() { no_stream = true; }

// In the place of torch's: devices that calls make current.
static int guards = 0;
extern "C" AOTITorchError aoti_torch_create_device_guard(int32_t, DeviceGuardHandle* guard) {
  ++guards;
  *guard = reinterpret_cast<DeviceGuardHandle>(&guards);
  return AOTI_TORCH_SUCCESS;
}
extern "C" AOTITorchError aoti_torch_delete_device_guard(DeviceGuardHandle) {
  --guards;
  return AOTI_TORCH_SUCCESS;
}
// How many calls keep a device current.
extern "C" __attribute__((visibility("default"))) int devices_held() { return guards; }

// Streams capture graphs from now on, or no longer.
extern "C" __attribute__((visibility("default"))) void emulate_capture(bool yes) {
  emulated_capture = yes ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
}

// The next launch fails with this cudaError_t.
extern "C" __attribute__((visibility("default"))) void emulate_failure(int error) {
  emulated_failure = static_cast<cudaError_t>(error);
}

namespace nvc3d {

bool cuda_usable() { return true; }

// In the place of CUB's.
KeysAndValues sorted(const Device&, KeysAndValues unsorted, int bits) {
  KeysAndValues result(unsorted.keys.tensor, unsorted.count);
  std::vector<int64_t> order(unsorted.count);
  std::iota(order.begin(), order.end(), 0);
  const uint64_t mask = bits < 64 ? (uint64_t{1} << bits) - 1 : ~uint64_t{0};
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return (unsorted.keys.data[a] & mask) < (unsorted.keys.data[b] & mask);
  });
  for (int64_t i = 0; i < unsorted.count; ++i) {
    result.keys.data[i] = unsorted.keys.data[order[i]];
    result.values.data[i] = unsorted.values.data[order[i]];
  }
  return result;
}

}  // namespace nvc3d
