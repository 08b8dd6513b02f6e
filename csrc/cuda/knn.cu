// k nearest neighbours on CUDA.
#include <torch/csrc/stable/library.h>

#include "../core/best_heap.h"
#include "nearest_tree.cuh"
#include "tile.cuh"
#include "values.cuh"
#include "warp_list.cuh"

namespace nvc3d {
namespace {

// Up to 32 neighbours are kept by a warp in a list, more by one thread in a heap, which lies where
// the output will be.
constexpr int most_listed = warp;

// A tile of distances in shared memory: the coordinates are done with when they are stored.
template <class T, class Norm>
union Distances {
  using Tile = nvc3d::Tile<T, Norm>;
  typename Tile::Shared tile;
  T distance[Tile::rows][Tile::columns + 1];

  // Arguments as for Tile::distances. All threads of the block must call it.
  __device__ void fill(const T* x, int32_t n, int64_t first_row, const T* y, int32_t m,
                       int64_t first_column, int64_t dim) {
    T found[Tile::each][Tile::each];
    Tile::distances(tile, x, n, first_row, y, m, first_column, dim, found);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < Tile::each; ++i)
#pragma unroll
      for (int j = 0; j < Tile::each; ++j)
        distance[Tile::row() + 16 * i][Tile::column() + 16 * j] = found[i][j];
    __syncthreads();
  }
};

// 64 queries are the work of a block: all its threads fill a tile of distances, then each warp
// picks from 8 of its rows.
template <class T, class Norm>
__global__ void __launch_bounds__(256) list_by_tiles(CloudsView<T> x, CloudsView<T> y, int64_t k,
                                                     T* distance_out, int64_t* index_out) {
  using Tile = nvc3d::Tile<T, Norm>;
  constexpr int rows = Tile::rows / (Tile::threads / warp);  // of a warp
  __shared__ Distances<T, Norm> shared;
  const int64_t row_blocks = (x.size + Tile::rows - 1) / Tile::rows;
  const int64_t b = blockIdx.x / row_blocks, first_row = blockIdx.x % row_blocks * Tile::rows;
  const int32_t n = x.count(b), m = y.count(b);
  if (first_row >= n || m == 0) return;

  const int lane = lane_number(), my_row = static_cast<int>(threadIdx.x) / warp * rows;
  const int last = static_cast<int>(k) - 1;
  WarpList<T> list[rows];
  for (int32_t start = 0; start < m; start += Tile::columns) {
    shared.fill(x.cloud(b), n, first_row, y.cloud(b), m, start, x.dim);
#pragma unroll
    for (int r = 0; r < rows; ++r) {
#pragma unroll 1
      for (int column = lane; column < Tile::columns; column += warp) {
        const T d = shared.distance[my_row + r][column], worst = list[r].distance_at(last);
        const int32_t index = start + column, worst_index = list[r].index_at(last);
        const bool better = index < m && comes_first(d, index, worst, worst_index);
        list[r].take(__ballot_sync(all_lanes, better), d, index);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < rows; ++r) {
    const int64_t row = first_row + my_row + r;
    if (row >= n) return;
    const int64_t out = (b * x.size + row) * k;
    list[r].write(last + 1, distance_out + out, index_out + out);
  }
}

// The same for more neighbours: one thread a query picks from its row.
template <class T, class Norm>
__global__ void __launch_bounds__(256, 2) heap_by_tiles(CloudsView<T> x, CloudsView<T> y, int64_t k,
                                                        T* distance_out, int64_t* index_out) {
  using Tile = nvc3d::Tile<T, Norm>;
  __shared__ Distances<T, Norm> shared;
  const int64_t row_blocks = (x.size + Tile::rows - 1) / Tile::rows;
  const int64_t b = blockIdx.x / row_blocks, first_row = blockIdx.x % row_blocks * Tile::rows;
  const int32_t n = x.count(b), m = y.count(b);
  if (first_row >= n || m == 0) return;

  const int mine = static_cast<int>(threadIdx.x);
  const bool picks = mine < Tile::rows && first_row + mine < n;
  const int64_t out = (b * x.size + first_row + mine) * k;
  BestHeap<T, int64_t> best(distance_out + out, index_out + out, 1, k);
  if (!picks) best.close();

  for (int64_t start = 0; start < m; start += Tile::columns) {
    shared.fill(x.cloud(b), n, first_row, y.cloud(b), m, start, x.dim);
    if (picks) {
      const int count = static_cast<int>(m - start < Tile::columns ? m - start : Tile::columns);
      for (int j = 0; j < count; ++j) best.offer(shared.distance[mine][j], start + j);
    }
  }
  if (picks) best.sort();
}

// The lists of a warp's queries, as search() wants them: a leaf is looked at for one query after
// the other, by all lanes.
template <class T, class Norm, int Places>
class ListsFound {
 public:
  __device__ ListsFound(WarpLists<T, Places>& lists, int k, bool valid)
      : lists_(lists), k_(k), worst_(valid ? infinity<T> : -1), worst_index_(valid ? no_index : 0) {
    lists_.clear();
  }

  __device__ T away(const Box<T>& box, const T* lower, const T* upper) const {
    return box_distance<Norm>(box, lower, upper);
  }
  __device__ T worst() const { return worst_; }
  __device__ int32_t worst_index() const { return worst_index_; }
  __device__ void settle() {}

  // Padding, at infinity and with the highest of all indices, never enters.
  __device__ void look(const Packet<T>& packet, const Site<T>* leaf, int32_t, unsigned wanted) {
    const int lane = lane_number();
    const Site<T> site = leaf[lane];
    for (; wanted; wanted &= wanted - 1) {
      const int query = __ffs(wanted) - 1;
      const auto of_query = [&](auto value) { return __shfl_sync(all_lanes, value, query); };
      const T d =
          distance3<Norm>(of_query(packet.at[0]) - site.at.x, of_query(packet.at[1]) - site.at.y,
                          of_query(packet.at[2]) - site.at.z);
      const unsigned better = __ballot_sync(
          all_lanes, comes_first(d, site.index, of_query(worst_), of_query(worst_index_)));
      if (better == 0) continue;
      WarpList<T> list = lists_.load(query);
      list.take(better, d, site.index);
      lists_.store(query, list);
      const T worst = list.distance_at(k_ - 1);
      const int32_t worst_index = list.index_at(k_ - 1);
      if (lane == query) {
        worst_ = worst;
        worst_index_ = worst_index;
      }
    }
  }

 private:
  WarpLists<T, Places>& lists_;
  int k_;
  T worst_;
  int32_t worst_index_;
};

template <class T, class Norm, int Places>
__global__ void __launch_bounds__(search_threads)
    list_by_tree(TreeView<T> x, TreeView<T> y, int64_t size, int64_t k, T* distance_out,
                 int64_t* index_out) {
  __shared__ Site<T> leaf[search_warps][warp];
  __shared__ WarpLists<T, Places> lists[search_warps];
  const Queries<T> queries(x);
  if (!queries.any()) return;
  const int my_warp = static_cast<int>(threadIdx.x) / warp;
  const Packet<T> packet(queries.site, queries.valid);
  ListsFound<T, Norm, Places> found(lists[my_warp], static_cast<int>(k), queries.valid);
  search(y, queries.b, packet, leaf[my_warp], found);
  const unsigned valid = __ballot_sync(all_lanes, queries.valid);
  for (unsigned left = valid; left; left &= left - 1) {
    const int query = __ffs(left) - 1;
    const int64_t row = queries.b * size + __shfl_sync(all_lanes, queries.site.index, query);
    lists[my_warp].load(query).write(static_cast<int>(k), distance_out + row * k,
                                     index_out + row * k);
  }
}

// The heaps of a warp's queries, as search() wants them.
template <class T, class Norm>
struct HeapFound {
  BestHeap<T, int64_t> best;

  __device__ T away(const Box<T>& box, const T* lower, const T* upper) const {
    return box_distance<Norm>(box, lower, upper);
  }
  __device__ T worst() const { return best.worst(); }
  __device__ int32_t worst_index() const { return best.worst_index(); }
  __device__ void settle() {}
  // Padding, at infinity and with the highest of all indices, never enters.
  __device__ void look(const Packet<T>& packet, const Site<T>* leaf, int32_t, unsigned) {
#pragma unroll 1
    for (int i = 0; i < warp; ++i) {
      best.offer(distance3<Norm>(packet.at[0] - leaf[i].at.x, packet.at[1] - leaf[i].at.y,
                                 packet.at[2] - leaf[i].at.z),
                 leaf[i].index);
    }
  }
};

template <class T, class Norm>
__global__ void __launch_bounds__(search_threads, 6)
    heap_by_tree(TreeView<T> x, TreeView<T> y, int64_t size, int64_t k, T* distance_out,
                 int64_t* index_out) {
  __shared__ Site<T> leaf[search_warps][warp];
  const Queries<T> queries(x);
  if (!queries.any()) return;
  const int64_t out = queries.valid ? (queries.b * size + queries.site.index) * k : 0;
  HeapFound<T, Norm> found{{distance_out + out, index_out + out, 1, k}};
  if (!queries.valid) found.best.close();
  const Packet<T> packet(queries.site, queries.valid);
  search(y, queries.b, packet, leaf[threadIdx.x / warp], found);
  if (queries.valid) found.best.sort();
}

// Lists of as many places as are needed, and of no more than shared memory holds.
template <class T, class Norm>
auto tree_kernel(int64_t k) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return k <= 8             ? list_by_tree<T, Norm, 8>
           : k <= most_listed ? list_by_tree<T, Norm, most_listed>
                              : heap_by_tree<T, Norm>;
  } else {
    return k <= 16 ? list_by_tree<T, Norm, 16> : heap_by_tree<T, Norm>;
  }
}

template <class T, class Norm>
void find(const Device& device, const Clouds<T>& x, const Clouds<T>& y, int64_t k, T* distance,
          int64_t* index) {
  // Picking costs more than a distance: trees pay four times sooner.
  if (trees_pay(x.batch * 4, x.size, y.size, x.dim)) {
    const auto search = [&](const Tree<T>& queries, const Tree<T>& tree) {
      device.launch(tree_kernel<T, Norm>(k), pieces(x.batch * queries.leaves, search_warps),
                    search_threads, queries.view(), tree.view(), x.size, k, distance, index);
    };
    if (x.data == y.data && x.size == y.size && x.counts == y.counts) {
      const Tree<T> tree(device, y);
      return search(tree, tree);
    }
    const Trees<T> trees(device, x, y);
    return search(trees.x, trees.y);
  }
  using Tile = nvc3d::Tile<T, Norm>;
  const auto kernel = k <= most_listed ? list_by_tiles<T, Norm> : heap_by_tiles<T, Norm>;
  device.launch(kernel, x.batch * pieces(x.size, Tile::rows), Tile::threads, x.view(), y.view(), k,
                distance, index);
}

// Finds what is at the limit or beyond as well.
std::tuple<Tensor, Tensor> knn(Tensor x, Tensor y, int64_t k, std::optional<Tensor> x_lengths,
                               std::optional<Tensor> y_lengths, int64_t norm, bool check_finite,
                               std::optional<double> /*limit*/) {
  require_two_clouds(x, y, x_lengths, y_lengths, k);
  require_norm(norm);
  const Device device(x, "knn");
  return with_type(x, [&](auto type) {
    using T = decltype(type);
    const Clouds<T> from(x, x_lengths), to(y, y_lengths);
    ValueChecks checks(device, x, check_finite);
    checks.lengths(x_lengths, from.size, "x");
    checks.lengths(y_lengths, to.size, "y", k);
    checks.finite(from, "x");
    if (!from.hold(to)) checks.finite(to, "y");
    checks.send();
    const Tensor distance = new_values(x, from.batch, from.size, k);  // (B, N, k)
    const Tensor index = new_index(x, from.batch, from.size, k);      // (B, N, k)
    // Padding, and what unchecked lengths leave out.
    if (x_lengths || y_lengths) {
      device.fill(distance.data_ptr(), 0, from.points() * k * static_cast<int64_t>(sizeof(T)));
      device.fill(index.data_ptr(), 0, from.points() * k * static_cast<int64_t>(sizeof(int64_t)));
    }
    const auto find = norm == 1 ? nvc3d::find<T, L1> : nvc3d::find<T, SquaredL2>;
    find(device, from, to, k, pointer<T>(distance), pointer<int64_t>(index));
    checks.raise();
    return std::make_tuple(distance, index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) {
  if (!nvc3d::cuda_usable()) return;
  m.impl("knn", TORCH_BOX(&nvc3d::knn));
}
