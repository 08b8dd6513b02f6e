// Nearest neighbours on CUDA, in one direction and in both.
#include <torch/csrc/stable/library.h>

#include "nearest_brute.cuh"
#include "nearest_tree.cuh"
#include "values.cuh"

namespace nvc3d {
namespace {

// The results for one cloud: distance (B, N) and index (B, N), 0 in padding.
template <class T>
struct Found {
  Tensor distance, index;

  // `lengths` says whether any are given: unchecked ones may leave points without a neighbour.
  Found(const Device& device, const Clouds<T>& from, bool lengths)
      : distance(new_values(from.points_tensor, from.batch, from.size)),
        index(new_index(from.points_tensor, from.batch, from.size)) {
    if (!lengths) return;
    device.fill(distance.data_ptr(), 0, from.points() * static_cast<int64_t>(sizeof(T)));
    device.fill(index.data_ptr(), 0, from.points() * static_cast<int64_t>(sizeof(int64_t)));
  }
  T* distances() const { return pointer<T>(distance); }
  int64_t* indices() const { return pointer<int64_t>(index); }
};

template <class T>
void look(ValueChecks& checks, const Clouds<T>& x, const Clouds<T>& y) {
  checks.lengths(x.lengths, x.size, "x");
  checks.lengths(y.lengths, y.size, "y");
  checks.finite(x, "x");
  checks.finite(y, "y");
  checks.send();
}

// Fills `to_y` and, where it is given, `to_x`.
template <class T, class Norm>
void find(const Device& device, const Clouds<T>& x, const Clouds<T>& y, const Found<T>& to_y,
          const Found<T>* to_x) {
  if (trees_pay(x.batch, x.size, y.size, x.dim)) {
    const Trees<T> trees(device, x, y);
    nearest_tree<T, Norm>(device, trees.x, trees.y, x.size, to_y.distances(), to_y.indices());
    if (to_x)
      nearest_tree<T, Norm>(device, trees.y, trees.x, y.size, to_x->distances(), to_x->indices());
    return;
  }
  if constexpr (std::is_same_v<T, float>) {
    if (x.dim <= 3) {
      return nearest_in_passes<Norm>(device, x, y, to_y.distances(), to_y.indices(),
                                     to_x ? to_x->distances() : nullptr,
                                     to_x ? to_x->indices() : nullptr);
    }
  }
  nearest_brute<T, Norm>(device, x, y, to_y.distances(), to_y.indices());
  if (to_x) nearest_brute<T, Norm>(device, y, x, to_x->distances(), to_x->indices());
}

template <class T>
void find(const Device& device, const Clouds<T>& x, const Clouds<T>& y, int64_t norm,
          const Found<T>& to_y, const Found<T>* to_x) {
  norm == 1 ? find<T, L1>(device, x, y, to_y, to_x) : find<T, SquaredL2>(device, x, y, to_y, to_x);
}

std::tuple<Tensor, Tensor> nearest(Tensor x, Tensor y, std::optional<Tensor> x_lengths,
                                   std::optional<Tensor> y_lengths, int64_t norm,
                                   bool check_finite) {
  require_two_clouds(x, y, x_lengths, y_lengths);
  require_norm(norm);
  const Device device(x, "nearest");
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, y_lengths);
    ValueChecks checks(device, x, check_finite);
    look(checks, from, to);
    const Found<T> found(device, from, x_lengths || y_lengths);
    find<T>(device, from, to, norm, found, nullptr);
    checks.raise();
    return std::make_tuple(found.distance, found.index);
  });
}

std::tuple<Tensor, Tensor, Tensor, Tensor> nearest_both(Tensor x, Tensor y,
                                                        std::optional<Tensor> x_lengths,
                                                        std::optional<Tensor> y_lengths,
                                                        int64_t norm, bool check_finite) {
  require_two_clouds(x, y, x_lengths, y_lengths);
  require_norm(norm);
  const Device device(x, "nearest_both");
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> xs(x, x_lengths), ys(y, y_lengths);
    ValueChecks checks(device, x, check_finite);
    look(checks, xs, ys);
    const bool lengths = x_lengths || y_lengths;
    const Found<T> to_y(device, xs, lengths), to_x(device, ys, lengths);
    find<T>(device, xs, ys, norm, to_y, &to_x);
    checks.raise();
    return std::make_tuple(to_y.distance, to_y.index, to_x.distance, to_x.index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) {
  if (!nvc3d::cuda_usable()) return;
  m.impl("nearest", TORCH_BOX(&nvc3d::nearest));
  m.impl("nearest_both", TORCH_BOX(&nvc3d::nearest_both));
}
