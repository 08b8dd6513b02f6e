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

inline void require_float(const Tensor& tensor, const char* name) {
  const auto type = tensor.scalar_type();
  require(type == ScalarType::Float || type == ScalarType::Double, name,
          " must be a floating point tensor, got ", dtype(tensor));
}

inline void require_lengths(const std::optional<Tensor>& lengths, int64_t batch, int64_t size,
                            const char* name, int64_t least) {
  if (!lengths) return;
  require(lengths->dim() == 1 && lengths->size(0) == batch, "the lengths of ", name, " must be (",
          batch, ",), got ", shape(*lengths));
  require(lengths->scalar_type() == ScalarType::Long && lengths->is_cpu(), "the lengths of ", name,
          " must be torch.int64 on the CPU, got ", dtype(*lengths));
  const auto* values = static_cast<const int64_t*>(lengths->data_ptr());
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = values[b * lengths->stride(0)];
    require(1 <= length && length <= size, "the lengths of ", name, " must be from 1 to ", size,
            ", got ", length, " at position ", b);
    require(least <= length, "k must be at most the number of points of ", name,
            ", got k = ", least, " of ", length, " at position ", b);
  }
}

// A padded batch (B, N, D) of non-empty clouds, each with at least `least` points.
inline void require_clouds(const Tensor& points, const std::optional<Tensor>& lengths,
                           const char* name, int64_t least = 1) {
  require(points.dim() == 3, name, " must be (B, N, D), got ", shape(points));
  require(points.size(1) > 0 && points.size(2) > 0, name, " must not be empty, got ",
          shape(points));
  require_float(points, name);
  require(points.is_cpu(), name, " must be on the CPU, like the other arguments");
  require(least >= 1, "k must be at least 1, got ", least);
  require(least <= points.size(1), "k must be at most the number of points of ", name,
          ", got k = ", least, " of ", points.size(1));
  // Positions within one cloud are 32 bits wide in the kernels.
  require(points.size(1) < INT32_MAX, name, " must have fewer than 2147483647 points a cloud, got ",
          points.size(1));
  require_lengths(lengths, points.size(0), points.size(1), name, least);
}

// Two batches, or two matrices, that can be compared.
inline void require_pair(const Tensor& x, const Tensor& y, const char* x_name, const char* y_name) {
  require(x.dim() != 3 || x.size(0) == y.size(0), x_name, " and ", y_name,
          " must have the same batch size, got ", shape(x), " and ", shape(y));
  require(x.size(x.dim() - 1) == y.size(y.dim() - 1), x_name, " and ", y_name,
          " must have the same dimension, got ", shape(x), " and ", shape(y));
  require(x.scalar_type() == y.scalar_type(), x_name, " and ", y_name,
          " must have the same dtype, got ", dtype(x), " and ", dtype(y));
}

inline void require_norm(int64_t norm) {
  require(norm == 1 || norm == 2, "norm must be 1 or 2, got ", norm);
}

}  // namespace nvc3d
