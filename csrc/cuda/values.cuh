// Checks that must read values: NaN and infinity, lengths, first picks.
//
// All are launched, then one copy to the host tells what they found. It is asked for before the
// operator's own kernels are launched and waited for after that: the device never runs dry, and the
// host does not wait for those kernels. They must bear all values, therefore.
#pragma once

#include <functional>

#include "clouds.cuh"

namespace nvc3d {

// What a look at values found: how many are bad and where the first of them is. Starts as zeros.
struct Findings {
  unsigned long long bad, from_end;  // ~from_end is the position of the first

  int64_t first() const { return static_cast<int64_t>(~from_end); }
};

class ValueChecks {
 public:
  // Looks at nothing where that is not `wanted`, nor while a CUDA graph is captured: no copy to the
  // host can be waited for then. Of that it warns.
  ValueChecks(const Device& device, const Tensor& like, bool wanted);
  ~ValueChecks();
  ValueChecks(const ValueChecks&) = delete;
  ValueChecks& operator=(const ValueChecks&) = delete;

  void lengths(const std::optional<Tensor>& lengths, int64_t size, const char* name,
               int64_t least = 1);
  // `rank` as for refuse_values.
  template <class T>
  void finite(const Clouds<T>& clouds, const char* name, int rank = 3);
  // First picks, which must lie inside their clouds.
  void start(const Tensor& start, const std::optional<Tensor>& lengths, int64_t size);

  // Asks for what the looks so far find.
  void send();
  // Waits for the answer, and throws for the first check that found something.
  void raise();

 private:
  using Refuse = std::function<void(Findings)>;
  Findings* begin(Refuse refuse);
  template <class T>
  T read(const T* value) const;

  static constexpr int most = 8;

  const Device& device_;
  bool wanted_;
  std::optional<Memory<Findings>> found_;
  std::optional<Tensor> answer_;  // in memory that the device writes to while the host goes on
  cudaEvent_t arrived_ = nullptr;
  std::vector<Refuse> refuse_;
};

}  // namespace nvc3d
