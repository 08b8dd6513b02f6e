// Prints one number per kernel and type, made of all bits of its answers for clouds that every
// machine draws alike: to compare the portable kernels on a foreign processor with those here.
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "../../csrc/core/kernels.h"

namespace {

uint64_t state = 1;

// Of 24 bits: exact in float, and the same after division on every machine.
double draw() {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(state >> 40) / (1 << 24);
}

// Half of the points spread out, half of them crowded, some of them twice.
template <class T>
std::vector<T> cloud(int64_t n, int64_t dim) {
  std::vector<T> values(n * dim);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t d = 0; d < dim; ++d) {
      T& value = values[i * dim + d];
      value = static_cast<T>(i % 2 ? draw() : 0.3 + draw() * 1e-3);
      if (i % 7 == 6) value = values[(i - 5) * dim + d];
    }
  }
  return values;
}

class Digest {
 public:
  explicit Digest(const char* name) : name_(name) {}
  ~Digest() { std::printf("%s %016llx\n", name_, static_cast<unsigned long long>(hash_)); }

  template <class V>
  void add(const std::vector<V>& values) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (size_t i = 0; i < values.size() * sizeof(V); ++i) {
      hash_ = (hash_ ^ bytes[i]) * 1099511628211u;
    }
  }

 private:
  const char* name_;
  uint64_t hash_ = 14695981039346656037u;
};

template <class T>
void run(const nvc3d::Kernels<T>& kernels) {
  const nvc3d::Parallel serial;
  for (const int64_t n : {60, 3001}) {
    for (const int64_t dim : {2, 3, 5}) {
      for (const int norm : {1, 2}) {
        const int64_t m = n - n / 5, k = 20;
        const std::vector<T> x = cloud<T>(n, dim), y = cloud<T>(m, dim);
        std::vector<T> x_distance(n), y_distance(m), distance(n * k);
        std::vector<int64_t> x_index(n), y_index(m), index(n * k), picks(n / 2);
        {
          Digest digest("nearest");
          kernels.nearest(x.data(), n, y.data(), m, dim, norm, x_distance.data(), x_index.data(),
                          serial);
          digest.add(x_distance);
          digest.add(x_index);
        }
        {
          Digest digest("nearest_both");
          kernels.nearest_both(x.data(), n, y.data(), m, dim, norm, x_distance.data(),
                               x_index.data(), y_distance.data(), y_index.data(), serial);
          digest.add(x_distance);
          digest.add(x_index);
          digest.add(y_distance);
          digest.add(y_index);
        }
        {
          Digest digest("knn");
          kernels.knn(x.data(), n, y.data(), m, dim, k, norm, std::numeric_limits<T>::infinity(),
                      nullptr, distance.data(), index.data(), serial);
          digest.add(distance);
          digest.add(index);
        }
        {
          Digest digest("ball_query");
          kernels.ball_query(x.data(), n, y.data(), m, dim, static_cast<T>(0.01), k, nullptr,
                             distance.data(), index.data(), serial);
          digest.add(distance);
          digest.add(index);
        }
        {
          Digest digest("farthest_point_sampling");
          kernels.farthest_point_sampling(x.data(), n, dim, n / 2, 1, picks.data(), serial);
          digest.add(picks);
        }
        {
          Digest digest("pool_neighbours");
          const std::vector<T> values = cloud<T>(m, 19);
          std::vector<T> maximum(n * 19), total(n * 19), grad(m * 19);
          std::vector<int32_t> which(n * 19);
          kernels.pool_neighbours(values.data(), 19, index.data(), n, k, maximum.data(),
                                  total.data(), which.data(), serial);
          kernels.pool_neighbours_backward(maximum.data(), total.data(), index.data(), which.data(),
                                           n, k, 19, m, grad.data(), serial);
          digest.add(maximum);
          digest.add(total);
          digest.add(which);
          digest.add(grad);
        }
        {
          Digest digest("assign_anchors");
          const std::vector<T> latents = cloud<T>(n, 20), anchors = cloud<T>(m / 40 + 1, 20);
          kernels.assign_anchors(latents.data(), n, anchors.data(), m / 40 + 1, 20, x_index.data(),
                                 x_distance.data(), serial);
          digest.add(x_distance);
          digest.add(x_index);
        }
      }
    }
  }
}

}  // namespace

int main() {
  run(nvc3d::portable_variant().f32);
  run(nvc3d::portable_variant().f64);
}
