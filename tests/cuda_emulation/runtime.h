// What emulated kernels ask of the emulation: runtime.cpp has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

// Of the thread that runs.
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

// Where in the source threads meet: all must meet at the same place.
using Where = std::source_location;

constexpr unsigned warp = 32;
inline unsigned lane() { return threadIdx.x % warp; }

// All threads of the block meet; gives the sum of what they bring.
unsigned meet_block(unsigned vote, const Where& where);
// The lanes of a mask meet and see what they wrote before.
void meet_warp(unsigned mask, const Where& where);
// The lanes of a mask hand values to each other, and promise nothing of memory. The result holds
// every lane's, until they have met twice more.
const uint64_t* exchange(unsigned mask, uint64_t value, const Where& where);

// csrc/cuda/tensor_cores.cuh says which lane holds what.
void multiply_add(float (&sum)[4], const float (&a)[4], const float (&b)[2],
                  const Where& where = Where::current());

// Runs a kernel and gives its arguments up, in the order of the stream.
struct Launch {
  virtual ~Launch() = default;
  virtual void run() const = 0;
};
void launch(unsigned blocks, unsigned threads, const Launch* kernel);
void copy(void* to, const void* from, size_t size);
void fill(void* at, int value, size_t size);
void synchronize();

// Which of the faults in broken.py is chosen; 0 for none.
extern int broken;

// Stops the kernel that runs: its launch throws std::runtime_error with this text.
[[noreturn]] void fault(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace emulation
