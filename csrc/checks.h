// Argument checks that say what was expected and what came.
//
// They throw std::invalid_argument, which reaches Python as a ValueError with this very text. What
// can be seen without reading values is asked again, in the same words, in nvc3d/ops/checks.py.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace nvc3d {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (condition) return;
  std::ostringstream text;
  (text << ... << parts);
  throw std::invalid_argument(text.str());
}

inline std::string shape(const Tensor& tensor) {
  std::ostringstream text;
  text << "(";
  for (int64_t i = 0; i < tensor.dim(); ++i) text << (i > 0 ? ", " : "") << tensor.size(i);
  text << (tensor.dim() == 1 ? ",)" : ")");
  return text.str();
}

inline std::string dtype(const Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case ScalarType::Float: return "torch.float32";
    case ScalarType::Double: return "torch.float64";
    case ScalarType::Half: return "torch.float16";
    case ScalarType::BFloat16: return "torch.bfloat16";
    case ScalarType::Int: return "torch.int32";
    case ScalarType::Long: return "torch.int64";
    default: return torch::headeronly::toString(tensor.scalar_type());
  }
}

inline std::string device(const Tensor& tensor) {
  if (tensor.is_cpu()) return "cpu";
  return "cuda:" + std::to_string(static_cast<int>(tensor.get_device()));
}

inline void require_float(const Tensor& tensor, const char* name) {
  const auto type = tensor.scalar_type();
  require(type == ScalarType::Float || type == ScalarType::Double, name,
          " must be a floating point tensor, got ", dtype(tensor));
}

inline void require_length(int64_t length, int64_t position, int64_t size, const char* name,
                           int64_t least) {
  require(1 <= length && length <= size, "the lengths of ", name, " must be from 1 to ", size,
          ", got ", length, " at position ", position);
  require(least <= length, "k must be at most the number of points of ", name, ", got k = ", least,
          " of ", length, " at position ", position);
}

// Whether the values can be read without waiting for a device. The emulation of one has them in the
// CPU's memory, where a GPU's would not be.
inline bool readable(const Tensor& tensor) {
#ifdef NVC3D_EMULATED
  return false;
#else
  return tensor.is_cpu();
#endif
}

// The values, too, where they are readable.
inline void require_lengths(const std::optional<Tensor>& lengths, const Tensor& points,
                            const char* name, int64_t least) {
  if (!lengths) return;
  const int64_t batch = points.size(0);
  require(lengths->dim() == 1 && lengths->size(0) == batch, "the lengths of ", name, " must be (",
          batch, ",), got ", shape(*lengths));
  require(device(*lengths) == device(points), "the lengths of ", name, " are on ", device(*lengths),
          ", ", name, " is on ", device(points));
  require(lengths->scalar_type() == ScalarType::Long, "the lengths of ", name,
          " must be torch.int64, got ", dtype(*lengths));
  if (!readable(*lengths)) return;
  const auto* values = static_cast<const int64_t*>(lengths->data_ptr());
  for (int64_t b = 0; b < batch; ++b)
    require_length(values[b * lengths->stride(0)], b, points.size(1), name, least);
}

// A batch (B, N, D), which may be empty.
inline void require_points(const Tensor& points, const char* name) {
  require(points.dim() == 3, name, " must be (B, N, D), got ", shape(points));
  require_float(points, name);
  // Positions within one cloud are 32 bits wide in the kernels.
  require(points.size(1) < INT32_MAX, name, " must have fewer than 2147483647 points a cloud, got ",
          points.size(1));
}

// A padded batch (B, N, D) of non-empty clouds, each with at least `least` points.
inline void require_clouds(const Tensor& points, const std::optional<Tensor>& lengths,
                           const char* name, int64_t least = 1) {
  require_points(points, name);
  require(points.size(1) > 0 && points.size(2) > 0, name, " must not be empty, got ",
          shape(points));
  require(least >= 1, "k must be at least 1, got ", least);
  require(least <= points.size(1), "k must be at most the number of points of ", name,
          ", got k = ", least, " of ", points.size(1));
  require_lengths(lengths, points, name, least);
}

// Two batches, or two matrices, that can be compared.
inline void require_pair(const Tensor& x, const Tensor& y, const char* x_name, const char* y_name) {
  require(x.dim() != 3 || x.size(0) == y.size(0), x_name, " and ", y_name,
          " must have the same batch size, got ", shape(x), " and ", shape(y));
  require(x.size(x.dim() - 1) == y.size(y.dim() - 1), x_name, " and ", y_name,
          " must have the same dimension, got ", shape(x), " and ", shape(y));
  require(x.scalar_type() == y.scalar_type(), x_name, " and ", y_name,
          " must have the same dtype, got ", dtype(x), " and ", dtype(y));
  require(device(x) == device(y), x_name, " and ", y_name, " must be on the same device, got ",
          device(x), " and ", device(y));
}

// Refuses `count` values that are not finite. The first of them lies at `first` of a cloud's
// values; with `rank` 2 the one cloud of the batch came as a matrix, and the position has no batch.
inline void refuse_values(const char* name, int64_t count, double value, int64_t cloud,
                          int64_t first, int64_t dim, int rank) {
  std::ostringstream position;
  if (rank == 3) position << cloud << ", ";
  position << first / dim << ", " << first % dim;
  require(false, name, " must be finite, got ", count, " NaN or infinite values, the first (",
          value != value ? "nan"
          : value > 0    ? "inf"
                         : "-inf",
          ") at [", position.str(), "]");
}

// The first pick of cloud b, which has `count` points.
inline void require_start(int64_t start, int64_t b, int64_t count) {
  require(0 <= start && start < count, "start must be an index of points, from 0 to ", count - 1,
          ", got ", start, " at position ", b);
}

// What the operators ask of their arguments, on every device.

inline void require_two_clouds(const Tensor& x, const Tensor& y,
                               const std::optional<Tensor>& x_lengths,
                               const std::optional<Tensor>& y_lengths, int64_t least = 1) {
  require_clouds(x, x_lengths, "x");
  require_clouds(y, y_lengths, "y", least);
  require_pair(x, y, "x", "y");
}

inline void require_norm(int64_t norm) {
  require(norm == 1 || norm == 2, "norm must be 1 or 2, got ", norm);
}

inline void require_ball(int64_t k, double squared_radius) {
  require(k >= 1, "k must be at least 1, got ", k);
  require(squared_radius >= 0, "squared_radius must not be negative, got ", squared_radius);
}

// First picks, apart from their values.
inline void require_starts(const Tensor& start, const Tensor& points) {
  require(start.dim() == 1 && start.size(0) == points.size(0), "start must be (", points.size(0),
          ",), got ", shape(start));
  require(start.scalar_type() == ScalarType::Long && device(start) == device(points),
          "start must be torch.int64 on ", device(points), ", got ", dtype(start), " on ",
          device(start));
}

inline void require_matrix(const Tensor& matrix, const char* name) {
  require(matrix.dim() == 2, name, " must be (N, D), got ", shape(matrix));
  require_float(matrix, name);
}

inline void require_anchors(const Tensor& latents, const Tensor& anchors) {
  require_matrix(latents, "latents");
  require_matrix(anchors, "anchors");
  require(anchors.size(0) > 0 && anchors.size(1) > 0, "anchors must not be empty, got ",
          shape(anchors));
  require_pair(latents, anchors, "latents", "anchors");
  require(anchors.size(0) < INT32_MAX, "anchors must be fewer than 2147483647, got ",
          anchors.size(0));
}

// Clouds x, which may be empty, their choices among y, and the gradient of their distances, both
// (B, N, K).
inline void require_choices(const Tensor& grad, const Tensor& x, const Tensor& y,
                            const Tensor& index, const std::optional<Tensor>& x_lengths) {
  require_points(x, "x");
  require_lengths(x_lengths, x, "x", 1);
  require_clouds(y, std::nullopt, "y");
  require_pair(x, y, "x", "y");
  require(grad.scalar_type() == x.scalar_type() && index.scalar_type() == ScalarType::Long,
          "grad must be ", dtype(x), " and index torch.int64, got ", dtype(grad), " and ",
          dtype(index));
  require(index.dim() == 3 && grad.dim() == 3 && index.size(0) == x.size(0) &&
              index.size(1) == x.size(1) && shape(index) == shape(grad),
          "grad and index must be (B, N, K), got ", shape(grad), " and ", shape(index));
  require(device(grad) == device(x) && device(index) == device(x), "grad and index must be on ",
          device(x), ", got ", device(grad), " and ", device(index));
}

// Choices that are read on the CPU, each from `first` to size - 1.
inline void require_index(const Tensor& index, int64_t size, const char* name, int64_t first = 0) {
  const Tensor flat = torch::stable::contiguous(index);
  const auto* values = static_cast<const int64_t*>(flat.data_ptr());
  const int64_t count = flat.numel();
  const auto low = static_cast<uint64_t>(first), high = static_cast<uint64_t>(size - 1);
  uint64_t signs = 0;  // the highest bit is set where a difference is below 0: a loop for vectors
  for (int64_t i = 0; i < count; ++i) {
    const auto value = static_cast<uint64_t>(values[i]);
    signs |= (value - low) | (high - value);
  }
  if (signs >> 63 == 0) return;
  for (int64_t i = 0; i < count; ++i)
    require(first <= values[i] && values[i] < size, name, " must be from ", first, " to ", size - 1,
            ", got ", values[i]);
}

// Rows (B, M, K) of `batch` times `size`, of which -1 is none.
inline void require_rows(const Tensor& index, int64_t batch, int64_t size) {
  require(index.scalar_type() == ScalarType::Long, "index must be torch.int64, got ", dtype(index));
  require(index.dim() == 3 && index.size(0) == batch, "index must be (", batch, ", M, K), got ",
          shape(index));
  if (readable(index)) require_index(index, size, "index", -1);
}

// Values (B, N, C), and rows of them.
inline void require_grouped(const Tensor& values, const Tensor& index) {
  require_points(values, "values");
  require_rows(index, values.size(0), values.size(1));
  require(device(index) == device(values), "values are on ", device(values), ", index is on ",
          device(index));
}

// What of pooled values (B, M, C) their gradient needs.
inline void require_pooled(const Tensor& maximum_grad, const Tensor& total_grad,
                           const Tensor& index, const Tensor& which, int64_t size) {
  require_points(maximum_grad, "maximum_grad");
  require_rows(index, maximum_grad.size(0), size);
  require(total_grad.scalar_type() == maximum_grad.scalar_type() &&
              which.scalar_type() == ScalarType::Int,
          "total_grad must be ", dtype(maximum_grad), " and which torch.int32, got ",
          dtype(total_grad), " and ", dtype(which));
  require(shape(total_grad) == shape(maximum_grad) && shape(which) == shape(maximum_grad) &&
              index.size(1) == maximum_grad.size(1),
          "total_grad and which must be ", shape(maximum_grad), ", index of as many rows, got ",
          shape(total_grad), ", ", shape(which), " and ", shape(index));
  for (const Tensor* tensor : {&total_grad, &index, &which})
    require(device(*tensor) == device(maximum_grad), "all must be on ", device(maximum_grad),
            ", got ", device(*tensor));
}

inline void require_cloud(const Tensor& points) {
  require(points.dim() == 2 && points.size(1) == 3, "points must be (N, 3), got ", shape(points));
  require_float(points, "points");
}

// int64 beside one cloud.
inline void require_long(const Tensor& index, const Tensor& points, const char* name) {
  require(index.scalar_type() == ScalarType::Long && device(index) == device(points), name,
          " must be torch.int64 on ", device(points), ", got ", dtype(index), " on ",
          device(index));
}

// One cloud (N, 3) and some of its neighbourhoods (M, K).
inline void require_some_neighbourhoods(const Tensor& points, const Tensor& index) {
  require_cloud(points);
  require(index.dim() == 2 && 0 < index.size(1) && index.size(1) <= 64,
          "index must be (M, K) with K from 1 to 64, got ", shape(index));
  require_long(index, points, "index");
  require_index(index, points.size(0), "index");
}

// One cloud (N, 3) and the neighbours (N, K) of its points, among `others` points.
inline void require_neighbourhoods(const Tensor& points, const Tensor& index, int64_t others) {
  require_cloud(points);
  require(index.dim() == 2 && index.size(0) == points.size(0) && index.size(1) > 0,
          "index must be (", points.size(0), ", K), got ", shape(index));
  require_long(index, points, "index");
  require_index(index, others, "index");
}

inline void require_neighbourhoods(const Tensor& points, const Tensor& index) {
  require_neighbourhoods(points, index, points.dim() > 0 ? points.size(0) : 0);
}

// One cloud (N, 3) and the regions (N,) of its points.
inline void require_regions(const Tensor& points, const Tensor& region, int64_t regions) {
  require_cloud(points);
  require(region.dim() == 1 && region.size(0) == points.size(0), "region must be (", points.size(0),
          ",), got ", shape(region));
  require_long(region, points, "region");
  require(regions >= 0, "regions must not be negative, got ", regions);
  require_index(region, regions, "region", -1);
}

// The neighbours (N, K) of points, and the regions (N,) that those are in.
inline void require_borders(const Tensor& index, const Tensor& region) {
  require(region.dim() == 1, "region must be (N,), got ", shape(region));
  require(index.dim() == 2 && index.size(0) == region.size(0) && index.size(1) > 0,
          "index must be (", region.size(0), ", K), got ", shape(index));
  require_long(index, region, "index");
  require_long(region, region, "region");
  require_index(index, region.size(0), "index");
}

// One cloud (N, 3), its neighbours (N, K) among those that have regions (M,), and their planes.
inline void require_planes(const Tensor& points, const Tensor& index, const Tensor& region,
                           const Tensor& normal, const Tensor& offset, const Tensor& reach) {
  require(region.dim() == 1, "region must be (M,), got ", shape(region));
  require_neighbourhoods(points, index, region.size(0));
  require_long(region, points, "region");
  require(normal.dim() == 2 && normal.size(1) == 3, "normal must be (P, 3), got ", shape(normal));
  const int64_t planes = normal.size(0);
  require(
      offset.dim() == 1 && offset.size(0) == planes && reach.dim() == 1 && reach.size(0) == planes,
      "offset and reach must be (", planes, ",), got ", shape(offset), " and ", shape(reach));
  for (const Tensor* tensor : {&normal, &offset, &reach}) {
    require(dtype(*tensor) == dtype(points) && device(*tensor) == device(points),
            "normal, offset and reach must be ", dtype(points), " on ", device(points), ", got ",
            dtype(*tensor), " on ", device(*tensor));
  }
  require_index(region, planes, "region", -1);
}

// What planes grow by: normals (N, 3), tolerances (N,), and seeds (S,).
inline void require_growth(const Tensor& points, const Tensor& normal, const Tensor& tolerance,
                           const Tensor& seeds) {
  require(shape(normal) == shape(points), "normal must be ", shape(points), ", got ",
          shape(normal));
  require(tolerance.dim() == 1 && tolerance.size(0) == points.size(0), "tolerance must be (",
          points.size(0), ",), got ", shape(tolerance));
  require(dtype(normal) == dtype(points) && dtype(tolerance) == dtype(points),
          "normal and tolerance must be ", dtype(points), ", got ", dtype(normal), " and ",
          dtype(tolerance));
  require(seeds.dim() == 1 && seeds.scalar_type() == ScalarType::Long,
          "seeds must be (S,) torch.int64, got ", shape(seeds), " ", dtype(seeds));
  require(device(normal) == device(points) && device(tolerance) == device(points) &&
              device(seeds) == device(points),
          "normal, tolerance and seeds must be on ", device(points));
  require_index(seeds, points.size(0), "seeds");
}

}  // namespace nvc3d
