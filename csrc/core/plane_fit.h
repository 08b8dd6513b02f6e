// The plane through points in space that has the least sum of squared distances to them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace nvc3d {

struct Vector3 {
  double x, y, z;

  Vector3 operator-(const Vector3& other) const { return {x - other.x, y - other.y, z - other.z}; }
  double dot(const Vector3& other) const { return x * other.x + y * other.y + z * other.z; }
  Vector3 cross(const Vector3& other) const {
    return {y * other.z - z * other.y, z * other.x - x * other.z, x * other.y - y * other.x};
  }
  Vector3 over(double length) const { return {x / length, y / length, z / length}; }
};

template <class T>
Vector3 vector3(const T* at) {
  return {static_cast<double>(at[0]), static_cast<double>(at[1]), static_cast<double>(at[2])};
}

struct PlaneFit {
  Vector3 centre, normal;  // a unit normal whose component of the greatest size is positive
  double variance[3];      // along the principal axes, the least first: along the normal
  bool determined() const { return variance[1] > 1e-12 * variance[2]; }  // not on a line
};

// Sums over points. They are taken from an origin nearby, so that little is lost.
class Moments {
 public:
  explicit Moments(const Vector3& origin) : origin_(origin) {}

  void add(const Vector3& point) {
    const Vector3 d = point - origin_;
    ++count_;
    x_ += d.x, y_ += d.y, z_ += d.z;
    xx_ += d.x * d.x, xy_ += d.x * d.y, xz_ += d.x * d.z;
    yy_ += d.y * d.y, yz_ += d.y * d.z, zz_ += d.z * d.z;
  }

  // Eigenvalues by the cosine formula (Smith, "Eigenvalues of a symmetric 3 × 3 matrix",
  // Communications of the ACM 4(4), 1961); the normal is at right angles to the rows of what is
  // left of the matrix, of which two at least are no multiples of one another.
  PlaneFit fit() const {
    const double n = static_cast<double>(count_);
    const double x = x_ / n, y = y_ / n, z = z_ / n;
    const double xx = xx_ / n - x * x, xy = xy_ / n - x * y, xz = xz_ / n - x * z,
                 yy = yy_ / n - y * y, yz = yz_ / n - y * z, zz = zz_ / n - z * z;
    PlaneFit found;
    found.centre = {origin_.x + x, origin_.y + y, origin_.z + z};
    const double mean = (xx + yy + zz) / 3;
    const double a = xx - mean, b = yy - mean, c = zz - mean;
    const double spread =
        std::sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6);
    if (!(spread > 0)) {
      found.normal = {0, 0, 1};
      found.variance[0] = found.variance[1] = found.variance[2] = std::max(mean, 0.0);
      return found;
    }
    const double determinant =
        a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz);
    const double half = determinant / (2 * spread * spread * spread);
    const double angle = std::acos(std::min(1.0, std::max(-1.0, half))) / 3;
    constexpr double third_of_turn = 2.0943951023931953;
    const double greatest = mean + 2 * spread * std::cos(angle);
    const double least = mean + 2 * spread * std::cos(angle + third_of_turn);
    found.variance[0] = std::max(least, 0.0);
    found.variance[1] = std::max(3 * mean - greatest - least, found.variance[0]);
    found.variance[2] = std::max(greatest, found.variance[1]);
    const Vector3 row[3] = {{xx - least, xy, xz}, {xy, yy - least, yz}, {xz, yz, zz - least}};
    Vector3 best{0, 0, 0};
    for (int r = 0; r < 3; ++r) {
      const Vector3 normal = row[r].cross(row[(r + 1) % 3]);
      if (normal.dot(normal) > best.dot(best)) best = normal;
    }
    const double length = std::sqrt(best.dot(best));
    found.normal = length > 0 ? upward(best.over(length)) : Vector3{0, 0, 1};
    return found;
  }

  int64_t count() const { return count_; }

 private:
  static Vector3 upward(const Vector3& n) {
    const double x = std::abs(n.x), y = std::abs(n.y), z = std::abs(n.z);
    const double greatest = x >= y && x >= z ? n.x : y >= z ? n.y : n.z;
    return greatest < 0 ? n.over(-1) : n;
  }

  Vector3 origin_;
  int64_t count_ = 0;
  double x_ = 0, y_ = 0, z_ = 0, xx_ = 0, xy_ = 0, xz_ = 0, yy_ = 0, yz_ = 0, zz_ = 0;
};

}  // namespace nvc3d
