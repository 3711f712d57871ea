#include "apps/rondo/report/thin.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace apps::report {
namespace {

// Appends what is kept of points[first, last).
void KeepColumn(const std::vector<ChartPoint>& points, std::size_t first, std::size_t last,
                std::vector<ChartPoint>& kept) {
  std::size_t lowest = first;
  std::size_t highest = first;
  for (std::size_t i = first; i < last; ++i) {
    if (points[i].y < points[lowest].y) lowest = i;
    if (points[i].y > points[highest].y) highest = i;
  }
  for (const std::size_t i : std::set<std::size_t>{first, lowest, highest, last - 1}) {
    kept.push_back(points[i]);
  }
}

double ColumnOf(double x, double left, double right, std::size_t columns) {
  return std::floor((x - left) / (right - left) * static_cast<double>(columns));
}

}  // namespace

std::vector<ChartPoint> ThinLine(const std::vector<ChartPoint>& points, double left, double right,
                                 std::size_t columns) {
  if (points.size() <= columns) return points;
  std::vector<ChartPoint> kept;
  std::size_t first = 0;
  for (std::size_t i = 1; i <= points.size(); ++i) {
    if (i < points.size() && ColumnOf(points[i].x, left, right, columns) ==
                                 ColumnOf(points[first].x, left, right, columns)) {
      continue;
    }
    KeepColumn(points, first, i, kept);
    first = i;
  }
  return kept;
}

std::vector<double> ThinStrokes(const std::vector<double>& values, double left, double right,
                                std::size_t columns) {
  std::vector<double> kept;
  std::vector<bool> taken(columns, false);
  for (const double value : values) {
    if (!(value >= left && value <= right)) continue;
    const auto column = static_cast<std::size_t>(
        std::min(ColumnOf(value, left, right, columns), static_cast<double>(columns - 1)));
    if (taken[column]) continue;
    taken[column] = true;
    kept.push_back(value);
  }
  return kept;
}

}  // namespace apps::report
