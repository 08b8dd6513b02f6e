// Trees that outlive a call, a row of bytes for each cloud of a batch.
#pragma once

#include "clouds.h"

namespace nvc3d {

template <class T>
struct Trees {
  const char* data = nullptr;
  int64_t bytes = 0;

  // `tensor`: nullptr, or what build_tree gave for these clouds.
  Trees(const Tensor* tensor, const Clouds<T>& clouds) {
    if (tensor == nullptr) return;
    bytes = kernels<T>().tree_bytes(clouds.size, clouds.dim);
    require(tensor->scalar_type() == ScalarType::Byte && tensor->is_contiguous() &&
                tensor->dim() == 2 && tensor->size(0) == clouds.batch && tensor->size(1) == bytes,
            "tree must be that of y, (", clouds.batch, ", ", bytes, ") of torch.uint8, got ",
            shape(*tensor), " of ", dtype(*tensor));
    data = static_cast<const char*>(tensor->data_ptr());
  }

  // That of a cloud; nullptr where there is none.
  const void* tree(int64_t b) const { return bytes > 0 ? data + b * bytes : nullptr; }
};

}  // namespace nvc3d
