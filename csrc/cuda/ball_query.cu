// Points within a radius, on CUDA: a warp a centre looks at points in their order. In large clouds,
// those that would have to look at many are left to a tree.
#include <torch/csrc/stable/library.h>

#include "nearest_tree.cuh"
#include "values.cuh"
#include "warp_list.cuh"

namespace nvc3d {
namespace {

constexpr int threads = 128;
constexpr int warps = threads / warp;

// Where a query has its first index: it gave up, and is left to the tree.
constexpr int64_t gave_up = -2;

// So many points are looked at as fast as a tree is searched.
constexpr int32_t worth_a_search = NVC3D_TREE_COST >> 15;

// Dim is the dimension if the compiler is to know it, else 0. A query that may give up does so once
// it is clear that it would look at many more points before it has found k.
template <class T, int Dim>
__global__ void __launch_bounds__(threads)
    first_within(CloudsView<T> x, CloudsView<T> y, T squared_radius, int64_t k, bool may_give_up,
                 T* distance_out, int64_t* index_out) {
  constexpr int each = 4;           // points of a lane at a time
  constexpr uint32_t check = 1024;  // points
  const int64_t row = int64_t{blockIdx.x} * warps + threadIdx.x / warp;
  if (row >= x.points()) return;
  const int64_t b = row / x.size, i = row % x.size;
  const uint32_t m = i < x.count(b) ? y.count(b) : 0;
  const T* const cloud = y.cloud(b);
  const T* const mine = x.cloud(b) + i * x.dim;
  T own[Dim ? Dim : 1];  // read once, whatever is written meanwhile
  for (int d = 0; d < Dim; ++d) own[d] = mine[d];
  const auto away = [&](uint32_t j) {
    const T* const other = cloud + j * (Dim ? Dim : x.dim);
    T sum = 0;
    if constexpr (Dim != 0) {
      for (int d = 0; d < Dim; ++d) sum = SquaredL2::add(sum, own[d] - other[d]);
    } else {
      for (int64_t d = 0; d < x.dim; ++d) sum = SquaredL2::add(sum, mine[d] - other[d]);
    }
    return sum;
  };
  T* const distances = distance_out + row * k;
  int64_t* const indices = index_out + row * k;
  const int lane = lane_number();
  int64_t found = 0;
  for (uint32_t start = 0; start < m && found < k; start += each * warp) {
    if (may_give_up && start > 0 && start % check == 0) {
      const int64_t wanted = int64_t{start} * k;  // to be found at this pace after ...
      const int64_t limit = int64_t{start} + worth_a_search;
      if (m > limit && wanted > found * limit) {
        __syncwarp();  // after what another lane may have written there
        if (lane == 0) indices[0] = gave_up;
        return;
      }
    }
    T d[each];
#pragma unroll
    for (int e = 0; e < each; ++e) {
      const uint32_t j = start + e * warp + lane;
      d[e] = away(j < m ? j : m - 1);
    }
#pragma unroll
    for (int e = 0; e < each; ++e) {
      const unsigned within =
          __ballot_sync(all_lanes, d[e] < squared_radius && start + e * warp + lane < m);
      if (within == 0) continue;
      const int64_t place = found + __popc(within & ((1u << lane) - 1));
      if (within >> lane & 1 && place < k) {
        distances[place] = d[e];
        indices[place] = start + e * warp + lane;
      }
      found += __popc(within);
    }
  }
#pragma unroll 1
  for (int64_t place = found + lane; place < k; place += warp) {
    distances[place] = 0;
    indices[place] = -1;
  }
}

// The lowest indices within the radius, in lists as of knn, whose distances are all 0. Boxes come
// in the order of their least index: it stands for how far they are, and rounds in its order.
template <class T>
class BallsFound {
 public:
  __device__ BallsFound(WarpLists<T, warp>& lists, T squared_radius, int k, bool valid)
      : lists_(lists),
        squared_radius_(squared_radius),
        k_(k),
        valid_(valid),
        worst_index_(valid ? no_index : 0) {
    lists_.clear();
  }

  __device__ T away(const Box<T>& box, const T* lower, const T* upper) const {
    return box_distance<SquaredL2>(box, lower, upper) < squared_radius_
               ? static_cast<T>(box.least_index)
               : infinity<T>;
  }
  __device__ T worst() const { return valid_ ? static_cast<T>(worst_index_) : -1; }
  __device__ int32_t worst_index() const { return worst_index_; }
  __device__ void settle() {}

  __device__ void look(const Packet<T>& packet, const Site<T>* leaf, int32_t, unsigned wanted) {
    const Site<T> site = leaf[lane_number()];
    for (; wanted; wanted &= wanted - 1) {
      const int query = __ffs(wanted) - 1;
      const auto of_query = [&](auto value) { return __shfl_sync(all_lanes, value, query); };
      const T d = distance3<SquaredL2>(of_query(packet.at[0]) - site.at.x,
                                       of_query(packet.at[1]) - site.at.y,
                                       of_query(packet.at[2]) - site.at.z);
      const int32_t worst = of_query(worst_index_);
      const unsigned lower = __ballot_sync(all_lanes, d < squared_radius_ && site.index < worst);
      if (lower == 0) continue;
      WarpList<T> list = lists_.load(query);
      list.take(lower, 0, site.index);
      lists_.store(query, list);
      const int32_t new_worst = list.index_at(k_ - 1);
      if (lane_number() == query) worst_index_ = new_worst;
    }
  }

 private:
  WarpLists<T, warp>& lists_;
  T squared_radius_;
  int k_;
  bool valid_;
  int32_t worst_index_;
};

// The queries that gave up.
template <class T>
__global__ void __launch_bounds__(search_threads)
    first_within_by_tree(TreeView<T> x, TreeView<T> y, CloudsView<T> y_clouds, T squared_radius,
                         int64_t size, int64_t k, T* distance_out, int64_t* index_out) {
  __shared__ Site<T> leaf[search_warps][warp];
  __shared__ WarpLists<T, warp> lists[search_warps];
  const Queries<T> queries(x);
  if (!queries.any()) return;
  const int64_t row = queries.valid ? queries.b * size + queries.site.index : 0;
  const bool mine = queries.valid && index_out[row * k] == gave_up;
  const unsigned open = __ballot_sync(all_lanes, mine);
  if (open == 0) return;
  const int my_warp = static_cast<int>(threadIdx.x) / warp, lane = lane_number();
  const Packet<T> packet(queries.site, mine);
  BallsFound<T> found(lists[my_warp], squared_radius, static_cast<int>(k), mine);
  search(y, queries.b, packet, leaf[my_warp], found);
  for (unsigned left = open; left; left &= left - 1) {
    const int query = __ffs(left) - 1;
    const auto of_query = [&](auto value) { return __shfl_sync(all_lanes, value, query); };
    const Point<T> at{of_query(packet.at[0]), of_query(packet.at[1]), of_query(packet.at[2])};
    const int64_t out = of_query(row) * k + lane;
    const int32_t index = lists[my_warp].load(query).index;
    if (lane >= k) continue;
    const bool any = index != no_index;
    const Point<T> other = Point<T>::load(y_clouds.cloud(queries.b), any ? index : 0, y_clouds.dim);
    distance_out[out] = any ? distance<SquaredL2>(at, other) : T(0);
    index_out[out] = any ? index : -1;
  }
}

template <class T>
void find(const Device& device, const Clouds<T>& x, const Clouds<T>& y, T squared_radius, int64_t k,
          T* distance, int64_t* index) {
  // A sixteenth of the points is what a query looks at that soon finds what it wants.
  const bool tree =
      std::is_same_v<T, float> && k <= warp && trees_pay(x.batch, x.size, y.size / 16, x.dim);
  const auto kernel = x.dim == 3 ? first_within<T, 3> : first_within<T, 0>;
  device.launch(kernel, pieces(x.points(), warps), threads, x.view(), y.view(), squared_radius, k,
                tree, distance, index);
  if constexpr (std::is_same_v<T, float>) {
    if (!tree) return;
    const Trees<T> trees(device, x, y);
    device.launch(first_within_by_tree<T>, pieces(x.batch * trees.x.leaves, search_warps),
                  search_threads, trees.x.view(), trees.y.view(), y.view(), squared_radius, x.size,
                  k, distance, index);
  }
}

std::tuple<Tensor, Tensor> ball_query(Tensor x, Tensor y, int64_t k, double squared_radius,
                                      std::optional<Tensor> x_lengths,
                                      std::optional<Tensor> y_lengths, bool check_finite) {
  require_two_clouds(x, y, x_lengths, y_lengths);
  require_ball(k, squared_radius);
  const Device device(x, "ball_query");
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, y_lengths);
    ValueChecks checks(device, x, check_finite);
    checks.lengths(x_lengths, from.size, "x");
    checks.lengths(y_lengths, to.size, "y");
    checks.finite(from, "x");
    checks.finite(to, "y");
    checks.send();
    const Tensor distance = new_values(x, from.batch, from.size, k);  // (B, N, k)
    const Tensor index = new_index(x, from.batch, from.size, k);      // (B, N, k)
    find<T>(device, from, to, static_cast<T>(squared_radius), k, pointer<T>(distance),
            pointer<int64_t>(index));
    checks.raise();
    return std::make_tuple(distance, index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) {
  if (!nvc3d::cuda_usable()) return;
  m.impl("ball_query", TORCH_BOX(&nvc3d::ball_query));
}
