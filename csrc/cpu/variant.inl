// The body of variant_<isa>.cpp, which defines NVC3D_ISA and the compiler's flags to match.
#include "../core/assign_anchors.h"
#include "../core/ball_query.h"
#include "../core/farthest_point_sampling.h"
#include "../core/finite.h"
#include "../core/nearest.h"
#include "../core/pool_neighbours.h"

namespace nvc3d::NVC3D_ISA {

template <class T>
constexpr Kernels<T> table{
    &nearest<T>,
    &nearest_both<T>,
    &knn<T>,
    &ball_query<T>,
    &tree_bytes<T>,
    &build_tree<T>,
    &farthest_point_sampling<T>,
    &assign_anchors<T>,
    &pool_neighbours<T>,
    &pool_neighbours_backward<T>,
    &count_nonfinite<T>,
};

}  // namespace nvc3d::NVC3D_ISA
