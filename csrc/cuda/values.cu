#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <atomic>

#include "values.cuh"

// The emulation's torch has no such memory.
#ifndef NVC3D_PINNED
#define NVC3D_PINNED true
#endif

namespace nvc3d {
namespace {

constexpr int threads = 256;

__device__ void report(Findings* found, unsigned long long bad, unsigned long long first) {
  if (bad == 0) return;
  atomicAdd(&found->bad, bad);
  atomicMax(&found->from_end, ~first);
}

// Each cloud is the work of `parts` blocks.
template <class T>
__global__ void find_nonfinite(CloudsView<T> clouds, int64_t parts, Findings* found) {
  const int64_t b = blockIdx.x / parts, part = blockIdx.x % parts;
  const int64_t count = int64_t{clouds.count(b)} * clouds.dim;
  const int64_t offset = b * clouds.size * clouds.dim;
  unsigned long long bad = 0, first = ~0ull;
  for (int64_t i = part * threads + threadIdx.x; i < count; i += parts * threads) {
    const T value = clouds.data[offset + i];
    if (value - value == 0) continue;
    if (bad++ == 0) first = static_cast<unsigned long long>(offset + i);
  }
  report(found, bad, first);
}

// Lengths outside of least .. size.
__global__ void find_lengths(const int64_t* lengths, int64_t stride, int64_t batch, int64_t size,
                             int64_t least, Findings* found) {
  const int64_t b = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (b >= batch) return;
  const int64_t length = lengths[b * stride];
  if (length < least || length > size) report(found, 1, static_cast<unsigned long long>(b));
}

// First picks outside of their clouds.
__global__ void find_starts(const int64_t* start, int64_t stride, const int64_t* lengths,
                            int64_t lengths_stride, int64_t batch, int64_t size, Findings* found) {
  const int64_t b = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (b >= batch) return;
  const int64_t count = lengths ? lengths[b * lengths_stride] : size;
  if (start[b * stride] < 0 || start[b * stride] >= count)
    report(found, 1, static_cast<unsigned long long>(b));
}

const int64_t* integers(const Tensor& tensor) { return pointer<const int64_t>(tensor); }

// Whether values can be looked at now.
bool can_look(const Device& device) {
  if (!device.captures()) return true;
  static std::atomic_flag warned = ATOMIC_FLAG_INIT;
  if (!warned.test_and_set()) {
    const std::string text =
        std::string("nvc3d: ") + device.operation() +
        " cannot refuse NaN, inf or wrong lengths in a CUDA graph: its results are then undefined. "
        "Pass check_finite=False where values are captured that are known to be good";
    aoti_torch_warn(__func__, __FILE__, __LINE__, text.c_str());
  }
  return false;
}

}  // namespace

ValueChecks::ValueChecks(const Device& device, const Tensor& like, bool wanted)
    : device_(device), wanted_(wanted && can_look(device)) {
  if (!wanted_) return;
  found_.emplace(like, most);
  device_.fill(found_->data, 0, found_->bytes);
}

ValueChecks::~ValueChecks() {
  if (arrived_ == nullptr) return;
  cudaEventSynchronize(arrived_);  // the answer's memory is not given up before it is there
  cudaEventDestroy(arrived_);
}

Findings* ValueChecks::begin(Refuse refuse) {
  refuse_.push_back(std::move(refuse));
  return found_->data + refuse_.size() - 1;
}

template <class T>
T ValueChecks::read(const T* value) const {
  T copy{};
  device_.check(cudaMemcpyAsync(&copy, value, sizeof(T), cudaMemcpyDeviceToHost, device_.stream()));
  device_.check(cudaStreamSynchronize(device_.stream()));
  return copy;
}

void ValueChecks::lengths(const std::optional<Tensor>& lengths, int64_t size, const char* name,
                          int64_t least) {
  if (!wanted_ || !lengths) return;
  const int64_t batch = lengths->size(0);
  Findings* found = begin([=, values = *lengths](Findings found) {
    const int64_t b = found.first();
    require_length(read(integers(values) + b * values.stride(0)), b, size, name, least);
  });
  device_.launch(find_lengths, pieces(batch, threads), threads, integers(*lengths),
                 lengths->stride(0), batch, size, least, found);
}

template <class T>
void ValueChecks::finite(const Clouds<T>& clouds, const char* name, int rank) {
  if (!wanted_) return;
  const CloudsView<T> view = clouds.view();
  const int64_t values = view.size * view.dim;
  // Enough blocks to fill a GPU, and each thread a few values where there are many.
  const int64_t parts = std::min<int64_t>(pieces(values, threads * 4), 2048);
  Findings* found = begin([=](Findings found) {
    const int64_t first = found.first();
    refuse_values(name, static_cast<int64_t>(found.bad), read(view.data + first), first / values,
                  first % values, view.dim, rank);
  });
  device_.launch(find_nonfinite<T>, view.batch * parts, threads, view, parts, found);
}

template void ValueChecks::finite(const Clouds<float>&, const char*, int);
template void ValueChecks::finite(const Clouds<double>&, const char*, int);

void ValueChecks::start(const Tensor& start, const std::optional<Tensor>& lengths, int64_t size) {
  if (!wanted_) return;
  const int64_t batch = start.size(0);
  Findings* found = begin([=](Findings found) {
    const int64_t b = found.first();
    const int64_t limit = lengths ? read(integers(*lengths) + b * lengths->stride(0)) : size;
    require_start(read(integers(start) + b * start.stride(0)), b, limit);
  });
  device_.launch(find_starts, pieces(batch, threads), threads, integers(start), start.stride(0),
                 lengths ? integers(*lengths) : nullptr, lengths ? lengths->stride(0) : 0, batch,
                 size, found);
}

void ValueChecks::send() {
  if (refuse_.empty()) return;
  answer_ =
      torch::stable::empty({found_->bytes}, ScalarType::Byte, std::nullopt,
                           torch::stable::Device(torch::headeronly::DeviceType::CPU), NVC3D_PINNED);
  device_.check(cudaMemcpyAsync(answer_->data_ptr(), found_->data, found_->bytes,
                                cudaMemcpyDeviceToHost, device_.stream()));
  device_.check(cudaEventCreateWithFlags(&arrived_, cudaEventDisableTiming));
  device_.check(cudaEventRecord(arrived_, device_.stream()));
}

void ValueChecks::raise() {
  if (!answer_) return;
  device_.check(cudaEventSynchronize(arrived_));
  const auto* const found = static_cast<const Findings*>(answer_->data_ptr());
  for (size_t i = 0; i < refuse_.size(); ++i) {
    if (found[i].bad > 0) refuse_[i](found[i]);
  }
}

}  // namespace nvc3d
