// Every variant of every kernel, for numpy: what the dispatcher of torch cannot reach by name.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <vector>

#include "../../csrc/cpu/variant.h"
#include "threads.h"

namespace py = pybind11;

void bind_planes(py::module_ m);  // planes.cpp

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;
using Indices = py::array_t<int64_t>;

template <class T>
const nvc3d::Kernels<T>& kernels(const nvc3d::Variant& variant) {
  if constexpr (sizeof(T) == 4) {
    return variant.f32;
  } else {
    return variant.f64;
  }
}

void require(bool condition, const char* message) {
  if (!condition) throw std::invalid_argument(message);
}

template <class T>
void require_pair(const Array<T>& x, const Array<T>& y) {
  require(x.ndim() == 2 && y.ndim() == 2 && x.shape(1) == y.shape(1) && x.shape(1) >= 1,
          "x and y must be (n, dim) and (m, dim)");
}

template <class T>
void bind(py::class_<nvc3d::Variant>& variant) {
  using namespace pybind11::literals;
  variant.def(
      "nearest",
      [](const nvc3d::Variant& self, Array<T> x, Array<T> y, int norm, int64_t threads) {
        require_pair(x, y);
        require(x.shape(0) == 0 || y.shape(0) > 0, "y is empty");
        py::array_t<T> distance(x.shape(0));
        Indices index(x.shape(0));
        kernels<T>(self).nearest(x.data(), x.shape(0), y.data(), y.shape(0), x.shape(1), norm,
                                 distance.mutable_data(), index.mutable_data(),
                                 on_threads(threads));
        return py::make_tuple(distance, index);
      },
      "x"_a.noconvert(), "y"_a.noconvert(), "norm"_a = 2, "threads"_a = 1);
  variant.def(
      "nearest_both",
      [](const nvc3d::Variant& self, Array<T> x, Array<T> y, int norm, int64_t threads) {
        require_pair(x, y);
        require(x.shape(0) > 0 && y.shape(0) > 0, "x or y is empty");
        py::array_t<T> x_distance(x.shape(0)), y_distance(y.shape(0));
        Indices x_index(x.shape(0)), y_index(y.shape(0));
        kernels<T>(self).nearest_both(x.data(), x.shape(0), y.data(), y.shape(0), x.shape(1), norm,
                                      x_distance.mutable_data(), x_index.mutable_data(),
                                      y_distance.mutable_data(), y_index.mutable_data(),
                                      on_threads(threads));
        return py::make_tuple(x_distance, x_index, y_distance, y_index);
      },
      "x"_a.noconvert(), "y"_a.noconvert(), "norm"_a = 2, "threads"_a = 1);
  variant.def(
      "knn",
      [](const nvc3d::Variant& self, Array<T> x, Array<T> y, int64_t k, int norm, int64_t threads,
         T limit) {
        require_pair(x, y);
        require(1 <= k && k <= y.shape(0), "k must lie in [1, m]");
        py::array_t<T> distance({x.shape(0), static_cast<py::ssize_t>(k)});
        Indices index({x.shape(0), static_cast<py::ssize_t>(k)});
        kernels<T>(self).knn(x.data(), x.shape(0), y.data(), y.shape(0), x.shape(1), k, norm, limit,
                             nullptr, distance.mutable_data(), index.mutable_data(),
                             on_threads(threads));
        return py::make_tuple(distance, index);
      },
      "x"_a.noconvert(), "y"_a.noconvert(), "k"_a, "norm"_a = 2, "threads"_a = 1,
      "limit"_a = std::numeric_limits<T>::infinity());
  variant.def(
      "ball_query",
      [](const nvc3d::Variant& self, Array<T> x, Array<T> y, T squared_radius, int64_t k,
         int64_t threads) {
        require_pair(x, y);
        require(k >= 1, "k must be at least 1");
        py::array_t<T> distance({x.shape(0), static_cast<py::ssize_t>(k)});
        Indices index({x.shape(0), static_cast<py::ssize_t>(k)});
        kernels<T>(self).ball_query(x.data(), x.shape(0), y.data(), y.shape(0), x.shape(1),
                                    squared_radius, k, nullptr, distance.mutable_data(),
                                    index.mutable_data(), on_threads(threads));
        return py::make_tuple(distance, index);
      },
      "x"_a.noconvert(), "y"_a.noconvert(), "squared_radius"_a, "k"_a, "threads"_a = 1);
  variant.def(
      "farthest_point_sampling",
      [](const nvc3d::Variant& self, Array<T> points, int64_t k, int64_t start, int64_t threads) {
        require(points.ndim() == 2 && points.shape(1) >= 1, "points must be (n, dim)");
        require(1 <= k && k <= points.shape(0), "k must lie in [1, n]");
        require(0 <= start && start < points.shape(0), "start must be a point");
        Indices picks(k);
        kernels<T>(self).farthest_point_sampling(points.data(), points.shape(0), points.shape(1), k,
                                                 start, picks.mutable_data(), on_threads(threads));
        return picks;
      },
      "points"_a.noconvert(), "k"_a, "start"_a = 0, "threads"_a = 1);
  variant.def(
      "assign_anchors",
      [](const nvc3d::Variant& self, Array<T> latents, Array<T> anchors, int64_t threads) {
        require_pair(latents, anchors);
        require(latents.shape(0) == 0 || anchors.shape(0) > 0, "no anchors");
        Indices index(latents.shape(0));
        py::array_t<T> squared(latents.shape(0));
        kernels<T>(self).assign_anchors(latents.data(), latents.shape(0), anchors.data(),
                                        anchors.shape(0), latents.shape(1), index.mutable_data(),
                                        squared.mutable_data(), on_threads(threads));
        return py::make_tuple(index, squared);
      },
      "latents"_a.noconvert(), "anchors"_a.noconvert(), "threads"_a = 1);
  variant.def(
      "pool_neighbours",
      [](const nvc3d::Variant& self, Array<T> values, Indices index, int64_t threads) {
        require(values.ndim() == 2 && index.ndim() == 2,
                "values must be (n, dim), index (rows, k)");
        const auto rows = index.shape(0), dim = values.shape(1);
        py::array_t<T> maximum({rows, dim}), total({rows, dim});
        py::array_t<int32_t> which({rows, dim});
        kernels<T>(self).pool_neighbours(values.data(), dim, index.data(), rows, index.shape(1),
                                         maximum.mutable_data(), total.mutable_data(),
                                         which.mutable_data(), on_threads(threads));
        return py::make_tuple(maximum, total, which);
      },
      "values"_a.noconvert(), "index"_a.noconvert(), "threads"_a = 1);
  variant.def(
      "pool_neighbours_backward",
      [](const nvc3d::Variant& self, Array<T> maximum_grad, Array<T> total_grad, Indices index,
         py::array_t<int32_t> which, int64_t size, int64_t threads) {
        const auto rows = index.shape(0), dim = total_grad.shape(1);
        py::array_t<T> grad({static_cast<py::ssize_t>(size), dim});
        kernels<T>(self).pool_neighbours_backward(
            maximum_grad.data(), total_grad.data(), index.data(), which.data(), rows,
            index.shape(1), dim, size, grad.mutable_data(), on_threads(threads));
        return grad;
      },
      "maximum_grad"_a.noconvert(), "total_grad"_a.noconvert(), "index"_a.noconvert(),
      "which"_a.noconvert(), "size"_a, "threads"_a = 1);
  variant.def(
      "count_nonfinite",
      [](const nvc3d::Variant& self, Array<T> values) {
        int64_t first = 0;
        const int64_t count =
            kernels<T>(self).count_nonfinite(values.data(), values.size(), &first);
        return py::make_tuple(count, first);
      },
      "values"_a.noconvert());
}

// The portable one first.
std::vector<const nvc3d::Variant*> variants() {
  std::vector<const nvc3d::Variant*> found;
  while (const nvc3d::Variant* variant = nvc3d_variant(found.size())) found.push_back(variant);
  std::reverse(found.begin(), found.end());
  return found;
}

}  // namespace

PYBIND11_MODULE(nvc3d_kernels, m) {
  py::class_<nvc3d::Variant> variant(m, "Variant");
  variant.def_readonly("name", &nvc3d::Variant::name);
  bind<float>(variant);
  bind<double>(variant);
  bind_planes(m.def_submodule("planes"));
  m.def("variants", &variants, py::return_value_policy::reference,
        "All variants that this machine can run.");
}
