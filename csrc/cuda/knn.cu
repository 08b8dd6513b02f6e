// k nearest neighbours on CUDA.
#include <torch/csrc/stable/library.h>

#include "../core/best_heap.h"
#include "nearest_tree.cuh"
#include "tile.cuh"
#include "values.cuh"

namespace nvc3d {
namespace {

// Heaps of up to this many candidates lie in shared memory, larger ones where the output will be.
template <class T>
constexpr int shared_k = sizeof(T) == sizeof(float) ? 32 : 0;

// Where the heap of a query lies: interleaved with others in shared memory, or in the output.
template <class T, int Heaps>
struct HeapMemory {
  T distance[shared_k<T> > 0 ? shared_k<T> : 1][Heaps];
  int32_t index[shared_k<T> > 0 ? shared_k<T> : 1][Heaps];
};

// Writes the sorted heap of query `slot` to the output's row.
template <class T, int Heaps>
__device__ void write_row(const HeapMemory<T, Heaps>& heaps, int slot, int64_t k, T* distance,
                          int64_t* index) {
  for (int64_t i = 0; i < k; ++i) {
    distance[i] = heaps.distance[i][slot];
    index[i] = heaps.index[i][slot];
  }
}

// 64 queries are the work of a block: all its threads fill a tile of distances, then one thread a
// query picks from its row. `Shared` says where the heaps are.
template <class T, class Norm, bool Shared>
__global__ void __launch_bounds__(256)
    knn_by_tiles(CloudsView<T> x, CloudsView<T> y, int64_t k, T* distance_out, int64_t* index_out) {
  using Tile = nvc3d::Tile<T, Norm>;
  using Index = std::conditional_t<Shared, int32_t, int64_t>;
  // The tile's coordinates are done with when its distances are stored.
  __shared__ union {
    typename Tile::Shared tile;
    T distance[Tile::rows][Tile::columns + 1];
  } shared;
  __shared__ HeapMemory<T, Tile::rows> heaps;
  const int64_t row_blocks = (x.size + Tile::rows - 1) / Tile::rows;
  const int64_t b = blockIdx.x / row_blocks, first_row = blockIdx.x % row_blocks * Tile::rows;
  const int32_t n = x.count(b), m = y.count(b);
  if (first_row >= n || m == 0) return;

  const int mine = static_cast<int>(threadIdx.x);
  const bool picks = mine < Tile::rows && first_row + mine < n;
  const int64_t out = (b * x.size + first_row + mine) * k;
  const auto memory = [&] {
    if constexpr (Shared) {
      const int slot = mine % Tile::rows;
      return BestHeap<T, Index>(&heaps.distance[0][slot], &heaps.index[0][slot], Tile::rows, k);
    } else {
      return BestHeap<T, Index>(distance_out + out, index_out + out, 1, k);
    }
  };
  BestHeap<T, Index> best = memory();
  if (!picks) best.close();

  for (int64_t start = 0; start < m; start += Tile::columns) {
    T found[Tile::each][Tile::each];
    Tile::distances(shared.tile, x.cloud(b), n, first_row, y.cloud(b), m, start, x.dim, found);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < Tile::each; ++i)
#pragma unroll
      for (int j = 0; j < Tile::each; ++j)
        shared.distance[Tile::row() + 16 * i][Tile::column() + 16 * j] = found[i][j];
    __syncthreads();
    if (picks) {
      const int count = static_cast<int>(m - start < Tile::columns ? m - start : Tile::columns);
      for (int j = 0; j < count; ++j)
        best.offer(shared.distance[mine][j], static_cast<Index>(start + j));
    }
  }
  if (!picks) return;
  best.sort();
  if constexpr (Shared) write_row(heaps, mine, k, distance_out + out, index_out + out);
}

// The heaps of a warp's queries, as search() wants them.
template <class T, class Norm, class Index>
struct HeapFound {
  BestHeap<T, Index> best;

  __device__ T worst() const { return best.worst(); }
  __device__ int32_t worst_index() const { return best.worst_index(); }
  __device__ void settle() {}
  // Padding, at infinity and with the highest of all indices, never enters.
  __device__ void look(const Packet<T>& packet, const Site<T>* leaf, int32_t, unsigned) {
    for (int i = 0; i < warp; ++i) {
      best.offer(distance3<Norm>(packet.at[0] - leaf[i].at.x, packet.at[1] - leaf[i].at.y,
                                 packet.at[2] - leaf[i].at.z),
                 leaf[i].index);
    }
  }
};

template <class T, class Norm, bool Shared>
__global__ void __launch_bounds__(search_threads)
    knn_by_tree(TreeView<T> x, TreeView<T> y, int64_t size, int64_t k, T* distance_out,
                int64_t* index_out) {
  using Index = std::conditional_t<Shared, int32_t, int64_t>;
  __shared__ Site<T> leaf[search_warps][warp];
  __shared__ HeapMemory<T, search_threads> heaps;
  const Queries<T> queries(x);
  if (!queries.any()) return;
  const int mine = static_cast<int>(threadIdx.x);
  const int64_t out = queries.valid ? (queries.b * size + queries.site.index) * k : 0;
  const auto memory = [&] {
    if constexpr (Shared) {
      return BestHeap<T, Index>(&heaps.distance[0][mine], &heaps.index[0][mine], search_threads, k);
    } else {
      return BestHeap<T, Index>(distance_out + out, index_out + out, 1, k);
    }
  };
  HeapFound<T, Norm, Index> found{memory()};
  if (!queries.valid) found.best.close();
  const Packet<T> packet(queries.site, queries.valid);
  search<Norm>(y, queries.b, packet, leaf[threadIdx.x / warp], found);
  if (!queries.valid) return;
  found.best.sort();
  if constexpr (Shared) write_row(heaps, mine, k, distance_out + out, index_out + out);
}

template <class T, class Norm, bool Shared>
void find(const Device& device, const Clouds<T>& x, const Clouds<T>& y, int64_t k, T* distance,
          int64_t* index) {
  // Picking costs more than a distance: trees pay four times sooner.
  if (trees_pay(x.batch * 4, x.size, y.size, x.dim)) {
    const auto search = [&](const Tree<T>& queries, const Tree<T>& tree) {
      device.launch(knn_by_tree<T, Norm, Shared>, pieces(x.batch * queries.leaves, search_warps),
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
  device.launch(knn_by_tiles<T, Norm, Shared>, x.batch * pieces(x.size, Tile::rows), Tile::threads,
                x.view(), y.view(), k, distance, index);
}

std::tuple<Tensor, Tensor> knn(Tensor x, Tensor y, int64_t k, std::optional<Tensor> x_lengths,
                               std::optional<Tensor> y_lengths, int64_t norm, bool check_finite) {
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
    const auto run = [&](auto kernels) {
      kernels(device, from, to, k, pointer<T>(distance), pointer<int64_t>(index));
    };
    if constexpr (shared_k<T> > 0) {
      if (k <= shared_k<T>) {
        norm == 1 ? run(find<T, L1, true>) : run(find<T, SquaredL2, true>);
        checks.raise();
        return std::make_tuple(distance, index);
      }
    }
    norm == 1 ? run(find<T, L1, false>) : run(find<T, SquaredL2, false>);
    checks.raise();
    return std::make_tuple(distance, index);
  });
}

}  // namespace
}  // namespace nvc3d

STABLE_TORCH_LIBRARY_IMPL(nvc3d, CUDA, m) { m.impl("knn", TORCH_BOX(&nvc3d::knn)); }
