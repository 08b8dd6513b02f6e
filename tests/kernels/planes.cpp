// The kernels of planes, which exist once, for numpy. Indices and regions must be valid: the
// bindings of torch check them.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "../../csrc/core/assign_planes.h"
#include "../../csrc/core/grow_planes.h"
#include "../../csrc/core/local_planes.h"
#include "../../csrc/core/plane_moments.h"
#include "../../csrc/core/region_borders.h"
#include "../../csrc/core/shared_planes.h"
#include "threads.h"

namespace py = pybind11;

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;
using Indices = py::array_t<int64_t, py::array::c_style>;

template <class T>
void bind(py::module_& m) {
  using namespace pybind11::literals;
  m.def(
      "local_planes",
      [](Array<T> points, Indices index, int64_t threads) {
        Array<T> normal({index.shape(0), py::ssize_t{3}});
        Array<T> variance({index.shape(0), py::ssize_t{3}});
        nvc3d::local_planes(points.data(), index.data(), index.shape(0), index.shape(1),
                            normal.mutable_data(), variance.mutable_data(), on_threads(threads));
        return py::make_tuple(normal, variance);
      },
      "points"_a.noconvert(), "index"_a.noconvert(), "threads"_a = 1);
  m.def(
      "shared_planes",
      [](Array<T> points, Indices index, int64_t threads) {
        Array<T> normal({index.shape(0), py::ssize_t{3}});
        Array<T> width(index.shape(0)), score(index.shape(0));
        nvc3d::shared_planes(points.data(), index.data(), index.shape(0), index.shape(1),
                             normal.mutable_data(), width.mutable_data(), score.mutable_data(),
                             on_threads(threads));
        return py::make_tuple(normal, width, score);
      },
      "points"_a.noconvert(), "index"_a.noconvert(), "threads"_a = 1);
  m.def(
      "grow_planes",
      [](Array<T> points, Indices index, Array<T> normal, Array<T> tolerance, Indices seeds,
         double cosine, int64_t least) {
        const nvc3d::PlaneGraph<T> graph{points.data(), normal.data(),   tolerance.data(),
                                         index.data(),  points.shape(0), index.shape(1)};
        Indices seed(points.shape(0));
        nvc3d::grow_planes(graph, seeds.data(), seeds.shape(0), cosine, least, seed.mutable_data(),
                           nvc3d::Parallel{});
        return seed;
      },
      "points"_a.noconvert(), "index"_a.noconvert(), "normal"_a.noconvert(),
      "tolerance"_a.noconvert(), "seeds"_a.noconvert(), "cosine"_a, "least"_a);
  m.def(
      "plane_moments",
      [](Array<T> points, Indices region, int64_t regions, int64_t threads) {
        const int64_t n = points.shape(0), pieces = nvc3d::moment_pieces(n, regions);
        std::vector<double> sums(pieces * regions * 9);
        std::vector<int64_t> counts(pieces * regions), first(regions);
        Indices size(regions);
        Array<T> centre({py::ssize_t{regions}, py::ssize_t{3}});
        Array<T> scatter({py::ssize_t{regions}, py::ssize_t{3}, py::ssize_t{3}});
        nvc3d::plane_moments(points.data(), region.data(), n, regions, sums.data(), counts.data(),
                             first.data(), size.mutable_data(), centre.mutable_data(),
                             scatter.mutable_data(), on_threads(threads));
        return py::make_tuple(size, centre, scatter);
      },
      "points"_a.noconvert(), "region"_a.noconvert(), "regions"_a, "threads"_a = 1);
  m.def(
      "assign_planes",
      [](Array<T> points, Indices index, Indices region, Array<T> normal, Array<T> offset,
         Array<T> reach, int64_t threads) {
        Indices found(points.shape(0));
        nvc3d::assign_planes(points.data(), index.data(), points.shape(0), index.shape(1),
                             region.data(), normal.data(), offset.data(), reach.data(),
                             found.mutable_data(), on_threads(threads));
        return found;
      },
      "points"_a.noconvert(), "index"_a.noconvert(), "region"_a.noconvert(), "normal"_a.noconvert(),
      "offset"_a.noconvert(), "reach"_a.noconvert(), "threads"_a = 1);
}

py::tuple borders(Indices index, Indices region, int64_t threads) {
  const int64_t n = index.shape(0), k = index.shape(1);
  std::vector<int64_t> before(nvc3d::border_blocks(n));
  const int64_t pairs =
      nvc3d::count_borders(index.data(), region.data(), n, k, before.data(), on_threads(threads));
  Indices one(pairs), other(pairs);
  nvc3d::region_borders(index.data(), region.data(), n, k, before.data(), one.mutable_data(),
                        other.mutable_data(), on_threads(threads));
  return py::make_tuple(one, other);
}

}  // namespace

void bind_planes(py::module_ m) {
  bind<float>(m);
  bind<double>(m);
  m.def("region_borders", &borders, py::arg("index").noconvert(), py::arg("region").noconvert(),
        py::arg("threads") = 1);
}
