// The table of kernels that exist once per instruction set. Those of distance_backward.h,
// optimal_matching.h, local_planes.h and grow_planes.h exist once: their bindings include them.
//
// Each kernel works on one cloud, given as raw row-major memory, and knows nothing of tensors.
// A Variant is the set for one instruction set, and all variants give the same bits. The caller
// checks sizes (n, m < 2^31; m >= 1 when n > 0; 1 <= k <= m) and, if it wants to, that all
// coordinates are finite: on other values the kernels are safe but meaningless.
#pragma once

#include <cstdint>

namespace nvc3d {

// Thrown by a kernel whose caller has called it off; its outputs are then unfinished.
struct Cancelled {};

// How a kernel spreads its work over threads, and when it gives up. The caller decides: the
// bindings pass torch's pool, and the default is serial and never cancelled. No result depends on
// the choice.
struct Parallel {
  using Body = void (*)(void* context, int64_t begin, int64_t end);
  // Calls body on pieces that together cover [0, count), each of about `grain` or more, and
  // returns when all are done.
  using Run = void (*)(void* owner, int64_t count, int64_t grain, void* context, Body body);
  // Whether the call is off. Any thread may ask, often.
  using Poll = bool (*)(void* owner);

  int64_t threads = 1;
  Run run = nullptr;
  Poll poll = nullptr;
  void* owner = nullptr;

  // Inlined, so that no instruction set's copy of it serves another.
  __attribute__((always_inline)) bool cancelled() const { return poll != nullptr && poll(owner); }

  // For loops that are not parallel: throws Cancelled where the call is off.
  __attribute__((always_inline)) void check() const {
    if (cancelled()) throw Cancelled{};
  }

  // body(begin, end) must not throw: kernels take their memory before they go parallel. One that
  // works for long asks `cancelled` itself and returns early. Throws Cancelled once all are done.
  template <class F>
  void operator()(int64_t count, int64_t grain, const F& body) const {
    if (count <= 0) return;
    auto watched = [&](int64_t begin, int64_t end) {
      // Longer pieces than the grain: a body may go faster as it goes on.
      for (int64_t next; begin < end && !cancelled(); begin = next) {
        next = poll != nullptr && end - begin > 4 * grain ? begin + 4 * grain : end;
        body(begin, next);
      }
    };
    if (threads <= 1 || run == nullptr || count <= grain) {
      watched(0, count);
    } else {
      run(owner, count, grain, &watched, [](void* erased, int64_t begin, int64_t end) {
        (*static_cast<decltype(watched)*>(erased))(begin, end);
      });
    }
    check();
  }
};

// norm 2 is the squared Euclidean distance, norm 1 the sum of absolute differences. "Nearest" is
// the lowest index among the points whose distance, in T and as distance.h defines it, is least.
template <class T>
struct Kernels {
  // For each of x (n, dim) the nearest of y (m, dim).
  void (*nearest)(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int norm, T* distance,
                  int64_t* index, const Parallel& parallel);

  // The same from x to y and from y to x; n >= 1 and m >= 1.
  void (*nearest_both)(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int norm,
                       T* x_distance, int64_t* x_index, T* y_distance, int64_t* y_index,
                       const Parallel& parallel);

  // For each of x the k nearest of y, nearest first, lowest index first on ties: (n, k) each. Those
  // at the limit or beyond may be left out: then infinity and index 0 stand last. Here and below,
  // `tree` is nullptr or the one of y, which then is not built anew.
  void (*knn)(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, int64_t k, int norm,
              T limit, const void* tree, T* distance, int64_t* index, const Parallel& parallel);

  // For each of x the first k of y, by index, whose squared distance is below squared_radius:
  // (n, k) each. Where there are fewer than k, which may be more than m, the rest is distance 0 and
  // index -1.
  void (*ball_query)(const T* x, int64_t n, const T* y, int64_t m, int64_t dim, T squared_radius,
                     int64_t k, const void* tree, T* distance, int64_t* index,
                     const Parallel& parallel);

  // A tree over y (m, dim), which serves any number of searches: how many bytes it takes, 0 where
  // there is none for so many dimensions, and how it is built. m >= 1.
  int64_t (*tree_bytes)(int64_t m, int64_t dim);
  void (*build_tree)(const T* y, int64_t m, int64_t dim, void* tree, const Parallel& parallel);

  // k picks that begin with `start`, each the lowest index among the points farthest from all
  // picks before it; once every point coincides with a pick, index 0 is picked again and again.
  void (*farthest_point_sampling)(const T* points, int64_t n, int64_t dim, int64_t k, int64_t start,
                                  int64_t* picks, const Parallel& parallel);

  // For each latent (n, dim) its nearest anchor (m, dim) and the squared distance to it.
  void (*assign_anchors)(const T* latents, int64_t n, const T* anchors, int64_t m, int64_t dim,
                         int64_t* index, T* squared, const Parallel& parallel);

  // Of the values (size, dim) at each row of an index (rows, k) the greatest, the sum, and the row
  // of the greatest: (rows, dim) each. Index -1 stands for none; where all are, 0, 0 and -1.
  void (*pool_neighbours)(const T* values, int64_t dim, const int64_t* index, int64_t rows,
                          int64_t k, T* maximum, T* total, int32_t* which,
                          const Parallel& parallel);

  // The gradient (size, dim) in the values, from those in the greatest and in the sum.
  void (*pool_neighbours_backward)(const T* maximum_grad, const T* total_grad, const int64_t* index,
                                   const int32_t* which, int64_t rows, int64_t k, int64_t dim,
                                   int64_t size, T* grad, const Parallel& parallel);

  // How many values are NaN or infinite; *first is the position of the first of them, or -1.
  int64_t (*count_nonfinite)(const T* values, int64_t n, int64_t* first);
};

struct Variant {
  const char* name;
  bool (*supported)();  // by the machine that runs
  Kernels<float> f32;
  Kernels<double> f64;
};

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define NVC3D_HAS_X86_VARIANTS 1
const Variant& avx512_variant();
const Variant& avx2_variant();
#else
#define NVC3D_HAS_X86_VARIANTS 0
#endif
const Variant& portable_variant();

}  // namespace nvc3d
