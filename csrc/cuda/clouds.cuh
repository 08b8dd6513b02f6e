// How a padded batch reaches the kernels. Mirrors cpu/clouds.h.
#pragma once

#include <type_traits>
#include <vector>

#include "../core/distance.h"
#include "device.cuh"

namespace nvc3d {

// A padded batch (B, N, D), contiguous, as kernels see it.
template <class T>
struct CloudsView {
  const T* data;
  const int64_t* counts;  // nullptr without lengths
  int64_t batch, size, dim;

  __host__ __device__ const T* cloud(int64_t b) const { return data + b * size * dim; }
  // Lengths that nobody has checked lead to wrong answers, not out of the cloud.
  __device__ int32_t count(int64_t b) const {
    if (!counts) return static_cast<int32_t>(size);
    const int64_t given = counts[b];
    return static_cast<int32_t>(given < 0 ? 0 : given > size ? size : given);
  }
  __host__ __device__ int64_t points() const { return batch * size; }
};

// The same with its memory.
template <class T>
struct Clouds : CloudsView<T> {
  Tensor points_tensor;
  std::optional<Tensor> lengths;

  Clouds(const Tensor& source, const std::optional<Tensor>& source_lengths)
      : points_tensor(torch::stable::contiguous(source)) {
    this->data = static_cast<const T*>(points_tensor.data_ptr());
    this->counts = nullptr;
    this->batch = points_tensor.size(0);
    this->size = points_tensor.size(1);
    this->dim = points_tensor.size(2);
    if (source_lengths) {
      lengths = torch::stable::contiguous(*source_lengths);
      this->counts = static_cast<const int64_t*>(lengths->data_ptr());
    }
  }

  const CloudsView<T>& view() const { return *this; }
  // Whether these are the same clouds in the same memory, and none of their points is padding.
  bool hold(const Clouds& other) const {
    return this->data == other.data && this->batch == other.batch && this->size == other.size &&
           !this->counts;
  }
};

// A point with at most three coordinates; those that are not there are 0 and change no distance.
template <class T>
struct Point {
  T x, y, z;

  static __device__ Point load(const T* cloud, int64_t i, int64_t dim) {
    const T* at = cloud + i * dim;
    return {at[0], dim > 1 ? at[1] : 0, dim > 2 ? at[2] : 0};
  }
};

template <class Norm, class T>
__device__ T distance(const Point<T>& a, const Point<T>& b) {
  return distance3<Norm>(a.x - b.x, a.y - b.y, a.z - b.z);
}

// Calls body(T{}) with the scalar type of a tensor that `require_float` let through.
template <class Body>
auto with_type(const Tensor& tensor, const Body& body) {
  return tensor.scalar_type() == ScalarType::Double ? body(double{}) : body(float{});
}

// Braces within templates are more than nvcc's host pass can take: sizes come as arguments.
template <class... Sizes>
Tensor new_values(const Tensor& like, Sizes... sizes) {
  const int64_t shape[] = {static_cast<int64_t>(sizes)...};
  return allocate(like, {shape, sizeof...(sizes)});
}
template <class... Sizes>
Tensor new_index(const Tensor& like, Sizes... sizes) {
  const int64_t shape[] = {static_cast<int64_t>(sizes)...};
  return allocate(like, {shape, sizeof...(sizes)}, ScalarType::Long);
}

template <class T>
T* pointer(const Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

}  // namespace nvc3d
