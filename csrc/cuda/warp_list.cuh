// The best candidates that a warp has met, kept by the warp together.
#pragma once

#include "../core/candidate.h"
#include "warp.cuh"

namespace nvc3d {

// 32 of them, each in a lane, best first. All lanes take part in everything.
template <class T>
struct WarpList {
  T distance = infinity<T>;
  int32_t index = no_index;

  // Puts in the candidates of the lanes in `wanted`, one a lane.
  __device__ void take(unsigned wanted, T new_distance, int32_t new_index) {
    const int lane = lane_number();
    for (; wanted; wanted &= wanted - 1) {
      const int from = __ffs(wanted) - 1;
      const T d = __shfl_sync(all_lanes, new_distance, from);
      const int32_t i = __shfl_sync(all_lanes, new_index, from);
      const int place = __popc(__ballot_sync(all_lanes, comes_first(distance, index, d, i)));
      const T distance_before = __shfl_up_sync(all_lanes, distance, 1);
      const int32_t index_before = __shfl_up_sync(all_lanes, index, 1);
      if (lane >= place) {
        distance = lane == place ? d : distance_before;
        index = lane == place ? i : index_before;
      }
    }
  }

  // The candidate at a place: the k best are known to be better than the one at place k - 1.
  __device__ T distance_at(int place) const { return __shfl_sync(all_lanes, distance, place); }
  __device__ int32_t index_at(int place) const { return __shfl_sync(all_lanes, index, place); }

  // Writes the first k. Where fewer came, the rest is NaN and index 0.
  __device__ void write(int k, T* distance_out, int64_t* index_out) const {
    const int lane = lane_number();
    if (lane >= k) return;
    distance_out[lane] = index == no_index ? not_a_number<T> : distance;
    index_out[lane] = index == no_index ? 0 : index;
  }
};

// The lists of 32 queries, each `Places` long, in shared memory. A lane reads only what it wrote.
template <class T, int Places>
struct WarpLists {
  T distance[warp][Places];
  int32_t index[warp][Places];

  __device__ WarpList<T> load(int query) const {
    const int lane = lane_number();
    if (lane >= Places) return {};
    return {distance[query][lane], index[query][lane]};
  }
  __device__ void store(int query, const WarpList<T>& list) {
    const int lane = lane_number();
    if (lane >= Places) return;
    distance[query][lane] = list.distance;
    index[query][lane] = list.index;
  }
  __device__ void clear() {
    for (int query = 0; query < warp; ++query) store(query, {});
  }
};

}  // namespace nvc3d
