// From values to places on an axis. Pure.
#ifndef RONDO_APPS_RONDO_REPORT_SCALE_H_
#define RONDO_APPS_RONDO_REPORT_SCALE_H_

#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace apps::report {

// The least and the greatest of the values that were included; values that are not finite are not.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Include(double value);
  bool empty() const { return low > high; }
};

enum class ScaleKind { kLinear, kLog };

class Scale {
 public:
  // An axis on which all of `values` have a place, with a little room at both ends; a linear axis
  // that would nearly begin at 0 begins there. `values` may be empty. A logarithmic axis has no
  // place for what is not positive: pass only what is.
  static Scale Over(ScaleKind kind, const Range& values);
  // From `low` to `high`, without room. low < high, and on a logarithmic axis 0 < low.
  static Scale Between(ScaleKind kind, double low, double high);

  // 0 at the axis' low end, 1 at its high one, beyond these outside of it. None: not finite, or
  // not positive on a logarithmic axis.
  std::optional<double> Place(double value) const;
  // Round values on the axis, rising; about `count` of them: 1, 2 or 5 times a power of ten, on a
  // logarithmic axis powers of ten alone where more would be too many.
  std::vector<double> Ticks(int count) const;

  double low() const { return low_; }
  double high() const { return high_; }

 private:
  Scale(ScaleKind kind, double low, double high) : kind_(kind), low_(low), high_(high) {}

  ScaleKind kind_;
  double low_;
  double high_;
};

// As an axis shows it: "0.05", "20", "1,000", "2e-07".
std::string FormatTick(double value);
// "0.0123", "12.3", "5,224": three digits, and never fewer than stand before the point.
std::string ThreeDigits(double value);

}  // namespace apps::report

#endif  // RONDO_APPS_RONDO_REPORT_SCALE_H_
