// The plane through a point that most of its neighbours share.
//
// Every neighbourhood is computed by itself: threads change nothing. Differences are taken in
// double, and in float then counted, four and more at a time.
#pragma once

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"
#include "plane_fit.h"

namespace nvc3d {

// How little is expected of a plane through three of k points that holds n of them within a width:
// the logarithm of n - 3 of k - 3 points within it by chance, where they lie anywhere in a ball.
// Widths are those of a ladder, `narrowest` of the radius times 2^(step / 2).
class PlaneChance {
 public:
  static constexpr int32_t steps = 14;
  static constexpr double narrowest = 0.01;

  explicit PlaneChance(int64_t k) : k_(k), score_(steps * (k + 1), 0.0) {
    for (int step = 0; step < steps; ++step) {
      const double share = std::log(std::min(1.0, 1.5 * width(step)));
      for (int64_t n = least; n <= k; ++n) {
        score_[step * (k + 1) + n] = static_cast<double>(n - 3) * share + choices(k - 3, n - 3);
      }
    }
  }

  static double width(int step) { return narrowest * std::exp2(0.5 * step); }
  // The first step whose width a distance is below, in the narrowest of them; `steps` where there
  // is none.
  static int32_t step(float distance) {
    const float squared = distance * distance;
    int32_t bits;
    std::memcpy(&bits, &squared, sizeof bits);
    const int32_t exponent = (bits >> 23) - 126;  // of what is 0 far below 0
    return std::min(std::max(exponent, 0), steps);
  }
  double operator()(int step, int64_t n) const { return score_[step * (k_ + 1) + n]; }

 private:
  static constexpr int64_t least = 5;  // points that say anything

  static double choices(int64_t of, int64_t chosen) {
    const auto factorial = [](int64_t n) {
      double sum = 0;
      for (int64_t i = 2; i <= n; ++i) sum += std::log(static_cast<double>(i));
      return sum;
    };
    return factorial(of) - factorial(chosen) - factorial(of - chosen);
  }

  int64_t k_;
  std::vector<double> score_;
};

template <class T>
class SharedPlane {
 public:
  static constexpr int64_t most = 64;     // neighbours
  static constexpr int64_t pairs_of = 8;  // that span planes with the point

  SharedPlane(const T* points, const int64_t* row, int64_t k, const PlaneChance& chance)
      : centre_(vector3(points + 3 * row[0])), k_(k), chance_(chance) {
    for (int64_t j = 0; j < k; ++j) {
      near_[j] = vector3(points + 3 * row[j]) - centre_;
      radius_ = std::max(radius_, std::sqrt(near_[j].dot(near_[j])));
    }
    if (!(radius_ > 0)) return;
    const double scale = 1 / (PlaneChance::narrowest * radius_);
    for (int64_t j = 0; j < k; ++j) {
      x_[j] = static_cast<float>(near_[j].x * scale);
      y_[j] = static_cast<float>(near_[j].y * scale);
      z_[j] = static_cast<float>(near_[j].z * scale);
    }
    const int64_t last = std::min(pairs_of, k - 1);
    for (int64_t a = 1; a <= last; ++a) {
      for (int64_t b = a + 1; b <= last; ++b) judge(near_[a], near_[b]);
    }
  }

  double score() const { return score_; }
  double width() const { return score_ < 0 ? PlaneChance::width(step_) * radius_ : 0; }
  // The least-squares plane of those within the width.
  Vector3 normal() const {
    Moments moments(Vector3{0, 0, 0});
    const std::array<int32_t, most> step = steps_from(normal_);
    for (int64_t j = 0; j < k_; ++j) {
      if (step[j] <= step_) moments.add(near_[j]);
    }
    return moments.fit().normal;
  }

 private:
  // Of all neighbours the steps of their distances from a plane through the point.
  std::array<int32_t, most> steps_from(const Vector3& normal) const {
    const auto x = static_cast<float>(normal.x), y = static_cast<float>(normal.y),
               z = static_cast<float>(normal.z);
    std::array<int32_t, most> steps;
    for (int64_t j = 0; j < k_; ++j) {
      steps[j] = PlaneChance::step(x * x_[j] + y * y_[j] + z * z_[j]);
    }
    return steps;
  }

  void judge(const Vector3& one, const Vector3& other) {
    const Vector3 across = one.cross(other);
    const double length = std::sqrt(across.dot(across));
    if (!(length > 1e-2 * std::sqrt(one.dot(one)) * std::sqrt(other.dot(other)))) return;
    const Vector3 normal = across.over(length);
    const std::array<int32_t, most> step_of = steps_from(normal);
    std::array<int, PlaneChance::steps + 1> count{};
    for (int64_t j = 0; j < k_; ++j) ++count[step_of[j]];
    int64_t within = 0;
    for (int step = 0; step < PlaneChance::steps; ++step) {
      within += count[step];
      if (!(chance_(step, within) < score_)) continue;
      score_ = chance_(step, within);
      step_ = step;
      normal_ = normal;
    }
  }

  Vector3 centre_, normal_{0, 0, 1};
  std::array<Vector3, most> near_;
  std::array<float, most> x_{}, y_{}, z_{};  // the same, in the narrowest width
  int64_t k_;
  const PlaneChance& chance_;
  double radius_ = 0, score_ = 0;
  int step_ = PlaneChance::steps;
};

// points (n, 3), index (m, k) with the point itself first; normal (m, 3), width and score (m,).
template <class T>
void shared_planes(const T* points, const int64_t* index, int64_t m, int64_t k, T* normal, T* width,
                   T* score, const Parallel& parallel) {
  const PlaneChance chance(k);
  parallel(m, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const SharedPlane<T> plane(points, index + i * k, k, chance);
      const Vector3 across = plane.normal();
      normal[3 * i] = static_cast<T>(across.x);
      normal[3 * i + 1] = static_cast<T>(across.y);
      normal[3 * i + 2] = static_cast<T>(across.z);
      width[i] = static_cast<T>(plane.width());
      score[i] = static_cast<T>(plane.score());
    }
  });
}

}  // namespace nvc3d
