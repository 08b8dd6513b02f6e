// Farthest point sampling on CUDA: a block a cloud.
//
// Each pick updates every point's distance to the nearest pick and finds the largest. Small clouds
// keep both in registers. Large ones keep, for each bucket of points that are near each other, its
// peak: the largest of these distances and the lowest index that has it; a pick that is no nearer
// to the bucket's box than that changes nothing inside (distance.h), and the bucket is not touched.
#include <torch/csrc/stable/library.h>

#include "tree.cuh"
#include "values.cuh"

// How large a cloud may be to be kept in registers: at most 512 threads with 16 points.
#ifndef NVC3D_MOST_IN_REGISTERS
#define NVC3D_MOST_IN_REGISTERS 8192
#endif

namespace nvc3d {
namespace {

// The farthest point of a block's threads, known to all of them.
template <class T, int Threads>
class BlockFarthest {
 public:
  static constexpr int warps = Threads / warp;
  struct Shared {
    T distance[2][warps];
    int32_t index[2][warps];
  };

  explicit __device__ BlockFarthest(Shared& shared) : shared_(shared) {}

  // One barrier: the next call writes where nobody reads any more, the one after it where all have
  // passed a barrier since they read.
  __device__ int32_t operator()(T distance, int32_t index) {
    turn_ ^= 1;
    warp_farthest(distance, index);
    if (lane_number() == 0) {
      shared_.distance[turn_][threadIdx.x / warp] = distance;
      shared_.index[turn_][threadIdx.x / warp] = index;
    }
    __syncthreads();
    const int lane = lane_number();
    distance = lane < warps ? shared_.distance[turn_][lane] : T(-1);
    index = lane < warps ? shared_.index[turn_][lane] : no_index;
    warp_farthest(distance, index);
    return index;
  }

 private:
  Shared& shared_;
  int turn_ = 0;
};

__device__ int32_t first_pick(const int64_t* start, int64_t stride, int64_t b, int32_t count) {
  const int64_t given = start[b * stride];
  return static_cast<int32_t>(given < 0 || given >= count ? 0 : given);
}

// A thread has Each points, every Threads-th one, in registers.
template <int Threads, int Each>
__global__ void __launch_bounds__(Threads)
    sample_in_registers(CloudsView<float> clouds, const int64_t* start, int64_t stride, int64_t k,
                        int64_t* picks) {
  using Farthest = BlockFarthest<float, Threads>;
  __shared__ typename Farthest::Shared shared;
  Farthest farthest(shared);
  const int64_t b = blockIdx.x;
  const int32_t count = clouds.count(b);
  const float* const cloud = clouds.cloud(b);
  Point<float> point[Each];
  float nearest[Each];
#pragma unroll
  for (int e = 0; e < Each; ++e) {
    const int i = static_cast<int>(threadIdx.x) + e * Threads;
    point[e] = Point<float>::load(cloud, i < count ? i : 0, clouds.dim);
    nearest[e] = i < count ? infinity<float> : -1;
  }
  int32_t pick = first_pick(start, stride, b, count);
  for (int64_t made = 0;;) {
    if (threadIdx.x == 0) picks[b * k + made] = pick;
    if (++made >= k) return;
    const Point<float> at = Point<float>::load(cloud, pick, clouds.dim);
    float largest = -1;
    int32_t index = no_index;
#pragma unroll
    for (int e = 0; e < Each; ++e) {
      nearest[e] = fminf(nearest[e], distance<SquaredL2>(point[e], at));
      if (nearest[e] > largest) {
        largest = nearest[e];
        index = static_cast<int32_t>(threadIdx.x) + e * Threads;
      }
    }
    index = farthest(largest, index);
    pick = index == no_index ? 0 : index;
  }
}

// Any dimension: distances lie in `nearest` (B, N).
template <class T>
__global__ void __launch_bounds__(1024)
    sample_in_memory(CloudsView<T> clouds, const int64_t* start, int64_t stride, int64_t k,
                     T* nearest, int64_t* picks) {
  constexpr int threads = 1024;
  using Farthest = BlockFarthest<T, threads>;
  __shared__ typename Farthest::Shared shared;
  Farthest farthest(shared);
  const int64_t b = blockIdx.x;
  const int32_t count = clouds.count(b);
  const T* const cloud = clouds.cloud(b);
  T* const mine = nearest + b * clouds.size;
  for (int64_t i = threadIdx.x; i < count; i += threads) mine[i] = infinity<T>;
  int32_t pick = first_pick(start, stride, b, count);
  for (int64_t made = 0;;) {
    if (threadIdx.x == 0) picks[b * k + made] = pick;
    if (++made >= k) return;
    const T* const at = cloud + pick * clouds.dim;
    T largest = -1;
    int32_t index = no_index;
    for (int64_t i = threadIdx.x; i < count; i += threads) {
      T sum = 0;
      for (int64_t d = 0; d < clouds.dim; ++d)
        sum = SquaredL2::add(sum, cloud[i * clouds.dim + d] - at[d]);
      const T updated = fmin(mine[i], sum);
      mine[i] = updated;
      if (updated > largest) {
        largest = updated;
        index = static_cast<int32_t>(i);
      }
    }
    index = farthest(largest, index);
    pick = index == no_index ? 0 : index;
  }
}

constexpr int bucket_threads = 512;
constexpr int bucket_warps = bucket_threads / warp;
// So many floats that what the block keeps of them fits in shared memory; half as many doubles.
#ifndef NVC3D_MOST_BUCKETS
#define NVC3D_MOST_BUCKETS 4096
#endif
template <class T>
constexpr int most_buckets = NVC3D_MOST_BUCKETS * sizeof(float) / sizeof(T);

// A bucket is `width` leaves of the tree, one after the other, and 32 buckets are a group. A pick
// is compared with the boxes of the groups, each in a lane's registers; where it is near enough,
// with those of the group's buckets. The buckets that it changes are neighbours: they go into a
// queue, from which all warps take them. `boxes` (B, groups * 32) and `nearest` (B, leaves * 32)
// are working memory.
template <class T, bool Wide>
__global__ void __launch_bounds__(bucket_threads)
    sample_by_buckets(TreeView<T> tree, CloudsView<T> clouds, int given_width, int groups,
                      const int64_t* start, int64_t stride, int64_t k, Box<T>* boxes, T* nearest,
                      int64_t* picks) {
  static_assert(most_buckets<T> / warp <= bucket_threads);
  using Farthest = BlockFarthest<T, bucket_threads>;
  __shared__ typename Farthest::Shared shared;
  __shared__ T peak[most_buckets<T>];
  __shared__ int32_t peak_index[most_buckets<T>];
  __shared__ uint16_t queue[most_buckets<T>];
  __shared__ int queued;
  Farthest farthest(shared);
  const int64_t b = blockIdx.x;
  const int lane = lane_number(), my_warp = static_cast<int>(threadIdx.x) / warp;
  const int leaves = static_cast<int>(tree.leaves), width = Wide ? given_width : 1;
  const Site<T>* const sites = tree.site + b * tree.leaves * warp;
  T* const distances = nearest + b * tree.leaves * warp;
  const T* const cloud = clouds.cloud(b);
  boxes += b * groups * warp;
  picks += b * k;

  // This lane's group is number my_warp + 16 lane.
  Box<T> group{{infinity<T>, infinity<T>, infinity<T>},
               {-infinity<T>, -infinity<T>, -infinity<T>},
               no_index};
  const Box<T> empty = group;
  T group_peak = -1;
  int32_t group_index = no_index;
  const auto update_group = [&](int owner) {
    const int bucket = (my_warp + bucket_warps * owner) * warp + lane;
    T largest = peak[bucket];
    int32_t index = peak_index[bucket];
    warp_farthest(largest, index);
    if (lane == owner) {
      group_peak = largest;
      group_index = index;
    }
  };
  for (int owner = 0; my_warp + bucket_warps * owner < groups; ++owner) {
    const int bucket = (my_warp + bucket_warps * owner) * warp + lane;
    Box<T> box = empty;
#pragma unroll 1
    for (int l = bucket * width; l < (bucket + 1) * width && l < leaves; ++l) {
      const Box<T> leaf = tree.level[0].box[b * tree.level[0].boxes + l];
      for (int axis = 0; axis < 3; ++axis) {
        box.lower[axis] = fmin(box.lower[axis], leaf.lower[axis]);
        box.upper[axis] = fmax(box.upper[axis], leaf.upper[axis]);
      }
      if (leaf.least_index < box.least_index) box.least_index = leaf.least_index;
    }
    boxes[bucket] = box;
    peak[bucket] = box.least_index == no_index ? T(-1) : infinity<T>;
    peak_index[bucket] = box.least_index;
    for (int axis = 0; axis < 3; ++axis) {
      const T lower = warp_least(box.lower[axis]), upper = warp_largest(box.upper[axis]);
      if (lane == owner) {
        group.lower[axis] = lower;
        group.upper[axis] = upper;
      }
    }
    __syncwarp();
    update_group(owner);
  }
#pragma unroll 4
  for (int64_t at = threadIdx.x; at < tree.leaves * warp; at += bucket_threads)
    distances[at] = sites[at].index == no_index ? T(-1) : infinity<T>;
  if (threadIdx.x == 0) queued = 0;
  __syncthreads();

  int32_t pick = first_pick(start, stride, b, clouds.count(b));
  for (int64_t made = 0;;) {
    if (threadIdx.x == 0) picks[made] = pick;
    if (++made >= k) return;
    const Point<T> at = Point<T>::load(cloud, pick, clouds.dim);
    const T corner[3] = {at.x, at.y, at.z};
    const unsigned near =
        __ballot_sync(all_lanes, box_distance<SquaredL2>(group, corner, corner) < group_peak);
    for (unsigned left = near; left; left &= left - 1) {
      const int bucket = (my_warp + bucket_warps * (__ffs(left) - 1)) * warp + lane;
      const Box<T> box = boxes[bucket];
      const unsigned changed =
          __ballot_sync(all_lanes, box_distance<SquaredL2>(box, corner, corner) < peak[bucket]);
      int place = 0;
      if (lane == 0) place = atomicAdd(&queued, __popc(changed));
      place = __shfl_sync(all_lanes, place, 0) + __popc(changed & ((1u << lane) - 1));
      if (changed >> lane & 1) queue[place] = static_cast<uint16_t>(bucket);
    }
    __syncthreads();
    for (int i = my_warp; i < queued; i += bucket_warps) {
      const int bucket = queue[i];
      T largest = -1;
      int32_t index = no_index;
      const int first = bucket * width;
      const int end = !Wide || first + width < leaves ? first + width : leaves;
      for (int l = first; l < end; ++l) {
        const int64_t place = int64_t{l} * warp + lane;
        const Site<T> site = sites[place];
        const T updated = fmin(distances[place], distance<SquaredL2>(site.at, at));
        distances[place] = updated;
        if (comes_first(-updated, site.index, -largest, index)) {
          largest = updated;
          index = site.index;
        }
      }
      warp_farthest(largest, index);
      if (lane == 0) {
        peak[bucket] = largest;
        peak_index[bucket] = index;
      }
    }
    __syncthreads();
    // Next read after the barrier of the search for the farthest.
    if (threadIdx.x == 0) queued = 0;
    for (unsigned left = near; left; left &= left - 1) update_group(__ffs(left) - 1);
    pick = farthest(group_peak, group_index);
    if (pick == no_index) pick = 0;
  }
}

template <class T>
void sample(const Device& device, const Clouds<T>& clouds, const Tensor& start, int64_t k,
            int64_t* picks) {
  const int64_t batch = clouds.batch, stride = start.stride(0);
  if (batch == 0) return;
  const auto* const first = pointer<const int64_t>(start);
  const Tensor& like = clouds.points_tensor;
  if constexpr (std::is_same_v<T, float>) {
    const auto in_registers = [&](auto kernel, int threads) {
      device.launch(kernel, batch, threads, clouds.view(), first, stride, k, picks);
    };
    // Few threads with many points: what a warp does once a pick costs as much as eight points.
    if (clouds.dim <= 3 && clouds.size <= NVC3D_MOST_IN_REGISTERS) {
      if (clouds.size <= 512) return in_registers(sample_in_registers<128, 4>, 128);
      if (clouds.size <= 1024) return in_registers(sample_in_registers<128, 8>, 128);
      if (clouds.size <= 2048) return in_registers(sample_in_registers<256, 8>, 256);
      if (clouds.size <= 4096) return in_registers(sample_in_registers<256, 16>, 256);
      return in_registers(sample_in_registers<512, 16>, 512);
    }
  }
  // Below, building the tree would take longer than the picks.
  if (clouds.dim <= 3 && clouds.size > NVC3D_MOST_IN_REGISTERS && k >= 64) {
    const Tree<T> tree(device, clouds);
    const auto width = static_cast<int>(pieces(tree.leaves, most_buckets<T>));
    const auto groups = static_cast<int>(pieces(pieces(tree.leaves, width), warp));
    const Memory<Box<T>> boxes(like, batch * groups * warp);
    const Memory<T> nearest(like, batch * tree.leaves * warp);
    const auto kernel = width > 1 ? sample_by_buckets<T, true> : sample_by_buckets<T, false>;
    device.launch(kernel, batch, bucket_threads, tree.view(), clouds.view(), width, groups, first,
                  stride, k, boxes.data, nearest.data, picks);
    return;
  }
  const Memory<T> nearest(like, clouds.points());
  device.launch(sample_in_memory<T>, batch, 1024, clouds.view(), first, stride, k, nearest.data,
                picks);
}

Tensor farthest_point_sampling(Tensor points, int64_t k, std::optional<Tensor> lengths,
                               Tensor start, bool check_finite) {
  require_clouds(points, lengths, "points", k);
  require_starts(start, points);
  const Device device(points, "farthest_point_sampling");
  return with_type(points, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> clouds(points, lengths);
    ValueChecks checks(device, points, check_finite);
    checks.lengths(lengths, clouds.size, "points", k);
    checks.start(start, lengths, clouds.size);
    checks.finite(clouds, "points");
    checks.send();
    const Tensor picks = new_index(points, clouds.batch, k);  // (B, k)
    sample<T>(device, clouds, start, k, pointer<int64_t>(picks));
    checks.raise();
    return picks;
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) {
  if (!nvc3d::cuda_usable()) return;
  m.impl("farthest_point_sampling", TORCH_BOX(&nvc3d::farthest_point_sampling));
}
