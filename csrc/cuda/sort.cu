#include <cub/device/device_radix_sort.cuh>

#include "sort.cuh"

namespace nvc3d {

KeysAndValues sorted(const Device& device, KeysAndValues unsorted, int bits) {
  require(unsorted.count <= INT32_MAX, "a batch must hold at most 2147483647 points, got ",
          unsorted.count, ": split it");
  KeysAndValues result(unsorted.keys.tensor, unsorted.count);
  cub::DoubleBuffer<uint64_t> keys(unsorted.keys.data, result.keys.data);
  cub::DoubleBuffer<int32_t> values(unsorted.values.data, result.values.data);
  const auto sort = [&](void* working, size_t& bytes) {
    device.check(cub::DeviceRadixSort::SortPairs(working, bytes, keys, values,
                                                 static_cast<int32_t>(unsorted.count), 0,
                                                 std::max(bits, 1), device.stream()));
  };
  size_t bytes = 0;
  sort(nullptr, bytes);
  const Memory<char> working(unsorted.keys.tensor, static_cast<int64_t>(bytes));
  sort(working.data, bytes);
  return keys.Current() == result.keys.data ? result : unsorted;
}

}  // namespace nvc3d
