// Checks that must read values: NaN and infinity, lengths, first picks.
//
// All are launched, then one copy to the host tells what they found: a call waits for the device
// once, and only if it was asked to check.
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
  ValueChecks(const Device& device, const Tensor& like);

  void lengths(const std::optional<Tensor>& lengths, int64_t size, const char* name,
               int64_t least = 1);
  // `rank` as for refuse_values.
  template <class T>
  void finite(const Clouds<T>& clouds, const char* name, int rank = 3);
  // First picks, which must lie inside their clouds.
  void start(const Tensor& start, const std::optional<Tensor>& lengths, int64_t size);

  // Waits for the device, once, and throws for the first check that found something.
  void raise();

 private:
  using Refuse = std::function<void(Findings)>;
  Findings* begin(Refuse refuse);
  template <class T>
  T read(const T* value) const;

  const Device& device_;
  static constexpr int most = 8;
  Memory<Findings> found_;
  std::vector<Refuse> refuse_;
};

}  // namespace nvc3d
