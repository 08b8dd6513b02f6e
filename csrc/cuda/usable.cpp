// Looks at torch and the driver without starting CUDA: importing nvc3d is no work for a GPU, and a
// process may still be forked after it. Plain C functions tell Python what was found.
#include "usable.h"

#include <dlfcn.h>

#include <cstdint>
#include <sstream>
#include <string>

// What the kernels are built with, as CUDA counts its versions: 12040 is 12.4. 0: with no kernels.
#ifndef NVC3D_CUDA_RUNTIME
#define NVC3D_CUDA_RUNTIME 0
#define NVC3D_CUDA_ARCHITECTURES ""
#endif

// Only a torch with CUDA has it.
extern "C" int32_t aoti_torch_get_current_cuda_stream(int32_t, void**);
#pragma weak aoti_torch_get_current_cuda_stream

namespace nvc3d {
namespace {

// A runtime works with all drivers of its CUDA's first release and later.
constexpr int oldest_driver = NVC3D_CUDA_RUNTIME / 1000 * 1000;

// The CUDA that the driver knows; 0 without a driver.
int driver_version() {
  void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver == nullptr) return 0;
  using Function = int (*)(int*);
  const auto get = reinterpret_cast<Function>(dlsym(driver, "cuDriverGetVersion"));
  int version = 0;
  if (get == nullptr || get(&version) != 0) version = 0;
  dlclose(driver);
  return version;
}

// torch for AMD's GPUs calls its device "cuda" as well.
bool torch_is_for_rocm() {
  void* const library = dlopen("libc10_hip.so", RTLD_LAZY | RTLD_NOLOAD);
  if (library != nullptr) dlclose(library);
  return library != nullptr;
}

// Why the kernels cannot run, and what to do about it; empty where they can.
std::string find_obstacle() {
  std::ostringstream text;
  if (NVC3D_CUDA_RUNTIME == 0) {
    text << "this build of nvc3d holds no CUDA kernels: install it from source with CUDA's nvcc on "
            "the PATH";
  } else if (torch_is_for_rocm()) {
    text << "torch is built for ROCm, and the kernels of nvc3d for CUDA";
  } else if (aoti_torch_get_current_cuda_stream == nullptr) {
    text << "torch is built without CUDA";
  } else if (const int driver = driver_version(); driver == 0) {
    text << "there is no NVIDIA driver (libcuda.so.1)";
  } else if (driver < oldest_driver) {
    text << "the NVIDIA driver knows CUDA " << driver / 1000 << '.' << driver % 1000 / 10
         << ", and this build of nvc3d needs " << oldest_driver / 1000
         << ".0: update the driver, or install nvc3d from source with an nvcc of CUDA "
         << driver / 1000;
  }
  return text.str();
}

const std::string& obstacle() {
  static const std::string text = find_obstacle();
  return text;
}

}  // namespace

bool cuda_usable() { return obstacle().empty(); }

}  // namespace nvc3d

#define NVC3D_EXPORT __attribute__((visibility("default")))

extern "C" {

NVC3D_EXPORT const char* nvc3d_cuda_obstacle() { return nvc3d::obstacle().c_str(); }
NVC3D_EXPORT const char* nvc3d_cuda_architectures() { return NVC3D_CUDA_ARCHITECTURES; }
NVC3D_EXPORT int nvc3d_cuda_runtime() { return NVC3D_CUDA_RUNTIME; }
NVC3D_EXPORT int nvc3d_cuda_driver() { return nvc3d::driver_version(); }
}
