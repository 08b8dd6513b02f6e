// What GPUs before sm_80 do in the place of instructions they lack, against these instructions: the
// fallbacks are compiled, and the instructions are the emulation's. Exits with 1 on a difference.
#include <cuda_runtime.h>

#define __CUDA_ARCH__ 750
#define __noinline__
#include "../../csrc/cuda/tensor_cores.cuh"

extern "C" AOTITorchError aoti_torch_get_current_cuda_stream(int32_t, void** stream) {
  return *stream = nullptr, AOTI_TORCH_SUCCESS;
}

static_assert(NVC3D_BEFORE_SM80);

namespace {

int failures = 0;

void expect(bool same, const char* what) {
  if (same) return;
  std::fprintf(stderr, "lane %u: %s differs\n", emulation::lane(), what);
  ++failures;
}

// Any 11 significant bits of a float below 16.
float any_value(unsigned& state) {
  state = state * 1664525u + 1013904223u;
  const float value = static_cast<float>((state >> 8) % 2048) * (state >> 31 ? -1 : 1);
  return std::ldexp(value, static_cast<int>(state >> 20 & 7) - 14);
}

void compare(unsigned seed) {
  unsigned state = seed * 32 + emulation::lane();
  const int numbers[] = {static_cast<int>(any_value(state) * 1000), INT32_MAX, INT32_MIN, 0};
  for (const int number : numbers) {
    const int mine = emulation::lane() % 3 ? number : static_cast<int>(emulation::lane());
    expect(nvc3d::warp_least(mine) == __reduce_min_sync(~0u, mine), "the least integer");
    expect(nvc3d::warp_largest(mine) == __reduce_max_sync(~0u, mine), "the largest integer");
  }
  float sum[4], expected[4], a[4], b[2];
  for (int i = 0; i < 4; ++i) {
    sum[i] = expected[i] = any_value(state);
    a[i] = any_value(state);
  }
  for (float& value : b) value = any_value(state);
  nvc3d::multiply_add(sum, a, b);
  emulation::multiply_add(expected, a, b);
  for (int i = 0; i < 4; ++i) expect(std::abs(sum[i] - expected[i]) < 0.01f, "a product");
}

}  // namespace

int main() {
  for (unsigned seed = 0; seed < 20; ++seed)
    emulation::launch(1, 64, new emulation::LaunchOf<unsigned>(&compare, seed));
  return failures > 0;
}
