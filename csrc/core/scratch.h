// Uninitialised working memory for the kernels, freed when it goes out of scope.
//
// It stands in for std::vector, whose code would be compiled once per instruction set under one
// name: the linker keeps any one of them, and an old machine might get the one with AVX-512.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "simd.h"

namespace nvc3d::NVC3D_ISA {

template <class U>
class Scratch {
 public:
  Scratch() = default;
  // Throws std::bad_alloc, also when the number of bytes does not fit.
  explicit Scratch(int64_t count) : count_(count) {
    constexpr size_t most = (SIZE_MAX >> 1) / sizeof(U);
    const size_t bytes = static_cast<size_t>(count) > most ? SIZE_MAX : count * sizeof(U);
    data_ = static_cast<U*>(::operator new(bytes, alignment));
  }
  Scratch(Scratch&& other) noexcept : data_(other.data_), count_(other.count_) {
    other.data_ = nullptr;
    other.count_ = 0;
  }
  Scratch& operator=(Scratch&& other) noexcept {
    U* data = data_;
    const int64_t count = count_;
    data_ = other.data_;
    count_ = other.count_;
    other.data_ = data;
    other.count_ = count;
    return *this;
  }
  ~Scratch() { ::operator delete(data_, alignment); }

  U* data() { return data_; }
  const U* data() const { return data_; }
  int64_t size() const { return count_; }
  U& operator[](int64_t i) { return data_[i]; }
  const U& operator[](int64_t i) const { return data_[i]; }

 private:
  static constexpr std::align_val_t alignment{64};
  U* data_ = nullptr;
  int64_t count_ = 0;
};

}  // namespace nvc3d::NVC3D_ISA
